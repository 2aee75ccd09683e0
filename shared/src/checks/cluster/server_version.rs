//! Check `server-version`.

use crate::checks::gathered::undetermined;
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Level, Section, Verdict};
use crate::model::view::NotSeen;

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
pub fn check(seen: &Seen<'_>) -> Checked {
    let hub = &seen.view.hub;
    let Some(found) = hub.minor() else {
        let reason = format!("{:?} is no version", hub.version);
        return undetermined(&CARD, &NotSeen { what: "the API server's version".to_owned(), reason });
    };
    let message = format!("is {}, older than 1.31", hub.version);
    let finding = (found < (1, 31)).then(|| CARD.finding("API server", message, "kubectl version"));
    Checked::new(&CARD, 1, Verdict::from_findings(finding.into_iter().collect()))
}
