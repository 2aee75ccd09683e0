//! Check `kubectl-skew`.

use crate::checks::gathered::undetermined;
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Level, Section, Verdict};
use crate::model::view::NotSeen;

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
pub fn check(seen: &Seen<'_>) -> Checked {
    let kubectl = match &seen.tools.kubectl {
        Ok(version) => version,
        Err(not_seen) => return undetermined(&CARD, not_seen),
    };
    let Some((major, minor)) = seen.view.hub.minor() else {
        let reason = format!("{:?} is no version", seen.view.hub.version);
        return undetermined(&CARD, &NotSeen { what: "the API server's version".to_owned(), reason });
    };
    let near = major == kubectl.major && minor.abs_diff(kubectl.minor) <= 1;
    let message = format!("is {kubectl}, the API server is {}", seen.view.hub.version);
    let finding = (!near).then(|| CARD.finding("kubectl", message, "kubectl version"));
    Checked::new(&CARD, 1, Verdict::from_findings(finding.into_iter().collect()))
}
