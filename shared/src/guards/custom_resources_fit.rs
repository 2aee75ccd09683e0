//! Custom resources of the application that are invalid under the CRDs after the upgrade, or have fields that the schema does not have.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::application::ApplyMethod;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::crd::Crd;
use crate::model::manifest::is_hook;
use crate::model::object::ObjectRef;
use crate::model::task::Task;
use crate::problem::suggest::did_you_mean;
use crate::schema::{self, Schema, SchemaError, ServerVersion, ValidationResult};

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

/// A custom resource of the chart, and the CRD that will serve it.
struct JudgedObject<'a> {
    object: ObjectRef,
    crd: &'a Crd,
    document: &'a Value,
}

/// Validates every rendered custom resource of the application against the planned or else the live CRD, as the API server will.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let Some(app) = &context.app_chart else {
        return CheckResult::new(&CARD, 0, Verdict::Skipped { reason: "the application is not upgraded".to_owned() });
    };
    let server: ServerVersion = context.view.cluster.version.parse().unwrap_or(ServerVersion::NEWEST);
    let judged: Vec<JudgedObject<'_>> =
        app.rendered.iter().filter_map(|document| find_crd_of(context, document)).collect();
    let (mut findings, mut unsure) = (Vec::new(), None);
    for one in &judged {
        // A version that is not served is another guard's.
        let Some(schema) = Schema::from_crd(one.crd, one.object.version(), server) else { continue };
        let result = schema.validate(one.document);
        findings.extend(check_errors(context, one, &result));
        findings.extend(result.pruned_fields.iter().map(|path| check_pruned_field(context, one, &schema, path)));
        if is_server_side_applied(context, one) {
            let nulls = schema.list_forbidden_nulls(one.document);
            findings.extend(nulls.iter().map(|path| build_null_finding(&one.object, path)));
        }
        if result.create == schema::Validity::Undetermined {
            unsure = result
                .undetermined
                .first()
                .map(|why| format!("{} {}: {}", one.object, why.path, why.reason))
                .or(unsure);
        }
    }
    let verdict = match unsure {
        Some(reason) if findings.is_empty() => Verdict::Undetermined { reason },
        _ => Verdict::from_findings(findings),
    };
    CheckResult::new(&CARD, judged.len(), verdict)
}

fn find_crd_of<'a>(context: &GuardContext<'a>, document: &'a Value) -> Option<JudgedObject<'a>> {
    let object = ObjectRef::from_unnamed_manifest(document)?;
    let of_kind = |crd: &&Crd| crd.group() == object.group() && crd.kind() == object.kind;
    let live = context.view.crds.iter().flat_map(BTreeMap::values);
    let unplanned = live.filter(|crd| !context.forecasts.contains_key(crd.name()));
    let crd = context.planned_crds().find(of_kind).or_else(|| unplanned.into_iter().find(of_kind))?;
    Some(JudgedObject { object, crd, document })
}

fn check_errors(context: &GuardContext<'_>, one: &JudgedObject<'_>, result: &ValidationResult) -> Vec<Finding> {
    // What stays as it is passes by what an update forgives, or is not written at all.
    let unchanged = is_unchanged(context, &one.object, one.document);
    let refusals = if unchanged { &result.update_errors } else { &result.errors };
    let build = |error: &SchemaError| {
        if refusals.contains(error) {
            build_rejection_finding(&one.object, error)
        } else {
            build_ratcheting_finding(&one.object, error)
        }
    };
    result.errors.iter().map(build).collect()
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
fn build_ratcheting_finding(object: &ObjectRef, error: &SchemaError) -> Finding {
    let message = format!(
        "{} is invalid under the new schema: {}; it is accepted only while this upgrade does not change it",
        describe_path(&error.path),
        error.message
    );
    Finding { level: Level::Warning, ..CARD.finding(object.to_string(), message, CARD.fix) }
}

fn build_rejection_finding(object: &ObjectRef, error: &SchemaError) -> Finding {
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

/// Whether helm applies the object on the server.
fn is_server_side_applied(context: &GuardContext<'_>, one: &JudgedObject<'_>) -> bool {
    context.application.is_some_and(|application| application.apply_method == ApplyMethod::ServerSide)
        && !is_hook(one.document)
}

/// The API server drops such a null when it decodes a create or an update, but not in a server-side apply
/// (<https://github.com/kubernetes/kubernetes/blob/v1.34.0/staging/src/k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting/prunenulls.go>).
fn build_null_finding(object: &ObjectRef, path: &str) -> Finding {
    let message =
        format!("{path} is null, and its schema allows no null: the API server rejects the server-side apply of helm");
    let hint =
        format!("remove {path} in the values of the chart, or set it; --server-side=false drops the null instead");
    CARD.finding(object.to_string(), message, hint)
}

/// A field that the schema does not have. A client-side helm loses it without an error; a server-side apply is rejected with 'field not
/// declared in schema' (<https://github.com/kubernetes-sigs/structured-merge-diff/blob/v6.3.0/typed/validate.go>), except in an
/// object for which the schema declares no fields at all.
fn check_pruned_field(context: &GuardContext<'_>, one: &JudgedObject<'_>, schema: &Schema, path: &str) -> Finding {
    let name = path.rsplit('.').next().unwrap_or(path);
    let is_declared_object = schema.declared_siblings(path).next().is_some();
    let suggestion = did_you_mean(name, schema.declared_siblings(path));
    let hint = suggestion.map_or_else(|| CARD.fix.to_owned(), |suggestion| format!("{suggestion} {}", CARD.fix));
    if is_server_side_applied(context, one) && is_declared_object {
        let message = format!("{path} is not in the schema: the API server rejects the server-side apply of helm");
        return CARD.finding(one.object.to_string(), message, hint);
    }
    let message = format!("{path} is not in the schema: the API server prunes it");
    Finding { level: Level::Warning, ..CARD.finding(one.object.to_string(), message, hint) }
}
