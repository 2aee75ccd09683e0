//! Requests of the plan that the API server would forbid.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::access_review::Permission;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "permissions",
    section: Section::Guards,
    title: "permission for every request of the plan",
    level: Level::Error,
    why: "A missing permission shows up only at its step. The upgrade is then half done and cannot continue.",
    fix: "Ask for the Role in the finding, or run as another user with --as or --context.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::Rollback, Task::Repair], check };

/// Fails for the missing permissions, with a ready Role per namespace and one ClusterRole in the hints.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
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
        "save this Role as FILE, run kubectl apply --filename FILE, and bind it to {who}: {}",
        build_role(place, denied)
    );
    CARD.finding(subject, format!("{who} may not {}", words.join(", ")), hint)
}

/// A Role as one line of JSON, which `kubectl apply` accepts.
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
