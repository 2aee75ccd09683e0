//! Where this program meets its surroundings: environment, terminal, streams, signals, clock.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mural::cli::{Output, Stream, env};
use mural::model::lease::Claim;
use mural::problem::{Exit, Problem};
use mural::run::prepare::Surroundings;
use mural::run::workstation::Workstation;
use mural::tools::find::{self, Hints};

use crate::flags::RegistryFlags;

pub(crate) use mural::cli::prompt::can_ask;

/// Runs to the end on a runtime of its own.
pub(crate) fn block_on<F: Future<Output = Result<Exit, Problem>>>(work: F) -> Result<Exit, Problem> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Problem::failed("cannot start").because(error))?;
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    result
}

/// What the environment gives.
///
/// `wait_for_lock` is for a run that will write.
pub(crate) fn surroundings(registry: &RegistryFlags, wait_for_lock: Option<Duration>) -> Result<Surroundings, Problem> {
    let programs = find::programs(&Hints { helm: env("HELM_BIN"), kubectl: env("KUBECTL_PATH") })?;
    let home = env("HELM_CONFIG_HOME").map(PathBuf::from).or_else(|| {
        let config = env("XDG_CONFIG_HOME").map(PathBuf::from);
        config.or_else(|| env("HOME").map(|home| Path::new(&home).join(".config"))).map(|config| config.join("helm"))
    });
    let helm_registry_config =
        registry.registry_config.clone().or_else(|| home.map(|home| home.join("registry/config.json")));
    let run = jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S").to_string();
    let claim = claim(&run);
    let workstation = workstation(&claim.host);
    // Only Linux tells a child that its parent died.
    let starter = if cfg!(target_os = "linux") { std::env::current_exe().ok() } else { None };
    let salt = format!("{}-{}", jiff::Timestamp::now().as_nanosecond(), claim.pid);
    Ok(Surroundings { programs, helm_registry_config, run, salt, claim, wait_for_lock, workstation, starter })
}

/// Where runs leave their signs of life: below the XDG state folder.
fn workstation(host: &str) -> Option<Workstation> {
    let state = env("XDG_STATE_HOME").map(PathBuf::from);
    let state = state.or_else(|| env("HOME").map(|home| Path::new(&home).join(".local/state")))?;
    // A home folder may be shared by machines and outlives every boot.
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    Some(Workstation::new(&state.join("mural"), format!("{host}-{}", boot.trim())))
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

/// Asks whether to go ahead, on a thread of its own: Ctrl-C is an answer too.
pub(crate) async fn ask_to_go_ahead() -> Result<bool, Problem> {
    let asked = tokio::task::spawn_blocking(mural::cli::prompt::ask_to_go_ahead).await;
    asked.unwrap_or_else(|gone| Err(Problem::failed("cannot ask").because(gone)))
}

/// Shows text for a person: part of the answer, unless the answer is for a program.
pub(crate) fn show(text: &str, output: Output) {
    match output {
        Output::Table => Stream::Answer.write(text),
        Output::Json | Output::Yaml => Stream::Talk.write(text),
    }
}

/// Now.
pub(crate) fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// Where relative paths begin.
pub(crate) fn folder() -> Result<PathBuf, Problem> {
    std::env::current_dir().map_err(|error| Problem::failed("there is no current folder").because(error))
}

/// Keeps text in a file, whole or not at all. `what` says what it is.
pub(crate) fn write_file(file: &Path, what: &str, text: &str) -> Result<(), Problem> {
    let failed =
        |error: std::io::Error| Problem::failed(format!("cannot write {what} {}", file.display())).because(error);
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let mut temporary = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    temporary.write_all(text.as_bytes()).map_err(failed)?;
    temporary.persist(file).map(drop).map_err(|error| failed(error.error))
}
