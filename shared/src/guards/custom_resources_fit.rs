//! Custom resources of the application that are invalid under the new CRDs, or lose fields to pruning.

use serde_json::Value;

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::crd::Crd;
use crate::model::object::ObjectRef;
use crate::model::task::Task;
use crate::schema::{self, Schema, ServerVersion};

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "custom-resources-fit",
    section: Section::Guards,
    title: "custom resources of the application that are valid under the new CRDs",
    level: Level::Error,
    why: "helm writes these objects after the new CRDs are served, so no dry run can check them earlier. A rejected \
        object stops the upgrade half-way.",
    fix: "Change the values of the chart, or use a matching pair of charts.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Validates every rendered custom resource of the application against the planned CRD, as the API server will.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let Some(app) = &context.app_chart else {
        return CheckResult::new(&CARD, 0, Verdict::Skipped { reason: "the application is not upgraded".to_owned() });
    };
    let server: ServerVersion = context.view.cluster.version.parse().unwrap_or(ServerVersion::NEWEST);
    let judged: Vec<(ObjectRef, &Crd, &Value)> = app
        .rendered
        .iter()
        .filter_map(|document| {
            let object = ObjectRef::from_manifest(document)?;
            let crd = context.planned_crds().find(|crd| crd.group() == object.group() && crd.kind() == object.kind)?;
            Some((object, crd, document))
        })
        .collect();
    let (mut findings, mut unsure) = (Vec::new(), None);
    for (object, crd, document) in &judged {
        // A version that is not served is another guard's.
        let Some(schema) = Schema::from_crd(crd, object.version(), server) else { continue };
        let verdicts = schema.validate(document);
        // What stays as it is passes by what an update forgives, or is not written at all.
        let unchanged = is_unchanged(context, object, document);
        let refusals = if unchanged { &verdicts.update_errors } else { &verdicts.errors };
        findings.extend(verdicts.errors.iter().map(|error| {
            if refusals.contains(error) {
                build_rejection_finding(object, error)
            } else {
                build_ratcheting_finding(object, error)
            }
        }));
        findings.extend(verdicts.pruned_fields.iter().map(|path| build_pruning_finding(object, path)));
        if verdicts.create == schema::Validity::Undetermined {
            unsure =
                verdicts.undetermined.first().map(|why| format!("{object} {}: {}", why.path, why.reason)).or(unsure);
        }
    }
    let verdict = match unsure {
        Some(reason) if findings.is_empty() => Verdict::Undetermined { reason },
        _ => Verdict::from_findings(findings),
    };
    CheckResult::new(&CARD, judged.len(), verdict)
}

/// Whether the object exists and the new chart does not change it.
fn is_unchanged(context: &GuardContext<'_>, object: &ObjectRef, document: &Value) -> bool {
    let Some(known) = context.application else { return false };
    let lives = known.live_objects.get(object, &context.view.cluster.namespace).is_ok_and(|live| live.is_some());
    let same = |stored: &Value| {
        ObjectRef::from_manifest(stored).as_ref() == Some(object) && content_fields(stored).eq(content_fields(document))
    };
    lives && known.stored_objects.reveal().iter().any(same)
}

/// The object without its metadata, which the schema of a CRD does not validate.
fn content_fields(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object.as_object().into_iter().flatten().filter(|(key, _)| *key != "metadata")
}

/// Whether the API server ratchets the error, because the update does not change the invalid field
/// (<https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/4008-crd-ratcheting>).
fn build_ratcheting_finding(object: &ObjectRef, error: &schema::SchemaError) -> Finding {
    let message = format!(
        "{} is invalid under the new schema: {}; it is accepted only while this upgrade does not change it",
        describe_path(&error.path),
        error.message
    );
    Finding { level: Level::Warning, ..CARD.finding(object.to_string(), message, CARD.fix) }
}

fn build_rejection_finding(object: &ObjectRef, error: &schema::SchemaError) -> Finding {
    CARD.finding(
        object.to_string(),
        format!("{} is invalid under the new schema: {}", describe_path(&error.path), error.message),
        CARD.fix,
    )
}

/// The place; the whole object has none.
const fn describe_path(path: &str) -> &str {
    if path.is_empty() { "it" } else { path }
}

fn build_pruning_finding(object: &ObjectRef, path: &str) -> Finding {
    let message = format!("{path} is not in the schema: the API server prunes it");
    Finding { level: Level::Warning, ..CARD.finding(object.to_string(), message, CARD.fix) }
}
