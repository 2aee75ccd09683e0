//! The process environment of a run that writes: programs, registry logins, the identity of the run and its local state.
//!
//! The result is an `Environment` for `prepare`; nothing after it reads environment variables.

use std::path::{Path, PathBuf};

use super::boot_identity::read_boot_id;
use super::env_var;
use crate::ask::BackupMode;
use crate::model::lease::HolderIdentity;
use crate::prepare::local_run_locks::LocalRunLocks;
use crate::prepare::prepared::{Environment, RunMode};
use crate::problem::Problem;
use crate::tools::parent_death;
use crate::tools::program_paths::{self, ProgramHints};

/// Reads the environment of a run.
///
/// # Errors
/// helm or kubectl is not installed.
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
    let starter = parent_death::is_supported().then(std::env::current_exe).and_then(Result::ok);
    let salt = format!("{}-{}", jiff::Timestamp::now().as_nanosecond(), holder.pid);
    let state = state_dir();
    Ok(Environment {
        backup: BackupMode::Unsupported,
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

/// The holder identity of a new run, and the folder with the locks of runs on this workstation.
#[must_use]
pub fn identify_holder() -> (HolderIdentity, Option<LocalRunLocks>) {
    let holder = read_holder_identity(&jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S").to_string());
    let local_run_locks = locate_local_run_locks(&holder.host);
    (holder, local_run_locks)
}

/// The folder with the locks of local runs, below the XDG state folder.
fn locate_local_run_locks(host: &str) -> Option<LocalRunLocks> {
    // Several machines may share a home folder, and a lock file of an earlier boot means nothing.
    Some(LocalRunLocks::new(&state_dir()?, format!("{host}-{}", read_boot_id())))
}

/// The folder for local journals and backups: `$XDG_STATE_HOME/mural`, else `~/.local/state/mural`; `None` without `HOME`.
#[must_use]
pub fn state_dir() -> Option<PathBuf> {
    let state = env_var("XDG_STATE_HOME").map(PathBuf::from).filter(|state| state.is_absolute());
    let state = state.or_else(|| env_var("HOME").map(|home| Path::new(&home).join(".local/state")))?;
    Some(state.join("mural"))
}

/// The user, host, process id and version of this run.
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
