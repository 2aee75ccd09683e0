//! Where helm and kubectl are: the one that called us first, then `PATH`.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::problem::{Exit, Problem};

/// What the environment says about the programs; read at the edge.
#[derive(Debug, Clone, Default)]
pub struct ProgramHints {
    /// `HELM_BIN`: helm sets it for its plugins.
    pub helm: Option<OsString>,
    /// `KUBECTL_PATH`: kubectl sets it for its plugins from 1.37 on.
    pub kubectl: Option<OsString>,
}

/// The two programs.
#[derive(Debug, Clone)]
pub struct Programs {
    /// helm
    pub helm: PathBuf,
    /// kubectl
    pub kubectl: PathBuf,
}

/// Finds both.
///
/// # Errors
/// A refusal that names the missing program and how to get it.
pub fn find_programs(hints: &ProgramHints) -> Result<Programs, Problem> {
    Ok(Programs { helm: find_helm(hints)?, kubectl: find_kubectl(hints)? })
}

/// Finds helm alone.
///
/// # Errors
/// As [`programs`].
pub fn find_helm(hints: &ProgramHints) -> Result<PathBuf, Problem> {
    let install_hint = "install helm 3.17 or newer and put it on PATH: https://helm.sh/docs/intro/install/";
    resolve_program("helm", hints.helm.as_ref(), install_hint)
}

/// Finds kubectl alone.
///
/// # Errors
/// As [`programs`].
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
    // A hint may be a bare name (`HELM_BIN=helm`): it is looked up like any other.
    let wanted = hint.filter(|hint| !hint.is_empty()).cloned().unwrap_or_else(|| name.into());
    which::which(&wanted).map_err(|error| {
        Problem::new(Exit::Refused, format!("{} is not there or cannot be started", wanted.to_string_lossy()))
            .with_source(error)
            .with_hint(install_hint)
    })
}
