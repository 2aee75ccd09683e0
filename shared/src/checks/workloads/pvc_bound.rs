//! Health check `pvc-bound`: requires bound PersistentVolumeClaims of the releases.

use serde_json::Value;

use super::{NamespaceWorkloads, list_namespace_workloads, pod_owner, release_objects};
use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::CheckResultBuilder;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::health_inputs::ReadScope;
use crate::model::object::ObjectRef;
use crate::model::object_status::{self, ObjectState};

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "pvc-bound",
    section: Section::Workloads,
    title: "bound PersistentVolumeClaims of the releases",
    level: Level::Error,
    why: "A pod does not start until its claim is bound. A Lost claim has lost its volume and the data.",
    fix: "Read the events of the claim: kubectl describe pvc NAME. The storage class may be missing or full, or wait \
        for the first pod.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck =
    HealthCheck { card: &CARD, reads: &[ReadScope::OtherNamespaces], heals_with_time: true, run: check };

/// Reports claims of the manifests and of their StatefulSets that are not bound.
fn check(context: &CheckContext<'_>) -> CheckResult {
    if let Err(answer) = release_objects(context, &CARD) {
        return answer;
    }
    let mut result = CheckResultBuilder::new(&CARD);
    for namespace_workloads in list_namespace_workloads(context, &mut result) {
        let ours = |claim: &ObjectRef| {
            pod_owner::has_object(
                &namespace_workloads.release_objects,
                &claim.kind,
                &claim.name,
                &namespace_workloads.namespace,
            ) || is_from_claim_template(&claim.name, &namespace_workloads)
        };
        for (claim, object) in namespace_workloads
            .live_objects
            .iter()
            .filter_map(|object| Some((ObjectRef::from_manifest(object)?, object)))
        {
            if claim.kind == "PersistentVolumeClaim" && ours(&claim) {
                result.record(judge(context, &claim, object));
            }
        }
    }
    result.record_skip("the releases have no volume claims");
    result.build()
}

fn judge(context: &CheckContext<'_>, claim: &ObjectRef, object: &Value) -> Option<Finding> {
    let found = object_status::compute_status(object, context.now);
    let hint = format!("kubectl -n {} describe pvc {}", claim.namespace, claim.name);
    (found.state != ObjectState::Current).then(|| CARD.finding(claim.to_string(), found.reason, hint))
}

/// A StatefulSet names its claims `<template>-<set>-<ordinal>`.
fn is_from_claim_template(claim: &str, namespace_workloads: &NamespaceWorkloads<'_>) -> bool {
    let Some((stem, ordinal)) = claim.rsplit_once('-') else { return false };
    if !ordinal.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let sets =
        namespace_workloads.live_objects.iter().filter(|object| object["kind"] == "StatefulSet").filter_map(|object| {
            Some((
                object.pointer("/metadata/name")?.as_str()?,
                object.pointer("/spec/volumeClaimTemplates")?.as_array()?,
            ))
        });
    sets.filter(|(set, _)| {
        pod_owner::has_object(&namespace_workloads.release_objects, "StatefulSet", set, &namespace_workloads.namespace)
    })
    .any(|(set, templates)| {
        let names = templates.iter().filter_map(|template| template.pointer("/metadata/name")?.as_str());
        names.into_iter().any(|template| stem == format!("{template}-{set}"))
    })
}
