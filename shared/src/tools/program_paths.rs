//! Finds helm, kubectl and cosign: first the program that called us, then `PATH`.
//!
//! The variables are read at the edge (`cli/environment.rs`). Versions are checked later, by `prepare/session.rs`.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::problem::{Exit, Explain};

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

/// A program is not installed, or not executable.
#[derive(Debug, thiserror::Error)]
#[error("{program} is not installed or not executable")]
pub struct MissingProgram {
    program: String,
    install_hint: &'static str,
    #[source]
    error: which::Error,
}

impl Explain for MissingProgram {
    fn exit(&self) -> Exit {
        Exit::MissingTool
    }

    fn hints(&self) -> Vec<String> {
        vec![self.install_hint.to_owned()]
    }
}

/// Finds helm and kubectl.
///
/// # Errors
/// A program is missing or not executable.
pub fn find_programs(hints: &ProgramHints) -> Result<Programs, MissingProgram> {
    Ok(Programs { helm: find_helm(hints)?, kubectl: find_kubectl(hints)? })
}

/// Finds helm.
///
/// # Errors
/// As [`find_programs`].
pub fn find_helm(hints: &ProgramHints) -> Result<PathBuf, MissingProgram> {
    let install_hint = "install helm 3.17 or newer and put it on PATH: https://helm.sh/docs/intro/install/";
    resolve_program("helm", hints.helm.as_ref(), install_hint)
}

/// Finds kubectl.
///
/// # Errors
/// As [`find_programs`].
pub fn find_kubectl(hints: &ProgramHints) -> Result<PathBuf, MissingProgram> {
    let install_hint = "install kubectl 1.31 or newer and put it on PATH: https://kubernetes.io/docs/tasks/tools/";
    resolve_program("kubectl", hints.kubectl.as_ref(), install_hint)
}

/// Finds any other program: by its path, or by its name on `PATH`.
#[must_use]
pub fn find_program(name: &str) -> Option<PathBuf> {
    which::which(name).ok()
}

fn resolve_program(name: &str, hint: Option<&OsString>, install_hint: &'static str) -> Result<PathBuf, MissingProgram> {
    // The variable may hold a bare name (`HELM_BIN=helm`): look it up in PATH too.
    let wanted = hint.filter(|hint| !hint.is_empty()).cloned().unwrap_or_else(|| name.into());
    let program = wanted.to_string_lossy().into_owned();
    which::which(&wanted).map_err(|error| MissingProgram { program, install_hint, error })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Problem;

    #[test]
    fn a_missing_program_has_the_page_that_installs_it() {
        let hints = ProgramHints { helm: Some("/no/such/helm".into()), kubectl: None };
        let problem = Problem::from(find_helm(&hints).unwrap_err());
        assert_eq!(problem.exit, Exit::MissingTool);
        assert_eq!(problem.message, "/no/such/helm is not installed or not executable");
        assert!(problem.hints[0].starts_with("install helm ") && problem.hints[0].contains("https://"));
    }
}
