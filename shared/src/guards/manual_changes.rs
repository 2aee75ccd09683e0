//! What somebody changed by hand, and the upgrade will overwrite.

use serde_json::Value;

use crate::guards::context::GuardContext;
use crate::model::application::ApplyMethod;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::managed_fields;
use crate::model::object::ObjectRef;
use crate::model::secret::{MASK, is_secret_key};
use crate::plan::object_changes::select_release_objects;

/// The card.
pub static CARD: Card = Card {
    id: "manual-changes",
    section: Section::Guards,
    title: "the upgrade overwrites nothing that somebody changed by hand",
    level: Level::Warning,
    why: "helm writes the chart's value over whatever stands there: a connector, a limit, a number of replicas that somebody set in an incident is gone without a word.",
    fix: "Put what shall stay into the values, so that the chart says the same. What nobody needs any more may be overwritten.",
};

/// Managers that write for the release itself.
const HELM_FIELD_MANAGERS: [&str; 2] = ["helm", "helm-controller"];
/// Characters of a value that are shown.
const MAX_VALUE_CHARS: usize = 60;

/// The guard: fields of live objects that another manager than helm set to something else than the release's manifest says.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    let (Some(application), Some(app)) = (context.application, &context.app_chart) else {
        return CheckResult::new(&CARD, 0, Verdict::Skipped { reason: "the application stays where it is".to_owned() });
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
                findings.extend(find_overwrites(object, live, stored, next, application.apply_method))
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
        // For custom resources helm 3 sends only what differs between two manifests: the rest stays as it is.
        let left = method == ApplyMethod::ClientSide && !is_built_in(object) && was == will;
        if is_same_value(is, was) || is_same_value(is, will) || left {
            return None;
        }
        let secret = object.kind == "Secret" || path.field_names().any(is_secret_key);
        let (is, will) =
            if secret { (MASK.to_owned(), MASK.to_owned()) } else { (display_value(is), display_value(will)) };
        Some(CARD.finding(
            object.to_string(),
            format!("{path} is {is}, set by {manager}, and will be {will}"),
            CARD.fix,
        ))
    });
    let mut found: Vec<Finding> = found.collect();
    found.dedup();
    found
}

/// A kind of Kubernetes' own: helm merges it in three ways, and what stands on the cluster counts.
fn is_built_in(object: &ObjectRef) -> bool {
    !object.group().contains('.') || object.group().ends_with(".k8s.io")
}

/// A number and its text are the same to most fields.
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
