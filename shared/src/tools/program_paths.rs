//! Finds helm, kubectl and cosign: first the program that called us, then `PATH`.
//!
//! The variables are read at the edge (`cli/environment.rs`). Versions are checked later, by `prepare/session.rs`.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::problem::{Exit, Problem};

/// The variables that name the programs.
#[derive(Debug, Clone, Default)]
pub struct ProgramHints {
    /// `HELM_BIN`: set by helm for its plugins.
    pub helm: Option<OsString>,
    /// `KUBECTL_PATH`: set by kubectl 1.37 and newer for its plugins.
    pub kubectl: Option<OsString>,
}

/// The paths of both programs.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The path of helm.
    pub helm: PathBuf,
    /// The path of kubectl.
    pub kubectl: PathBuf,
}

/// Finds helm and kubectl.
///
/// # Errors
/// A program is missing or not executable.
pub fn find_programs(hints: &ProgramHints) -> Result<Programs, Problem> {
    Ok(Programs { helm: find_helm(hints)?, kubectl: find_kubectl(hints)? })
}

/// Finds helm.
///
/// # Errors
/// As [`find_programs`].
pub fn find_helm(hints: &ProgramHints) -> Result<PathBuf, Problem> {
    let install_hint = "install helm 3.17 or newer and put it on PATH: https://helm.sh/docs/intro/install/";
    resolve_program("helm", hints.helm.as_ref(), install_hint)
}

/// Finds kubectl.
///
/// # Errors
/// As [`find_programs`].
pub fn find_kubectl(hints: &ProgramHints) -> Result<PathBuf, Problem> {
    let install_hint = "install kubectl 1.31 or newer and put it on PATH: https://kubernetes.io/docs/tasks/tools/";
    resolve_program("kubectl", hints.kubectl.as_ref(), install_hint)
}

/// Finds any other program: by its path, or by its name on `PATH`.
#[must_use]
pub fn find_program(name: &str) -> Option<PathBuf> {
    which::which(name).ok()
}

fn resolve_program(name: &str, hint: Option<&OsString>, install_hint: &str) -> Result<PathBuf, Problem> {
    // The variable may hold a bare name (`HELM_BIN=helm`): look it up in PATH too.
    let wanted = hint.filter(|hint| !hint.is_empty()).cloned().unwrap_or_else(|| name.into());
    which::which(&wanted).map_err(|error| {
        Problem::new(Exit::MissingTool, format!("{} is not installed or not executable", wanted.to_string_lossy()))
            .with_source(error)
            .with_hint(install_hint)
    })
}
