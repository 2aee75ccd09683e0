//! Health checks of the operator's helm and kubectl: their versions, and the skew to the API server.
//!
//! The versions are read by the `tools` folder of the crate; nothing here starts a program.

pub mod helm_version;
pub mod kubectl_skew;
pub mod kubectl_version;

use semver::Version;

use super::check_result_builder::undetermined_result;
use crate::model::check::{Card, CheckResult, Finding, Verdict};
use crate::model::cluster_view::Observed;

fn check_minimum_version(
    card: &'static Card,
    found: &Observed<Version>,
    oldest: &Version,
    finding: impl Fn(&Version) -> Finding,
) -> CheckResult {
    match found {
        Ok(version) if version < oldest => CheckResult::new(card, 1, Verdict::from_findings(vec![finding(version)])),
        Ok(_) => CheckResult::new(card, 1, Verdict::Pass),
        Err(failure) => undetermined_result(card, failure),
    }
}
