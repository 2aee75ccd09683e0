//! Who keeps the releases at their versions.

pub mod owner_found;
pub mod owner_same;

use crate::model::view::NotSeen;

fn unknown(release: &str, reason: &str) -> NotSeen {
    NotSeen { what: format!("who keeps release {release}"), reason: reason.to_owned() }
}
