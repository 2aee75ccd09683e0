//! Check `helm-version`.

use crate::model::tool_versions::MIN_HELM_VERSION;

use super::check_minimum_version;
use crate::checks::check_context::CheckContext;
use crate::model::check::{Card, CheckResult, Level, Section};

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
pub fn check(context: &CheckContext<'_>) -> CheckResult {
    check_minimum_version(&CARD, &context.tools.helm, &MIN_HELM_VERSION, |version| {
        CARD.finding(
            "helm",
            format!("is {version}, older than {MIN_HELM_VERSION}"),
            "helm version; https://helm.sh/docs/intro/install/",
        )
    })
}
