//! Check `server-version`.

use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::undetermined_result;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};
use crate::model::cluster_view::ReadFailure;

/// The card.
pub static CARD: Card = Card {
    id: "server-version",
    section: Section::Cluster,
    title: "the API server is 1.31 or newer",
    level: Level::Error,
    why: "The product is built for Kubernetes 1.31 and newer. An older API server also judges CRDs by other rules (ratcheting), so that nothing said here would hold.",
    fix: "Upgrade the hub cluster first, one minor version at a time.",
};

/// Whether the API server is new enough.
pub fn check(context: &CheckContext<'_>) -> CheckResult {
    let hub = &context.view.cluster;
    let Some(found) = hub.minor_version() else {
        let reason = format!("{:?} is no version", hub.version);
        return undetermined_result(&CARD, &ReadFailure { target: "the API server's version".to_owned(), reason });
    };
    let message = format!("is {}, older than 1.31", hub.version);
    let finding = (found < (1, 31)).then(|| CARD.finding("API server", message, "kubectl version"));
    CheckResult::new(&CARD, 1, Verdict::from_findings(finding.into_iter().collect()))
}
