//! The application's custom resources fit the schemas that its CRD step brings.

use serde_json::Value;

use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::crd::Crd;
use crate::model::object::ObjectRef;
use crate::schema::{self, Schema, ServerVersion};

/// The card.
pub static CARD: Card = Card {
    id: "custom-resources-fit",
    section: Section::Guards,
    title: "the application's custom resources fit the new schemas",
    level: Level::Error,
    why: "The application's own objects are written after the new CRDs are served, and judged by them: no dry-run can ask the server before. A refusal then ends the upgrade in the middle.",
    fix: "Mend the chart's values, or take the pair of charts that fits.",
};

/// The guard: every custom resource of the application whose CRD the charts bring, judged as the API server will.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    let Some(app) = &context.app_chart else {
        return CheckResult::new(&CARD, 0, Verdict::Skipped { reason: "the application stays where it is".to_owned() });
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

/// Whether the object lives and the chart wants nothing of it that it did not want before.
fn is_unchanged(context: &GuardContext<'_>, object: &ObjectRef, document: &Value) -> bool {
    let Some(known) = context.application else { return false };
    let lives = known.live_objects.get(object, &context.view.cluster.namespace).is_ok_and(|live| live.is_some());
    let same = |stored: &Value| {
        ObjectRef::from_manifest(stored).as_ref() == Some(object) && content_fields(stored).eq(content_fields(document))
    };
    lives && known.stored_objects.reveal().iter().any(same)
}

/// All of an object but its metadata, which no schema of a CRD judges.
fn content_fields(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object.as_object().into_iter().flatten().filter(|(key, _)| *key != "metadata")
}

/// KEP-4008: an update forgives what it does not touch.
fn build_ratcheting_finding(object: &ObjectRef, error: &schema::SchemaError) -> Finding {
    let message = format!(
        "the new schema would refuse {}: {}; it stays only because this upgrade does not change it",
        describe_path(&error.path),
        error.message
    );
    Finding { level: Level::Warning, ..CARD.finding(object.to_string(), message, CARD.fix) }
}

fn build_rejection_finding(object: &ObjectRef, error: &schema::SchemaError) -> Finding {
    CARD.finding(
        object.to_string(),
        format!("the new schema refuses {}: {}", describe_path(&error.path), error.message),
        CARD.fix,
    )
}

/// The place; the whole object has none.
const fn describe_path(path: &str) -> &str {
    if path.is_empty() { "it" } else { path }
}

fn build_pruning_finding(object: &ObjectRef, path: &str) -> Finding {
    let message = format!("{path} is in no schema: the server will drop it without a word");
    Finding { level: Level::Warning, ..CARD.finding(object.to_string(), message, CARD.fix) }
}
