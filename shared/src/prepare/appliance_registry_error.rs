//! Why the appliance's registry cannot give a chart.
//!
//! Owns the texts and the next steps. `appliance_registry.rs` finds the reasons. Each is a refusal: nothing was patched.

use crate::plan::flux::appliance_checklist;
use crate::problem::{Cause, Exit, Explain};
use crate::tools::registry::RegistryError;

/// Why a chart cannot come from the appliance's registry.
#[derive(Debug, thiserror::Error)]
pub enum ApplianceRegistryError {
    /// Its address or certificate is wrong.
    #[error("the appliance's registry {registry} cannot be queried")]
    Unqueryable {
        /// Its address in the cluster.
        registry: String,
        /// Why.
        #[source]
        error: RegistryError,
    },
    /// It does not have the version.
    #[error("the appliance's registry {registry} does not have {release} {version}")]
    NoSuchVersion {
        /// Its address in the cluster.
        registry: String,
        /// The release.
        release: String,
        /// The wanted version.
        version: String,
        /// The versions that it has, and the appliance's own steps.
        #[source]
        situation: Cause,
    },
    /// It rejects the login.
    #[error("the appliance's registry {registry} requires a login: {login}")]
    LoginRequired {
        /// Its address in the cluster.
        registry: String,
        /// Which login was used.
        login: String,
        /// The namespace of the login's Secret.
        namespace: String,
        /// Its reason.
        #[source]
        error: RegistryError,
    },
    /// It does not answer.
    #[error("the appliance's registry {registry} does not answer on this workstation")]
    Unreachable {
        /// Its address in the cluster.
        registry: String,
        /// Why.
        #[source]
        error: RegistryError,
    },
}

impl ApplianceRegistryError {
    /// The registry has only these versions.
    pub(super) fn no_such_version(registry: &str, release: &str, version: &str, available: &[String]) -> Self {
        let versions = if available.is_empty() { "none".to_owned() } else { available.join(", ") };
        let checklist = appliance_checklist::render_checklist(registry);
        Self::NoSuchVersion {
            registry: registry.to_owned(),
            release: release.to_owned(),
            version: version.to_owned(),
            situation: Cause::new(format!("it has {versions}\n{checklist}")),
        }
    }
}

impl Explain for ApplianceRegistryError {
    fn exit(&self) -> Exit {
        Exit::Refused
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Unqueryable { .. } => Vec::new(),
            Self::NoSuchVersion { .. } => vec![
                "upload the content bundle of that version, and wait until the appliance has unpacked it".to_owned(),
            ],
            Self::LoginRequired { namespace, .. } => vec![
                "use the Zot password of the first installation; the update fails with another one".to_owned(),
                format!("run kubectl get secret --namespace {namespace}"),
            ],
            Self::Unreachable { registry, .. } => vec![appliance_checklist::suggest_port_forward(registry)],
        }
    }
}
