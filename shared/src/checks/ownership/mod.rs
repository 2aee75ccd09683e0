//! Who keeps the releases at their versions.

pub mod owner_found;
pub mod owner_same;

use crate::model::view::ReadFailure;

fn unknown_owner(release: &str, reason: &str) -> ReadFailure {
    ReadFailure { target: format!("who keeps release {release}"), reason: reason.to_owned() }
}
