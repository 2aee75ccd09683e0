//! The keys of every annotation and label that this project writes to a cluster. All of them have the prefix
//! `mural.dev/`.
//!
//! This module owns keys that only we write. Keys of Helm and Flux stay beside the code that reads them:
//! [`super::release`] and [`super::flux`]. What a Lease, a HelmRelease or a release record means with these keys is
//! decided by its own module.

/// On a Lease: the user that the API server sees.
pub const USER_ANNOTATION: &str = "mural.dev/user";
/// On a Lease: `user@host, process PID` of the run that holds it.
pub const PROCESS_ANNOTATION: &str = "mural.dev/process";
/// On a Lease: when the run acquired it, by the run's own clock.
pub const ACQUIRED_AT_ANNOTATION: &str = "mural.dev/acquired-at";
/// On a Lease: the id of the step that the run is at.
pub const STEP_ANNOTATION: &str = "mural.dev/step";
/// On a Lease: the version of the program that holds it.
pub const VERSION_ANNOTATION: &str = "mural.dev/version";
/// On a Lease: the id of the run.
pub const RUN_ANNOTATION: &str = "mural.dev/run";
/// On a Lease: `namespace/release` of the installation that the run upgrades.
pub const INSTALLATION_ANNOTATION: &str = "mural.dev/installation";
/// On a Lease: which workstation can tell, by a file lock, whether the run is alive.
pub const WORKSTATION_ANNOTATION: &str = "mural.dev/workstation";

/// On the record of a release: the run that made the revision. `helm upgrade --labels` sets it, and helm 3.13 and later
/// copy it to the Secret.
pub const RUN_LABEL: &str = "mural.dev/run";

/// On a HelmRelease: the run that suspended it. A later run may resume the object if that run has ended.
pub const SUSPENDED_BY_ANNOTATION: &str = "mural.dev/suspended-by-run";

/// Type of the Secret that holds the journal. `helm list` and searches for credentials skip unknown types.
pub const JOURNAL_SECRET_TYPE: &str = "mural.dev/journal";

/// Type of the Secrets that hold a copy of a run's backup.
pub const BACKUP_SECRET_TYPE: &str = "mural.dev/backup";
/// On a Secret with a part of a backup: the run that it was made for.
pub const BACKUP_OF_LABEL: &str = "mural.dev/backup-of";

/// Value of `app.kubernetes.io/managed-by` on the Leases and the journal.
pub const MANAGED_BY: &str = "kubectl-mural-upgrade";
