//! Secret values that the run would write into `spec.values` of a HelmRelease in plain text.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};
use crate::model::flux::FluxObject;
use crate::model::secret::is_secret_key;
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
    let (mut before, mut after) = (BTreeSet::new(), BTreeSet::new());
    collect_secret_keys(app.helm_release.values().reveal(), "", &mut before);
    collect_secret_keys(new.reveal(), "", &mut after);
    let findings = after.difference(&before).map(|key| {
        let hint = "put the value into a Secret, and refer to it in spec.valuesFrom with targetPath";
        CARD.finding(app.helm_release.object_ref().to_string(), format!("would contain {key} in plain text"), hint)
    });
    CheckResult::new(&CARD, after.len(), Verdict::from_findings(findings.collect()))
}

/// Collects the paths of values whose key looks like a secret and that are not empty.
fn collect_secret_keys(values: &Value, at: &str, into: &mut BTreeSet<String>) {
    for (key, value) in values.as_object().into_iter().flatten() {
        let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
        match value {
            Value::String(text) if !text.is_empty() && is_secret_key(key) => drop(into.insert(path)),
            other => collect_secret_keys(other, &path, into),
        }
    }
}
