//! Where helm stores its releases: `HELM_DRIVER`.
//!
//! We read releases from Secrets, helm's default. With another driver the Secrets do not exist, and an installed release would
//! look like one that is not installed. The variable is read at the edge; every command that reads releases calls [`require_secrets`].
//! The drivers: <https://helm.sh/docs/topics/advanced/#storage-backends>

use crate::problem::{Exit, Explain};

/// `HELM_DRIVER` names a storage that we do not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("HELM_DRIVER={0}: helm does not store its releases in Secrets, and other storages are not supported")]
pub struct UnsupportedDriver(String);

impl UnsupportedDriver {
    /// What the operator can do.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        "unset HELM_DRIVER if the releases are in Secrets: kubectl get secrets --all-namespaces --selector owner=helm"
    }
}

impl Explain for UnsupportedDriver {
    fn exit(&self) -> Exit {
        Exit::Refused
    }

    fn hints(&self) -> Vec<String> {
        vec![self.hint().to_owned()]
    }
}

/// Refuses a driver other than `secret`. Unset means `secret`.
///
/// # Errors
/// The driver stores releases elsewhere (`configmap`, `sql`, `memory`), or helm does not know it.
pub fn require_secrets(driver: Option<&str>) -> Result<(), UnsupportedDriver> {
    match driver.unwrap_or_default() {
        "" | "secret" | "secrets" => Ok(()),
        other => Err(UnsupportedDriver(other.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Problem;

    #[test]
    fn only_releases_in_secrets_are_read() {
        for driver in [None, Some(""), Some("secret"), Some("secrets")] {
            assert_eq!(require_secrets(driver), Ok(()), "{driver:?}");
        }
        for driver in ["configmap", "configmaps", "sql", "memory", "Secret"] {
            let problem = Problem::from(require_secrets(Some(driver)).unwrap_err());
            assert!(problem.message.contains(&format!("HELM_DRIVER={driver}")) && problem.exit == Exit::Refused);
        }
    }
}
