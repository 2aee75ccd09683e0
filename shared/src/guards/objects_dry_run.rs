//! Objects of the application that the API server would reject.

use serde_json::Value;

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::application::{DryRunAnswer, ObjectForecast};
use crate::model::autoscaler::{find_autoscaler, is_scaled_by_autoscaler};
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::dry_run::{DryRunRejection, RejectionKind};
use crate::model::object::ObjectRef;
use crate::model::secret::is_secret_key;
use crate::model::server_warning::{ServerWarning, find_last_version, group_warnings};
use crate::model::task::Task;
use crate::plan::object_changes::{OverwrittenField, list_overwritten_fields};

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "objects-dry-run",
    section: Section::Guards,
    title: "application objects that the API server accepts",
    level: Level::Error,
    why: "helm stops at the first rejected object: an immutable field, a quota, an admission policy, or a field \
        manager conflict. The application is then only half upgraded.",
    fix: "Fix the cause in the message: in the values of the chart, on the cluster, or in the admission policy.",
};

/// The controller that fills the rules of a ClusterRole with an aggregation rule. helm 4 stops at a conflict with it, as with any other.
const AGGREGATION_MANAGER: &str = "clusterrole-aggregation-controller";

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Fails for each created or changed object that the server-side dry run rejects, and passes on its warnings. Kinds that are not served yet are left out.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let Some(application) = context.application else {
        return CheckResult::new(&CARD, 0, Verdict::Skipped { reason: "the application is not upgraded".to_owned() });
    };
    let dry_runs: Vec<&ObjectForecast> =
        application.forecasts.iter().filter(|one| !matches!(one.answer, DryRunAnswer::NotAsked(_))).collect();
    let rejected: Vec<Finding> = dry_runs.iter().filter_map(|one| build_finding(context, one)).collect();
    let warned = build_warnings(context, &dry_runs);
    // What was refused counts, whatever could not be asked besides.
    let verdict = match undetermined_reason(context) {
        Some(reason) if rejected.is_empty() => Verdict::Undetermined { reason },
        _ => Verdict::from_findings(rejected.iter().cloned().chain(warned).collect()),
    };
    CheckResult::new(&CARD, dry_runs.len(), verdict)
}

/// Why some objects have no dry-run result.
fn undetermined_reason(context: &GuardContext<'_>) -> Option<String> {
    let application = context.application?;
    if !context.server_dry_run {
        return Some("--dry-run=client sends no dry-run requests".to_owned());
    }
    let unread = application
        .kinds
        .as_ref()
        .err()
        .into_iter()
        .chain(application.live_objects.read_failures())
        .map(ToString::to_string);
    let unknown = application.forecasts.iter().filter_map(|one| Some((one, describe_missing_answer(&one.answer)?)));
    let unknown = unknown.map(|(one, reason)| format!("no answer to the dry run of {}: {reason}", one.object));
    unread.chain(unknown).next()
}

/// The server's own warnings, each once. An object with one is written all the same; its pods may be rejected later (Pod Security).
fn build_warnings(context: &GuardContext<'_>, dry_runs: &[&ObjectForecast]) -> Vec<Finding> {
    // A warning may quote what it warns of.
    let public = dry_runs.iter().filter(|one| one.object.kind != "Secret");
    let warnings = public.flat_map(|one| one.warnings.iter().map(|text| (one.object.to_string(), text.clone())));
    let finding = |ServerWarning { text, objects }: ServerWarning| {
        let subject = match objects.as_slice() {
            [one] => one.clone(),
            [first, others @ ..] => format!("{first} and {} more", others.len()),
            [] => String::new(),
        };
        let (end, hint) = match find_last_version(&text) {
            Some(last) => {
                let hint = format!("use a chart version with the new API before you upgrade Kubernetes beyond {last}");
                (format!("; served until Kubernetes {last}"), hint)
            }
            None => (
                String::new(),
                format!(
                    "change the values of the chart, or accept it; for Pod Security: kubectl get namespace {} --show-labels",
                    context.view.cluster.namespace
                ),
            ),
        };
        let message = format!("the API server warns: {text}{end}");
        Finding { level: Level::Warning, ..CARD.finding(subject, message, hint) }
    };
    group_warnings(warnings).into_iter().map(finding).collect()
}

/// Why the server did not judge an object. A missing permission says nothing of it; `permissions` reports that.
fn describe_missing_answer(answer: &DryRunAnswer) -> Option<&str> {
    match answer {
        DryRunAnswer::NoAnswer(reason) => Some(reason),
        DryRunAnswer::Rejected(rejection) if rejection.kind() == RejectionKind::Forbidden => Some(&rejection.message),
        DryRunAnswer::Accepted | DryRunAnswer::Rejected(_) | DryRunAnswer::NotAsked(_) => None,
    }
}

