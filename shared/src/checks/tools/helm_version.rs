//! Check `helm-version`.

use crate::model::tools::OLDEST_HELM;

use super::at_least;
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Level, Section};

/// The card.
pub static CARD: Card = Card {
    id: "helm-version",
    section: Section::Tools,
    title: "helm is 3.17 or newer",
    level: Level::Error,
    why: "An older helm does not pull a chart by its digest, so nobody could prove which chart is installed.",
    fix: "Install a newer helm (https://helm.sh/docs/intro/install/), or put it first on PATH.",
};

/// Whether helm is new enough.
pub fn check(seen: &Seen<'_>) -> Checked {
    at_least(&CARD, &seen.tools.helm, &OLDEST_HELM, |version| {
        CARD.finding(
            "helm",
            format!("is {version}, older than {OLDEST_HELM}"),
            "helm version; https://helm.sh/docs/intro/install/",
        )
    })
}
