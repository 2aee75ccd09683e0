//! Where helm and kubectl are: the one that called us first, then `PATH`.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::problem::{Exit, Problem};

/// What the environment says about the programs; read at the edge.
#[derive(Debug, Clone, Default)]
pub struct Hints {
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
pub fn programs(hints: &Hints) -> Result<Programs, Problem> {
    Ok(Programs { helm: helm(hints)?, kubectl: kubectl(hints)? })
}

/// Finds helm alone.
///
/// # Errors
/// As [`programs`].
pub fn helm(hints: &Hints) -> Result<PathBuf, Problem> {
    let how = "install helm 3.17 or newer and put it on PATH: https://helm.sh/docs/intro/install/";
    program("helm", hints.helm.as_ref(), how)
}

/// Finds kubectl alone.
///
/// # Errors
/// As [`programs`].
pub fn kubectl(hints: &Hints) -> Result<PathBuf, Problem> {
    let how = "install kubectl 1.31 or newer and put it on PATH: https://kubernetes.io/docs/tasks/tools/";
    program("kubectl", hints.kubectl.as_ref(), how)
}

/// Finds any other program: by its path, or by its name on `PATH`.
#[must_use]
pub fn any(name: &str) -> Option<PathBuf> {
    which::which(name).ok()
}

fn program(name: &str, hint: Option<&OsString>, how: &str) -> Result<PathBuf, Problem> {
    // A hint may be a bare name (`HELM_BIN=helm`): it is looked up like any other.
    let wanted = hint.filter(|hint| !hint.is_empty()).cloned().unwrap_or_else(|| name.into());
    which::which(&wanted).map_err(|error| {
        Problem::new(Exit::Refused, format!("{} is not there or cannot be started", wanted.to_string_lossy()))
            .because(error)
            .hint(how)
    })
}
