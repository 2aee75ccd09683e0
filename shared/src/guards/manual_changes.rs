//! Manual changes of live objects that the upgrade will overwrite.

use serde_json::Value;

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::application::ApplyMethod;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::managed_fields::{self, FieldPath};
use crate::model::object::ObjectRef;
use crate::model::secret::{MASK, is_secret_key};
use crate::model::task::Task;
use crate::plan::object_changes::select_release_objects;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "manual-changes",
    section: Section::Guards,
    title: "live objects without manual changes that the upgrade overwrites",
    level: Level::Warning,
    why: "helm overwrites manual changes, such as a connector, a limit or a replica count that was set during an \
        incident.",
    fix: "Add the changes that you need to the values file. The upgrade overwrites the others.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Field managers that write on behalf of the release.
const HELM_FIELD_MANAGERS: [&str; 2] = ["helm", "helm-controller"];
/// Maximum length of a shown value, in characters.
const MAX_VALUE_CHARS: usize = 60;

/// Reports fields that a manager other than helm set to another value than the stored manifest, and that the upgrade changes.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let (Some(application), Some(app)) = (context.application, &context.app_chart) else {
        return CheckResult::new(&CARD, 0, Verdict::Skipped { reason: "the application is not upgraded".to_owned() });
    };
    let undetermined = |reason: String| CheckResult::new(&CARD, 0, Verdict::Undetermined { reason });
    if let Err(failure) = &application.kinds {
        return undetermined(failure.to_string());
    }
    let namespace = &context.view.cluster.namespace;
    let (old, new) = (
        select_release_objects(namespace, application.stored_objects.reveal()),
        select_release_objects(namespace, app.rendered),
    );
    let mut findings = Vec::new();
    for (object, stored) in &old {
        let next = new.iter().find(|(other, _)| other.is_same_object(object)).map(|(_, next)| *next);
        match (application.live_objects.get(object, namespace), next) {
            (Err(failure), _) => return undetermined(failure.to_string()),
            (Ok(Some(live)), Some(next)) => {
                findings.extend(find_overwrites(object, live, stored, next, application.apply_method));
            }
            (Ok(_), _) => {}
        }
    }
    CheckResult::new(&CARD, old.len(), Verdict::from_findings(findings))
}

fn find_overwrites(
    object: &ObjectRef,
    live: &Value,
    stored: &Value,
    next: &Value,
    method: ApplyMethod,
) -> Vec<Finding> {
    let others = managed_fields::list_owned_fields(live)
        .into_iter()
        .filter(|(manager, _)| !HELM_FIELD_MANAGERS.contains(&manager.as_str()));
    let found = others.filter_map(|(manager, path)| {
        let (is, was, will) = (path.find(live)?, path.find(stored)?, path.find(next)?);
        if is_filled_by_controller(object, live, &path) {
            return None;
        }
        // For custom resources helm 3 sends only what differs between two manifests: the rest stays as it is.
        let left = method == ApplyMethod::ClientSide && !object.is_built_in() && was == will;
        if is_same_value(is, was) || is_same_value(is, will) || left {
            return None;
        }
        let secret = object.kind == "Secret" || path.field_names().any(is_secret_key);
        let (is, will) =
            if secret { (MASK.to_owned(), MASK.to_owned()) } else { (display_value(is), display_value(will)) };
        Some(CARD.finding(
            object.to_string(),
            format!("{path} is {is} (set by {manager}); the upgrade sets {will}"),
            CARD.fix,
        ))
    });
    let mut found: Vec<Finding> = found.collect();
    found.dedup();
    found
}

/// Whether a controller fills the field again: the rules of a ClusterRole with an aggregation rule are the sum of other roles
/// (<https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles>).
fn is_filled_by_controller(object: &ObjectRef, live: &Value, path: &FieldPath) -> bool {
    object.kind == "ClusterRole"
        && live["aggregationRule"].is_object()
        && path.field_names().next().is_some_and(|field| field == "rules")
}

/// Compares two values; a number equals its text, as for most fields.
fn is_same_value(one: &Value, other: &Value) -> bool {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    one == other || (!one.is_object() && !one.is_array() && text(one) == text(other))
}

fn display_value(value: &Value) -> String {
    match value {
        Value::String(text) if text.chars().count() <= MAX_VALUE_CHARS && !text.contains('\n') => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => "something else".to_owned(),
    }
}
