//! Health checks of the workloads in the manifests of the releases, and of the pods, claims and Jobs that they create.
//!
//! Workloads of other releases in the same namespace are left out. Readiness follows the rules in `model::object_status`.

pub mod job_failed;
pub mod pod_failing;
pub(super) mod pod_owner;
pub mod pod_unmanaged;
pub mod pvc_bound;
pub mod restarts_since_upgrade;
pub mod rollout_held;
pub mod workload_present;
pub mod workload_ready;
pub mod workload_scaled;

use serde_json::Value;

use super::check_context::CheckContext;
use super::check_result_builder::{CheckResultBuilder, skipped_result, undetermined_result};
use crate::model::check::{Card, CheckResult, Finding};
use crate::model::cluster_view::{Observed, ReadFailure};
use crate::model::object::ObjectRef;
use crate::model::release_inventory::Availability;

/// Workload kinds whose pods run until they are replaced.
pub(super) const WORKLOAD_KINDS: [&str; 3] = ["Deployment", "StatefulSet", "DaemonSet"];

/// The objects of the releases; or the result of the check, if they are unknown.
fn release_objects<'a>(context: &'a CheckContext<'_>, card: &'static Card) -> Result<&'a [ObjectRef], CheckResult> {
    match &context.inventory.objects {
        Availability::Unreadable(failure) => Err(undetermined_result(card, failure)),
        Availability::Absent(reason) => Err(skipped_result(card, reason)),
        Availability::Known(objects) => Ok(objects),
    }
}

/// The workloads of one namespace, with the release objects that belong to it.
pub(super) struct NamespaceWorkloads<'a> {
    /// Name of the namespace.
    pub(super) namespace: String,
    /// Deployments, StatefulSets, DaemonSets, Jobs and claims.
    pub(super) live_objects: &'a [Value],
    /// Pods of the namespace.
    pub(super) pods: &'a Observed<Vec<Value>>,
    /// Objects and hooks of the releases in the namespace.
    pub(super) release_objects: Vec<ObjectRef>,
}

/// A pod with its top owner: kind and name.
pub(super) type OwnedPod<'a> = (&'a Value, (&'a str, &'a str));

impl NamespaceWorkloads<'_> {
    /// The pods that belong to a release.
    pub(super) fn release_pods(&self) -> Result<Vec<OwnedPod<'_>>, &ReadFailure> {
        let pods = self.pods.as_ref()?;
        Ok(pod_owner::select_release_pods(pods, self.live_objects, &self.release_objects, &self.namespace).collect())
    }
}

/// Every readable namespace with objects of the releases; read failures are recorded in the result.
pub(super) fn list_namespace_workloads<'a>(
    context: &'a CheckContext<'_>,
    result: &mut CheckResultBuilder,
) -> Vec<NamespaceWorkloads<'a>> {
    let mut all = Vec::new();
    for namespace in context.namespaces() {
        let here = |object: &&ObjectRef| is_in_namespace(object, &namespace, context.namespace());
        let objects: Vec<ObjectRef> =
            context.inventory.known_objects().iter().chain(&context.inventory.hooks).filter(here).cloned().collect();
        match context.workloads(&namespace) {
            Ok(workloads) => match &workloads.objects {
                Ok(live) => all.push(NamespaceWorkloads {
                    namespace,
                    live_objects: live,
                    pods: &workloads.pods,
                    release_objects: objects,
                }),
                Err(failure) => result.record_failure(failure),
            },
            // A namespace that holds a role or a ConfigMap alone has no workloads to look at.
            Err(_) if !objects.iter().any(is_workload_object) => {}
            Err(failure) => result.record_failure(&failure),
        }
    }
    all
}

/// Namespace of an object: that of the release if the manifest sets none.
fn is_in_namespace(object: &ObjectRef, namespace: &str, default_namespace: &str) -> bool {
    object.namespace == namespace || (object.namespace.is_empty() && namespace == default_namespace)
}

/// Whether an object creates pods.
pub(crate) fn is_workload_object(object: &ObjectRef) -> bool {
    let kind = object.kind.as_str();
    WORKLOAD_KINDS.contains(&kind) || ["Job", "CronJob", "Pod", "PersistentVolumeClaim", "ReplicaSet"].contains(&kind)
}

/// Calls the function for each object of these kinds in the manifests, with the live object or `None`.
fn check_each_workload(
    context: &CheckContext<'_>,
    card: &'static Card,
    kinds: &[&str],
    judge: impl Fn(&ObjectRef, Option<&Value>) -> Option<Finding>,
) -> CheckResult {
    let objects = match release_objects(context, card) {
        Ok(objects) => objects,
        Err(answer) => return answer,
    };
    let mut result = CheckResultBuilder::new(card);
    for object in objects.iter().filter(|object| kinds.contains(&object.kind.as_str())) {
        let object = pod_owner::with_namespace(object, context.namespace());
        let owners =
            context.workloads(&object.namespace).and_then(|workloads| workloads.objects.as_ref().map_err(Clone::clone));
        match owners {
            Err(failure) => result.record_failure(&failure),
            Ok(live) => {
                let found = live
                    .iter()
                    .find(|value| ObjectRef::from_manifest(value).is_some_and(|live| live.is_same_object(&object)));
                result.record(judge(&object, found));
            }
        }
    }
    result.record_skip(format!("the releases have no {}", kinds.join(", ")));
    result.build()
}
