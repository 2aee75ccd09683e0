//! No new secret is written into a HelmRelease in plain text.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};
use crate::model::flux::FluxObject;
use crate::model::secret::is_secret_key;

/// The card.
pub static CARD: Card = Card {
    id: "flux-plaintext-secrets",
    section: Section::Guards,
    title: "the values bring no new secret into the HelmRelease in plain text",
    level: Level::Error,
    why: "spec.values is no Secret: whoever may look at HelmReleases reads it, and it is in every backup of them.",
    fix: "Keep the secret in a Secret and name that in spec.valuesFrom of the HelmRelease; leave it out of the values file.",
};

/// The guard. What stands in plain text already is not made worse.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    let app = context.flux.app.as_ref();
    let Some((app, new)) = app.and_then(|app| Some((app, app.values.as_ref()?))) else {
        return CheckResult::new(&CARD, 0, Verdict::Pass);
    };
    let (mut before, mut after) = (BTreeSet::new(), BTreeSet::new());
    collect_secret_keys(app.helm_release.values().reveal(), "", &mut before);
    collect_secret_keys(new.reveal(), "", &mut after);
    let findings = after.difference(&before).map(|key| {
        let hint = "put it into a Secret, and name that in spec.valuesFrom with targetPath";
        CARD.finding(app.helm_release.object_ref().to_string(), format!("would get {key} in plain text"), hint)
    });
    CheckResult::new(&CARD, after.len(), Verdict::from_findings(findings.collect()))
}

/// Keys by their path that hold a secret text.
fn collect_secret_keys(values: &Value, at: &str, into: &mut BTreeSet<String>) {
    for (key, value) in values.as_object().into_iter().flatten() {
        let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
        match value {
            Value::String(text) if !text.is_empty() && is_secret_key(key) => drop(into.insert(path)),
            other => collect_secret_keys(other, &path, into),
        }
    }
}
