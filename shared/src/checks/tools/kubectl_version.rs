//! Check `kubectl-version`.

use crate::model::tools::OLDEST_KUBECTL;

use super::at_least;
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Level, Section};

/// The card.
pub static CARD: Card = Card {
    id: "kubectl-version",
    section: Section::Tools,
    title: "kubectl is 1.31 or newer",
    level: Level::Error,
    why: "An older kubectl is outside of the version skew that Kubernetes supports for any cluster the product runs on.",
    fix: "Install a newer kubectl (https://kubernetes.io/docs/tasks/tools/), or put it first on PATH.",
};

/// Whether kubectl is new enough.
pub fn check(seen: &Seen<'_>) -> Checked {
    at_least(&CARD, &seen.tools.kubectl, &OLDEST_KUBECTL, |version| {
        let hint = "kubectl version --client; https://kubernetes.io/docs/tasks/tools/";
        CARD.finding("kubectl", format!("is {version}, older than {OLDEST_KUBECTL}"), hint)
    })
}
