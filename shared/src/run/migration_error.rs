//! Why objects of a CRD are not migrated.
//!
//! Owns the texts and the next steps. `storage_version_migration.rs` and `object_migration.rs` find the reasons. An object that cannot be
//! written is part of a result; it becomes an error only where a run needs every object.

use std::time::Duration;

use crate::cluster::{ApiError, ClusterReadError};
use crate::problem::{Cause, Exit, Explain};

/// Why a migration ended.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// Ctrl-C.
    #[error("stopped by Ctrl-C while migrating: {progress}")]
    Stopped {
        /// What is done, or continues without us.
        progress: &'static str,
    },
    /// The CRD cannot be read or written.
    #[error("CRD {name} cannot be read or written")]
    Crd {
        /// The CRD.
        name: String,
        /// The server's reason.
        source: ApiError,
    },
    /// The server's answer is another object.
    #[error("the API server's answer is not CRD {name}")]
    NotACrd {
        /// The CRD.
        name: String,
    },
    /// The cluster does not answer.
    #[error(transparent)]
    Cluster(#[from] ClusterReadError),
    /// The server did not take up the storage version in time.
    #[error("the API server does not store {name} as {version}")]
    NotStored {
        /// The CRD.
        name: String,
        /// Its storage version.
        version: String,
    },
    /// The objects cannot be listed.
    #[error("the objects of {name} cannot be listed")]
    Unlisted {
        /// The CRD.
        name: String,
        /// The server's reason.
        source: ApiError,
    },
    /// The cluster does not migrate, and this plugin may not.
    #[error("the cluster does not migrate {name}: {reason}")]
    NotByCluster {
        /// The CRD.
        name: String,
        /// Why.
        reason: String,
    },
    /// The cluster's own migration takes too long.
    #[error("{name}: {state} after {}s", .limit.as_secs())]
    TimedOut {
        /// The CRD.
        name: String,
        /// What the cluster still does.
        state: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// The CRD was changed after the plan.
    #[error("CRD {name} has changed since the plan was made")]
    Changed {
        /// The CRD.
        name: String,
    },
    /// The transitional CRD was rejected, or conflicts do not end.
    #[error("CRD {name} could not be changed to a transitional CRD, which has the chart's storage version too")]
    TransitionalCrd {
        /// The CRD.
        name: String,
        /// The server's reason, if it has one.
        source: Option<ApiError>,
    },
    /// Objects could not be migrated.
    #[error("{name}: {summary}")]
    NotMigrated {
        /// The CRD.
        name: String,
        /// Counts of the result.
        summary: String,
        /// The first objects that failed; `None` if only the verification failed.
        #[source]
        failures: Option<Cause>,
    },
}

impl Explain for MigrationError {
    fn exit(&self) -> Exit {
        match self {
            Self::Stopped { .. } => Exit::Interrupted,
            Self::NotStored { .. } | Self::TimedOut { .. } => Exit::TimedOut,
            Self::Cluster(error) => error.exit(),
            Self::Crd { .. }
            | Self::NotACrd { .. }
            | Self::Unlisted { .. }
            | Self::NotByCluster { .. }
            | Self::Changed { .. }
            | Self::TransitionalCrd { .. }
            | Self::NotMigrated { .. } => Exit::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Stopped { .. } => "run the same command again: it continues",
            Self::Crd { .. } | Self::NotACrd { .. } => return Vec::new(),
            Self::Cluster(error) => return error.hints(),
            Self::NotStored { name, .. } => return vec![format!("kubectl describe crd {name}")],
            Self::Unlisted { .. } => {
                "add the version of the stored objects to the CRD again (served: false) if the CRD lacks it, then run the command again"
            }
            Self::NotByCluster { .. } => "use --by client to rewrite the objects through the API",
            Self::TimedOut { .. } => "kubectl get storageversionmigrations; then run the same command again",
            Self::Changed { .. } => "run the same command again: it makes a new plan from the current state",
            Self::TransitionalCrd { .. } => {
                "run the same command again; no object was migrated, and the CRD is unchanged"
            }
            Self::NotMigrated { .. } => {
                "fix the named objects, then run the same command again; the CRD still has the old version, and no object is lost"
            }
        };
        vec![hint.to_owned()]
    }
}
