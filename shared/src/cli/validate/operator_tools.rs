//! The operator's own helm and kubectl, as `validate` uses them.
//!
//! Input: `HELM_BIN`, `KUBECTL_PATH`, `PATH` and the flags. Output: programs to call. Nothing is started here.

use crate::ask::{Installation, RegistryAccess};
use crate::cli::env_var;
use crate::tools::helm::Helm;
use crate::tools::program_paths::{self, MissingProgram, ProgramHints};

/// The programs that environment variables name: helm and kubectl set them for their plugins.
pub(crate) fn read_program_hints() -> ProgramHints {
    ProgramHints { helm: env_var("HELM_BIN"), kubectl: env_var("KUBECTL_PATH") }
}

/// helm with the cluster and registry access of the flags.
pub(crate) fn build_helm(installation: &Installation, registry: RegistryAccess) -> Result<Helm, MissingProgram> {
    let program = program_paths::find_helm(&read_program_hints())?;
    Ok(Helm { program, cluster: installation.cluster.clone(), registry, namespace: installation.namespace.clone() })
}
