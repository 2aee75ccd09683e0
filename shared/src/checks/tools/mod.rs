//! helm and kubectl: the operator's own.

pub mod helm_version;
pub mod kubectl_skew;
pub mod kubectl_version;

use semver::Version;

use super::gathered::undetermined;
use crate::model::check::{Card, Checked, Finding, Verdict};
use crate::model::view::Looked;

fn at_least(
    card: &'static Card,
    found: &Looked<Version>,
    oldest: &Version,
    finding: impl Fn(&Version) -> Finding,
) -> Checked {
    match found {
        Ok(version) if version < oldest => Checked::new(card, 1, Verdict::from_findings(vec![finding(version)])),
        Ok(_) => Checked::new(card, 1, Verdict::Pass),
        Err(not_seen) => undetermined(card, not_seen),
    }
}
