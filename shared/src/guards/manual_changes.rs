//! Manual changes of live objects that the upgrade will overwrite.

use serde_json::Value;

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::application::ApplyMethod;
use crate::model::autoscaler::{find_autoscaler, is_scaled_by_autoscaler};
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::managed_fields::{self, FieldPath};
use crate::model::object::ObjectRef;
use crate::model::secret::is_secret_key;
use crate::model::task::Task;
use crate::plan::object_changes::{OverwrittenField, list_overwritten_fields, select_release_objects};

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "manual-changes",
    section: Section::Guards,
    title: "live objects without changes by other field managers that the upgrade overwrites",
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
                let found = find_overwrites(object, live, stored, next, application.apply_method);
                findings.extend(found.into_iter().map(|overwrite| overwrite.to_finding(object, live, app.rendered)));
            }
            (Ok(_), _) => {}
        }
    }
    CheckResult::new(&CARD, old.len(), Verdict::from_findings(findings))
}

/// A field that another manager set and that the upgrade sets again.
struct Overwrite {
    path: String,
    manager: String,
    /// The value on the cluster and the next one, if both can be shown.
    values: Option<[String; 2]>,
}

impl Overwrite {
    fn to_finding(&self, object: &ObjectRef, live: &Value, rendered: &[Value]) -> Finding {
        let Self { path, manager, values } = self;
        let says = match values {
            Some([live, next]) => format!("{path} was set to {live} by {manager}; the upgrade sets {next}"),
            None => format!("{path} was changed by {manager}; the upgrade overwrites it"),
        };
        if path != "spec.replicas" {
            return CARD.finding(object.to_string(), says, CARD.fix);
        }
        let restored_by = match find_autoscaler(rendered, object) {
            Some(name) => format!("HorizontalPodAutoscaler {name}"),
            None if is_scaled_by_autoscaler(live) => "its autoscaler".to_owned(),
            None => return CARD.finding(object.to_string(), says, CARD.fix),
        };
        CARD.finding(object.to_string(), format!("{says} until {restored_by} restores them"), AUTOSCALER_HINT)
    }
}

/// An autoscaler owns the replica count: a value in the chart is the mistake.
const AUTOSCALER_HINT: &str = "leave the replica count of this workload out of the chart, if its values allow it: the autoscaler owns \
    the field. Otherwise expect fewer pods for a moment";

fn find_overwrites(
    object: &ObjectRef,
    live: &Value,
    stored: &Value,
    next: &Value,
    method: ApplyMethod,
) -> Vec<Overwrite> {
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
        // Of a whole list, the first field that differs. The server's defaults in it are no change.
        let OverwrittenField { path: inner, live: is, next: will } =
            list_overwritten_fields(is, will).into_iter().next()?;
        let separator = if inner.is_empty() || inner.starts_with('[') { "" } else { "." };
        let secret = secret || inner.split(['.', '[']).any(is_secret_key);
        let shown = display_value(is).zip(display_value(will)).filter(|_| !secret);
        let values = shown.map(|(live, next)| [live, next]);
        Some(Overwrite { path: format!("{path}{separator}{inner}"), manager, values })
    });
    let mut found: Vec<Overwrite> = found.collect();
    found.dedup_by(|a, b| a.path == b.path && a.manager == b.manager);
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

/// A short value; none if only its change can be shown.
fn display_value(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.chars().count() <= MAX_VALUE_CHARS && !text.contains('\n') => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
