//! Health checks of the owners of the releases: Helm, Flux or Argo CD.
//!
//! The owner is detected by `cluster` from release records, HelmReleases and Applications; these checks only judge it.

pub mod owner_consistent;
pub mod owner_detected;

use crate::model::cluster_view::ReadFailure;

fn unknown_owner(release: &str, reason: &str) -> ReadFailure {
    ReadFailure { target: format!("the owner of release {release}"), reason: reason.to_owned() }
}
