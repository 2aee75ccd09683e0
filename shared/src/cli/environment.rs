//! What a run that writes takes from its surroundings: programs, who we are, where runs leave their signs of life.

use std::path::{Path, PathBuf};

use super::env_var;
use crate::model::lease::HolderIdentity;
use crate::prepare::local_run_locks::LocalRunLocks;
use crate::prepare::prepared::{Environment, RunMode};
use crate::problem::Problem;
use crate::tools::program_paths::{self, ProgramHints};

/// What the environment gives.
///
/// # Errors
/// helm or kubectl are not there.
pub fn read_environment(registry_config: Option<&Path>, mode: RunMode) -> Result<Environment, Problem> {
    let programs =
        program_paths::find_programs(&ProgramHints { helm: env_var("HELM_BIN"), kubectl: env_var("KUBECTL_PATH") })?;
    let home = env_var("HELM_CONFIG_HOME").map(PathBuf::from).or_else(|| {
        let config = env_var("XDG_CONFIG_HOME").map(PathBuf::from);
        config
            .or_else(|| env_var("HOME").map(|home| Path::new(&home).join(".config")))
            .map(|config| config.join("helm"))
    });
    let helm_registry_config =
        registry_config.map(Path::to_owned).or_else(|| home.map(|home| home.join("registry/config.json")));
    let (holder, local_run_locks) = identify_holder();
    let run = holder.run.clone();
    // Only Linux tells a child that its parent died.
    let starter = if cfg!(target_os = "linux") { std::env::current_exe().ok() } else { None };
    let salt = format!("{}-{}", jiff::Timestamp::now().as_nanosecond(), holder.pid);
    let state = state_dir();
    Ok(Environment {
        backup_enabled: false,
        state_dir: state,
        programs,
        helm_registry_config,
        run_id: run,
        salt,
        identity: holder,
        mode,
        local_locks: local_run_locks,
        starter,
    })
}

/// Who we are in this run, and where runs on this workstation leave their signs of life.
#[must_use]
pub fn identify_holder() -> (HolderIdentity, Option<LocalRunLocks>) {
    let holder = read_holder_identity(&jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S").to_string());
    let local_run_locks = locate_local_run_locks(&holder.host);
    (holder, local_run_locks)
}

/// Where runs leave their signs of life: below the XDG state folder.
fn locate_local_run_locks(host: &str) -> Option<LocalRunLocks> {
    // A home folder may be shared by machines and outlives every boot.
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    Some(LocalRunLocks::new(&state_dir()?, format!("{host}-{}", boot.trim())))
}

/// Where this workstation keeps what is ours: below the XDG state folder. None where the environment names no place.
#[must_use]
pub fn state_dir() -> Option<PathBuf> {
    let state = env_var("XDG_STATE_HOME").map(PathBuf::from).filter(|state| state.is_absolute());
    let state = state.or_else(|| env_var("HOME").map(|home| Path::new(&home).join(".local/state")))?;
    Some(state.join("mural"))
}

/// Who we are on this workstation.
fn read_holder_identity(run: &str) -> HolderIdentity {
    let user = ["USER", "LOGNAME"].iter().find_map(|name| env_var(name));
    let user = user.unwrap_or_else(|| format!("uid-{}", rustix::process::getuid().as_raw()).into());
    HolderIdentity {
        user: user.to_string_lossy().into_owned(),
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        pid: std::process::id(),
        run: run.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..HolderIdentity::default()
    }
}
