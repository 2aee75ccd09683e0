//! Builds helper programs of a test or bench, such as the oracle and crdify, from the Go modules in `tests/tools/`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Why no Go program can be built here; `None` if Go is installed.
#[must_use]
pub fn missing() -> Option<String> {
    let there =
        Command::new("go").arg("version").stdin(Stdio::null()).output().is_ok_and(|output| output.status.success());
    (!there).then(|| "Go is not installed (https://go.dev/dl): the helper program cannot be built".to_owned())
}

/// Builds `package` of the module `tests/tools/NAME` as `folder/NAME`. Go's cache makes the second build quick.
///
/// # Errors
/// The build fails. Go's messages are on standard error.
pub fn build(name: &str, package: &str, folder: &Path) -> Result<PathBuf> {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools").join(name);
    let program = folder.join(name);
    let mut go = Command::new("go");
    go.args(["build", "-trimpath", "-o"]).arg(&program).arg(package).current_dir(&module);
    let status = go.env("CGO_ENABLED", "0").stdin(Stdio::null()).status().context("could not start go")?;
    ensure!(status.success(), "building {} failed ({status})", module.display());
    Ok(program)
}
