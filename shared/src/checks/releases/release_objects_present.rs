//! Health check `release-objects-present`: requires every object of the stored manifests on the cluster.

use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::CheckResultBuilder;
use crate::checks::health_check::HealthCheck;
use crate::checks::workloads::WORKLOAD_KINDS;
use crate::model::check::{Card, CheckResult, Level, Section};
use crate::model::health_inputs::ReadScope;
use crate::model::object::ObjectRef;
use crate::model::owner::Owner;
use crate::model::release_inventory::Availability;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "release-objects-present",
    section: Section::Releases,
    title: "every object of the stored manifests on the cluster",
    level: Level::Error,
    why: "helm does not notice deleted objects: the release stays deployed. A missing Service, Role or ConfigMap \
        shows up only when it is used.",
    fix: "Repeat the upgrade to the installed version with kubectl mural upgrade, or take the object from helm get \
        manifest RELEASE.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck =
    HealthCheck { card: &CARD, reads: &[ReadScope::ObjectMetadata], heals_with_time: false, run: check };

/// Reports objects of the manifests that do not exist. Other checks cover workloads, CRDs and kinds that are not served.
fn check(context: &CheckContext<'_>) -> CheckResult {
    let mut result = CheckResultBuilder::new(&CARD);
    match &context.inventory.objects {
        Availability::Unreadable(failure) => result.record_failure(failure),
        Availability::Absent(reason) => result.record_skip(reason),
        Availability::Known(objects) => {
            objects
                .iter()
                .filter(|object| is_expected_object(object))
                .for_each(|object| check_object(context, object, &mut result));
            result.record_skip("the releases have only workloads and CRDs");
        }
    }
    result.build()
}

/// Whether this check covers an object. Workloads and CRDs have their own checks, and a finished Job may have been deleted
/// (`ttlSecondsAfterFinished`).
#[must_use]
pub fn is_expected_object(object: &ObjectRef) -> bool {
    let kind = object.kind.as_str();
    !WORKLOAD_KINDS.contains(&kind) && !["CustomResourceDefinition", "Job", "Pod"].contains(&kind)
}

/// The command that creates missing objects again: with helm, a rollback to the current revision; with Flux, a forced reconciliation,
/// for which both annotations need the same value (`ForceRequestAnnotation` in
/// <https://github.com/fluxcd/helm-controller/blob/main/api/v2/annotations.go>).
#[must_use]
pub fn reapply_command(context: &CheckContext<'_>) -> String {
    let (release, namespace) = (context.app_release, context.namespace());
    match context.owner(release) {
        Some(Owner::Flux { helm_release, .. } | Owner::Appliance { helm_release, .. }) => {
            let (namespace, name) = helm_release.split_once('/').unwrap_or((namespace, helm_release));
            format!("kubectl -n {namespace} annotate helmrelease {name} --overwrite {}", force_reconcile_annotations())
        }
        Some(Owner::Argo { application }) => format!("argocd app sync {application}"),
        Some(Owner::Helm | Owner::NotInstalled | Owner::Undetermined { .. }) | None => {
            let revision = context.view.newest_revision(release).ok().flatten().map_or(0, |record| record.revision);
            format!("helm rollback {release} {revision} -n {namespace}")
        }
    }
}

fn force_reconcile_annotations() -> String {
    ["requestedAt", "forceAt"].map(|mark| format!("reconcile.fluxcd.io/{mark}=$(date +%s)")).join(" ")
}

fn check_object(context: &CheckContext<'_>, object: &ObjectRef, result: &mut CheckResultBuilder) {
    match &context.health_inputs.kinds {
        Ok(kinds) if kinds.get(object).is_none() => return result.record_skip("its kind is not served"),
        Ok(_) => {}
        Err(failure) => return result.record_failure(failure),
    }
    let namespace = if object.namespace.is_empty() { context.namespace() } else { &object.namespace };
    match context.health_inputs.find_live_metadata(object, namespace) {
        Err(failure) => result.record_failure(&failure),
        Ok(Some(_)) => result.record(None),
        Ok(None) => {
            let hint = reapply_command(context);
            result.record([CARD.finding(
                object.to_string(),
                "is in the manifest of a release but does not exist",
                hint,
            )]);
        }
    }
}
