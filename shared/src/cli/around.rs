//! What a run that writes takes from its surroundings: programs, who we are, where runs leave their signs of life.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::env;
use crate::model::lease::Claim;
use crate::prepare::Surroundings;
use crate::prepare::workstation::Workstation;
use crate::problem::Problem;
use crate::tools::find::{self, Hints};

/// What the environment gives.
///
/// `wait_for_lock` is for a run that will write.
///
/// # Errors
/// helm or kubectl are not there.
pub fn surroundings(registry_config: Option<&Path>, wait_for_lock: Option<Duration>) -> Result<Surroundings, Problem> {
    let programs = find::programs(&Hints { helm: env("HELM_BIN"), kubectl: env("KUBECTL_PATH") })?;
    let home = env("HELM_CONFIG_HOME").map(PathBuf::from).or_else(|| {
        let config = env("XDG_CONFIG_HOME").map(PathBuf::from);
        config.or_else(|| env("HOME").map(|home| Path::new(&home).join(".config"))).map(|config| config.join("helm"))
    });
    let helm_registry_config =
        registry_config.map(Path::to_owned).or_else(|| home.map(|home| home.join("registry/config.json")));
    let (claim, workstation) = ourselves();
    let run = claim.run.clone();
    // Only Linux tells a child that its parent died.
    let starter = if cfg!(target_os = "linux") { std::env::current_exe().ok() } else { None };
    let salt = format!("{}-{}", jiff::Timestamp::now().as_nanosecond(), claim.pid);
    let state = state();
    Ok(Surroundings {
        saves: false,
        state,
        programs,
        helm_registry_config,
        run,
        salt,
        claim,
        wait_for_lock,
        workstation,
        starter,
    })
}

/// Who we are in this run, and where runs on this workstation leave their signs of life.
#[must_use]
pub fn ourselves() -> (Claim, Option<Workstation>) {
    let claim = claim(&jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S").to_string());
    let workstation = workstation(&claim.host);
    (claim, workstation)
}

/// Where runs leave their signs of life: below the XDG state folder.
fn workstation(host: &str) -> Option<Workstation> {
    // A home folder may be shared by machines and outlives every boot.
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    Some(Workstation::new(&state()?, format!("{host}-{}", boot.trim())))
}

/// Where this workstation keeps what is ours: below the XDG state folder. None where the environment names no place.
#[must_use]
pub fn state() -> Option<PathBuf> {
    let state = env("XDG_STATE_HOME").map(PathBuf::from).filter(|state| state.is_absolute());
    let state = state.or_else(|| env("HOME").map(|home| Path::new(&home).join(".local/state")))?;
    Some(state.join("mural"))
}

/// Who we are on this workstation.
fn claim(run: &str) -> Claim {
    let user = ["USER", "LOGNAME"].iter().find_map(|name| env(name));
    let user = user.unwrap_or_else(|| format!("uid-{}", rustix::process::getuid().as_raw()).into());
    Claim {
        user: user.to_string_lossy().into_owned(),
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        pid: std::process::id(),
        run: run.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..Claim::default()
    }
}
