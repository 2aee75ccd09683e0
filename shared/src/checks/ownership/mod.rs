//! Who keeps the releases at their versions.

pub mod owner_consistent;
pub mod owner_detected;

use crate::model::cluster_view::ReadFailure;

fn unknown_owner(release: &str, reason: &str) -> ReadFailure {
    ReadFailure { target: format!("who keeps release {release}"), reason: reason.to_owned() }
}
