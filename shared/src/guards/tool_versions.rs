//! Minimum versions of helm and kubectl.

use semver::Version;

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};
use crate::model::cluster_view::Observed;
use crate::model::task::Task;
use crate::model::tool_versions::{MIN_HELM_VERSION, MIN_KUBECTL_VERSION};

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "tool-versions",
    section: Section::Guards,
    title: "helm 3.17 or newer and kubectl 1.31 or newer",
    level: Level::Error,
    why: "An older helm ignores or misreads flags that the upgrade relies on. helm before 3.17 does not verify a \
        digest.",
    fix: "Install helm 3.17 or newer and kubectl 1.31 or newer, and put them first on PATH.",
};

/// The tasks that it applies to.
pub const GUARD: Guard =
    Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::Rollback, Task::Repair, Task::ApplyCrds], check };

/// Fails for each program that is too old; undetermined if one cannot be run.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let tools =
        [("helm", &context.helm_version, MIN_HELM_VERSION), ("kubectl", &context.kubectl_version, MIN_KUBECTL_VERSION)];
    let unseen: Vec<String> =
        tools.iter().filter_map(|(_, found, _)| found.as_ref().err().map(ToString::to_string)).collect();
    if !unseen.is_empty() {
        return CheckResult::new(&CARD, 2, Verdict::Undetermined { reason: unseen.join("; ") });
    }
    let old = tools.iter().filter_map(|(name, found, oldest)| too_old(name, found, oldest));
    CheckResult::new(&CARD, 2, Verdict::from_findings(old.collect()))
}

fn too_old(name: &str, found: &Observed<Version>, oldest: &Version) -> Option<crate::model::check::Finding> {
    let found = found.as_ref().ok().filter(|found| *found < oldest)?;
    Some(CARD.finding(
        name,
        format!("is {found}; {oldest} or newer is required"),
        format!("install {name} {oldest} or newer"),
    ))
}
