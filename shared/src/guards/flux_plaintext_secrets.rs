//! Secret values that the run would write into `spec.values` of a HelmRelease in plain text.

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};
use crate::model::flux::FluxObject;
use crate::model::secret::list_secret_paths;
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "flux-plaintext-secrets",
    section: Section::Guards,
    title: "values without new plain-text secrets in the HelmRelease",
    level: Level::Error,
    why: "spec.values is not a Secret: everyone who can read HelmReleases can read it, and every backup contains it.",
    fix: "Put the value into a Secret, refer to it in spec.valuesFrom of the HelmRelease, and remove it from the \
        values file.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Fails for each new plain-text secret. Existing plain-text secrets are not reported.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let app = context.flux.app.as_ref();
    let Some((app, new)) = app.and_then(|app| Some((app, app.values.as_ref()?))) else {
        return CheckResult::new(&CARD, 0, Verdict::Pass);
    };
    let (before, after) = (list_secret_paths(app.helm_release.values().reveal()), list_secret_paths(new.reveal()));
    let findings = after.difference(&before).map(|key| {
        let hint = "put the value into a Secret, and refer to it in spec.valuesFrom with targetPath";
        CARD.finding(app.helm_release.object_ref().to_string(), format!("would contain {key} in plain text"), hint)
    });
    CheckResult::new(&CARD, after.len(), Verdict::from_findings(findings.collect()))
}
