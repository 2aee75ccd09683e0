//! Live objects that join the release without the ownership metadata that helm requires
//! (<https://github.com/helm/helm/blob/v3.17.2/pkg/action/validate.go>). CRDs are in `crd_ownership_metadata.rs`.

use serde_json::Value;

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::flux::FluxObject;
use crate::model::manifest::{
    MANAGED_BY_LABEL, RELEASE_NAME_ANNOTATION, RELEASE_NAMESPACE_ANNOTATION, is_owned_by_release,
};
use crate::model::object::ObjectRef;
use crate::model::owner::Owner;
use crate::model::task::Task;
use crate::plan::object_changes::select_release_objects;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "object-ownership-metadata",
    section: Section::Guards,
    title: "ownership metadata of this release on live objects that join it",
    level: Level::Error,
    why: "An existing object can join a release only if its metadata refers to that release. Otherwise helm fails \
        with 'exists and cannot be imported into the current release'. By then the CRDs are new.",
    fix: "Add the label and the annotations in the finding to the object, delete it, or set --take-ownership.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade], check };

/// Fails for each object that is new in the chart, exists on the cluster and does not belong to the release.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let (Some(application), Some(app)) = (context.application, &context.app_chart) else {
        return CheckResult::new(&CARD, 0, Verdict::Skipped { reason: "the application is not upgraded".to_owned() });
    };
    let namespace = &context.view.cluster.namespace;
    let old = select_release_objects(namespace, application.stored_objects.reveal());
    // helm compares versions too: an object that changes its version joins again.
    let joining: Vec<ObjectRef> = select_release_objects(namespace, app.rendered)
        .into_iter()
        .map(|(object, _)| object)
        .filter(|object| object.kind != "CustomResourceDefinition" && !old.iter().any(|(other, _)| other == object))
        .collect();
    let (mut findings, mut unread) = (Vec::new(), None);
    for object in &joining {
        match application.live_objects.get(object, namespace) {
            Ok(Some(live)) if !is_owned_by_release(live, app.release, namespace) => {
                findings.push(build_finding(context, object, live));
            }
            Ok(_) => {}
            Err(failure) => unread = unread.or_else(|| Some(failure.to_string())),
        }
    }
    let verdict = match (unread, skip_reason(context)) {
        (_, Some(reason)) if !findings.is_empty() => Verdict::Skipped { reason: reason.to_owned() },
        (Some(reason), None) if findings.is_empty() => Verdict::Undetermined { reason },
        (Some(_) | None, _) => Verdict::from_findings(findings),
    };
    CheckResult::new(&CARD, joining.len(), verdict)
}

/// Why the upgrade takes over such objects. helm-controller does so unless `spec.upgrade.disableTakeOwnership` is set
/// (<https://github.com/fluxcd/helm-controller/blob/v1.3.0/internal/action/upgrade.go>).
fn skip_reason(context: &GuardContext<'_>) -> Option<&'static str> {
    let (view, release) = (context.view, context.app_release);
    let is_flux = view.owners.get(release).is_some_and(Owner::is_flux);
    let helm_release = view.flux.sole_helm_release(release, &view.cluster.namespace);
    let is_disabled = helm_release.is_some_and(|one| one.json()["spec"]["upgrade"]["disableTakeOwnership"] == true);
    if context.allowed.take_ownership {
        Some("--take-ownership")
    } else if is_flux && !is_disabled {
        Some("helm-controller takes ownership")
    } else {
        None
    }
}

fn build_finding(context: &GuardContext<'_>, object: &ObjectRef, live: &Value) -> Finding {
    let (release, namespace) = (context.app_release, &context.view.cluster.namespace);
    let owner = live.pointer("/metadata/annotations").and_then(|all| all[RELEASE_NAME_ANNOTATION].as_str());
    let state = match owner.filter(|owner| *owner != release) {
        Some(owner) => format!("belongs to the release {owner}"),
        None => format!("exists and does not belong to the release {release}"),
    };
    let place = if object.namespace.is_empty() { namespace } else { &object.namespace };
    let target = format!("{} {} --namespace {place}", object.kind.to_lowercase(), object.name);
    let hint = format!(
        "set --take-ownership; or kubectl annotate --overwrite {target} {RELEASE_NAME_ANNOTATION}={release} {RELEASE_NAMESPACE_ANNOTATION}={namespace} && kubectl label --overwrite {target} {MANAGED_BY_LABEL}=Helm"
    );
    CARD.finding(object.to_string(), format!("{state}: helm would refuse the upgrade"), hint)
}
