//! Builds this project's four programs once per process, for tests and sandboxes that need them on `PATH`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::sandbox::Sandbox;

/// The packages of the plugins. Each builds one program of the same name.
pub const PROGRAMS: [&str; 4] = ["kubectl-mural", "kubectl-mural-upgrade", "kubectl-mural-validate", "helm-mural"];

/// Builds the programs in the profile of this process and returns their folder. Cargo's lock separates parallel
/// processes.
///
/// # Errors
/// The build fails. Cargo's messages are on standard error.
pub fn folder() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    built.clone().map_err(anyhow::Error::msg)
}

/// The programs without debug information, which makes them small; unchanged if `strip` is not installed.
///
/// # Errors
/// The build fails, or the folder cannot be written.
pub fn stripped_folder(folder: &Path) -> Result<PathBuf> {
    let built = self::folder()?;
    std::fs::create_dir_all(folder)?;
    for name in PROGRAMS {
        let stripped = folder.join(name);
        let status = Command::new("strip").arg("-o").arg(&stripped).arg(built.join(name)).status();
        if !status.is_ok_and(|status| status.success()) {
            std::fs::copy(built.join(name), &stripped)?;
        }
    }
    Ok(folder.to_owned())
}

fn build() -> Result<PathBuf> {
    // `cargo test` and `cargo run` set CARGO. A program started by hand uses the cargo on PATH.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    let mut command = Command::new(cargo);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "--message-format", "json"]);
    // `cargo test` sets these for the test. Build scripts that watch them would run again and rebuild half of the workspace.
    let about_us = |name: &str| {
        ["CARGO_MANIFEST", "CARGO_PKG", "CARGO_CRATE", "CARGO_BIN", "CARGO_PRIMARY"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
    };
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(about_us)) {
        command.env_remove(name);
    }
    command.args(["--profile", profile]).args(PROGRAMS.iter().flat_map(|name| ["--package", name]));
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("cannot start cargo")?;
    ensure!(output.status.success(), "the plugins cannot be built: {}", output.status);
    let programs: Vec<PathBuf> = String::from_utf8_lossy(&output.stdout).lines().filter_map(executable).collect();
    ensure!(programs.len() == PROGRAMS.len(), "cargo built {programs:?} instead of {PROGRAMS:?}");
    let folder = programs[0].parent().context("a program lies in a folder")?;
    Ok(folder.to_owned())
}

/// The path of a plugin's executable in a message of cargo; none for other messages.
fn executable(line: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    let name = message.pointer("/target/name")?.as_str()?;
    let file = message["executable"].as_str()?;
    PROGRAMS.contains(&name).then(|| file.into())
}

/// Installs the helm plugin `mural` into a sandbox's `HELM_PLUGINS`, in the layout that `install.sh` uses.
///
/// # Errors
/// The folder cannot be written.
pub fn link_helm_plugin(sandbox: &Sandbox, programs: &Path) -> Result<()> {
    let folder = sandbox.dir().join("helm/plugins/mural");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/helm-mural");
    std::fs::create_dir_all(folder.join("bin"))?;
    std::fs::copy(source.join("plugin.yaml"), folder.join("plugin.yaml")).context("plugin.yaml")?;
    let link = folder.join("bin/helm-mural");
    std::fs::remove_file(&link).ok();
    std::os::unix::fs::symlink(programs.join("helm-mural"), &link)
        .with_context(|| format!("could not link {}", link.display()))
}
