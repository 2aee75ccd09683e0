//! Check `kubectl-skew`.

use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::undetermined_result;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};
use crate::model::cluster_view::ReadFailure;

/// The card. The rule: <https://kubernetes.io/releases/version-skew-policy/#kubectl>
pub static CARD: Card = Card {
    id: "kubectl-skew",
    section: Section::Tools,
    title: "kubectl is within one minor version of the API server",
    level: Level::Warning,
    why: "Kubernetes supports kubectl one minor version older or newer than the API server. Farther apart, apply and its defaults are not tested by anyone.",
    fix: "Use a kubectl of the cluster's minor version, or one next to it.",
};

/// Whether kubectl fits the server.
pub fn check(context: &CheckContext<'_>) -> CheckResult {
    let kubectl = match &context.tools.kubectl {
        Ok(version) => version,
        Err(failure) => return undetermined_result(&CARD, failure),
    };
    let Some((major, minor)) = context.view.cluster.minor_version() else {
        let reason = format!("{:?} is no version", context.view.cluster.version);
        return undetermined_result(&CARD, &ReadFailure { target: "the API server's version".to_owned(), reason });
    };
    let near = major == kubectl.major && minor.abs_diff(kubectl.minor) <= 1;
    let message = format!("is {kubectl}, the API server is {}", context.view.cluster.version);
    let finding = (!near).then(|| CARD.finding("kubectl", message, "kubectl version"));
    CheckResult::new(&CARD, 1, Verdict::from_findings(finding.into_iter().collect()))
}
