//! We may do everything that the plan does.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::guards::context::GuardContext;
use crate::model::access_review::Permission;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};

/// The card.
pub static CARD: Card = Card {
    id: "permissions",
    section: Section::Guards,
    title: "everything that the plan does is granted",
    level: Level::Error,
    why: "A verb that is missing shows only when its turn comes: then half of the upgrade is done, and nobody may finish it.",
    fix: "Ask for the Role that the finding names, or run as somebody who has it: --as, --context.",
};

/// The guard: what the API server does not grant, a ready Role for each namespace and one for the cluster.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    let grants = context.grants;
    let verdict = match &grants.denied {
        Err(failure) => Verdict::Undetermined { reason: failure.to_string() },
        Ok(denied) => {
            let places: BTreeSet<&Option<String>> = denied.iter().map(|need| &need.namespace).collect();
            let findings = places.into_iter().map(|place| {
                let here: Vec<&Permission> = denied.iter().filter(|need| need.namespace == *place).collect();
                build_finding(context, place.as_deref(), &here)
            });
            Verdict::from_findings(findings.collect())
        }
    };
    CheckResult::new(&CARD, grants.checked_count, verdict)
}

fn build_finding(context: &GuardContext<'_>, place: Option<&str>, denied: &[&Permission]) -> Finding {
    let who = context.view.cluster.user.as_deref().unwrap_or("this user");
    let words: Vec<String> = denied.iter().map(ToString::to_string).collect();
    let subject = place.map_or_else(|| "the cluster".to_owned(), |namespace| format!("namespace {namespace}"));
    let hint = format!(
        "grant it: save this as a file, kubectl apply --filename FILE, and bind it to {who}: {}",
        build_role(place, denied)
    );
    CARD.finding(subject, format!("{who} may not {}", words.join(", ")), hint)
}

/// A Role in one line, which kubectl reads as it is.
fn build_role(place: Option<&str>, denied: &[&Permission]) -> Value {
    let mut verbs: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for need in denied {
        verbs.entry((&need.group, &need.resource)).or_default().push(need.verb);
    }
    let rules: Vec<Value> = verbs
        .into_iter()
        .map(|((group, resource), verbs)| json!({"apiGroups": [group], "resources": [resource], "verbs": verbs}))
        .collect();
    let mut metadata = json!({"name": "mural-upgrade"});
    if let Some(namespace) = place {
        metadata["namespace"] = namespace.into();
    }
    let kind = if place.is_some() { "Role" } else { "ClusterRole" };
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata, "rules": rules})
}