fn build_finding(context: &GuardContext<'_>, one: &ObjectForecast) -> Option<Finding> {
    let DryRunAnswer::Rejected(rejection) = &one.answer else { return None };
    if rejection.kind() == RejectionKind::Forbidden {
        return None;
    }
    // The server quotes what it refuses.
    let words = if one.object.kind == "Secret" {
        "the message is hidden, because it may quote the Secret"
    } else {
        &rejection.message
    };
    let kind = rejection.kind();
    let overwritten = match kind {
        RejectionKind::ImmutableField => describe_overwritten_fields(context, &one.object),
        _ => None,
    };
    let message = match &overwritten {
        Some(fields) => format!("{fields}; the API server rejects the change: {words}"),
        None => format!("the API server rejects it: {words}"),
    };
    Some(CARD.finding(one.object.to_string(), message, build_hint(context, one, rejection)))
}

/// The fields that helm would take back to the chart's value. The server's message about a StatefulSet does not name the field.
fn describe_overwritten_fields(context: &GuardContext<'_>, object: &ObjectRef) -> Option<String> {
    if object.kind == "Secret" {
        return None;
    }
    let live = context.application?.live_objects.get(object, &context.view.cluster.namespace).ok()??;
    let rendered = context.app_chart.as_ref()?.rendered;
    let next =
        rendered.iter().find(|next| ObjectRef::from_manifest(next).is_some_and(|next| next.is_same_object(object)))?;
    let is_mutable = |path: &str| {
        MUTABLE_FIELDS.iter().any(|field| path.starts_with(field)) && object.kind == "StatefulSet"
            || path.starts_with("metadata.")
    };
    let fields = list_overwritten_fields(live, next).into_iter().filter(|field| !is_mutable(&field.path));
    let words = fields.map(|OverwrittenField { path, live, next }| {
        if path.split(['.', '[']).any(is_secret_key) {
            return format!("{path} differs");
        }
        format!("{path} is {} on the cluster and {} in the chart", display_scalar(live), display_scalar(next))
    });
    let words: Vec<String> = words.take(MAX_LISTED_FIELDS).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

fn display_scalar(value: &Value) -> String {
    match value {
        Value::String(text) if text.len() <= 60 => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => "something else".to_owned(),
    }
}

/// What an update of a StatefulSet may change (`ValidateStatefulSetUpdate` in
/// <https://github.com/kubernetes/kubernetes/blob/v1.34.0/pkg/apis/apps/validation/validation.go>).
const MUTABLE_FIELDS: [&str; 7] = [
    "spec.replicas",
    "spec.ordinals",
    "spec.template",
    "spec.updateStrategy",
    "spec.revisionHistoryLimit",
    "spec.persistentVolumeClaimRetentionPolicy",
    "spec.minReadySeconds",
];
/// Fields that one finding names.
const MAX_LISTED_FIELDS: usize = 3;

fn build_hint(context: &GuardContext<'_>, one: &ObjectForecast, rejection: &DryRunRejection) -> String {
    let (resource, name, namespace) =
        (one.object.kind.to_lowercase(), &one.object.name, &context.view.cluster.namespace);
    match rejection.kind() {
        RejectionKind::QuotaExceeded => {
            format!("kubectl describe quota --namespace {namespace}; then raise the quota or lower the request")
        }
        RejectionKind::ImmutableField => {
            // The pods of a StatefulSet can stay while helm creates it again.
            let orphan = if one.object.kind == "StatefulSet" { " --cascade=orphan" } else { "" };
            format!(
                "keep the live value of the immutable field: set it in the values of the chart. Or delete the object in a \
                 maintenance window: kubectl delete {resource} {name} --namespace {namespace}{orphan}"
            )
        }
        RejectionKind::FieldConflict if conflicts_with_autoscaler(context, &one.object, rejection) => {
            "leave the replica count of this workload out of the chart, if its values allow it; or set --force-conflicts: the \
             replicas fall to the chart's number until the autoscaler restores them"
                .to_owned()
        }
        RejectionKind::FieldConflict if rejection.message.contains(AGGREGATION_MANAGER) => {
            "pass --force-conflicts: the controller fills the rules again at once; or remove rules from the chart".to_owned()
        }
        RejectionKind::FieldConflict => {
            "remove the field from the other field manager, or take it over with --force-conflicts".to_owned()
        }
        RejectionKind::DuplicateItem => "remove the second item from the values of the chart; or let helm write client-side, \
            which keeps the last item: set --server-side=false"
            .to_owned(),
        RejectionKind::StoredVersion | RejectionKind::Forbidden | RejectionKind::Other => CARD.fix.to_owned(),
    }
}

/// Whether the conflict is about the replica count of a workload that an autoscaler scales.
fn conflicts_with_autoscaler(context: &GuardContext<'_>, object: &ObjectRef, rejection: &DryRunRejection) -> bool {
    let rendered = context.app_chart.as_ref().map_or(&[][..], |app| app.rendered);
    let live = || context.application?.live_objects.get(object, &context.view.cluster.namespace).ok()?;
    let is_scaled = find_autoscaler(rendered, object).is_some() || live().is_some_and(is_scaled_by_autoscaler);
    is_scaled && rejection.causes.iter().any(|cause| cause.field.ends_with("spec.replicas"))
}
