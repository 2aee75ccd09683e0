//! What runs: the objects of the releases' own manifests, and the pods and Jobs that they make. Others are not ours to judge.

pub mod claim_bound;
pub mod job_failed;
pub(super) mod owned;
pub mod pod_foreign;
pub mod pod_trouble;
pub mod restarts_since_upgrade;
pub mod workload_present;
pub mod workload_ready;
pub mod workload_scaled;

use serde_json::Value;

use super::gathered::{Gathered, skipped, undetermined};
use super::seen::Seen;
use crate::model::check::{Card, Checked, Finding};
use crate::model::inventory::Listed;
use crate::model::object::ObjectRef;
use crate::model::view::{Looked, NotSeen};

/// Kinds with pods that run until they are replaced.
pub(super) const RUNNING: [&str; 3] = ["Deployment", "StatefulSet", "DaemonSet"];

/// The releases' objects by name; or the answer, where they are not known.
fn objects<'a>(seen: &'a Seen<'_>, card: &'static Card) -> Result<&'a [ObjectRef], Checked> {
    match &seen.named.objects {
        Listed::NotSeen(not_seen) => Err(undetermined(card, not_seen)),
        Listed::Nothing(reason) => Err(skipped(card, reason)),
        Listed::Known(objects) => Ok(objects),
    }
}

/// What runs in one of the releases' namespaces.
pub(super) struct Place<'a> {
    /// The namespace.
    pub(super) namespace: String,
    /// Deployments, StatefulSets, DaemonSets, Jobs and claims.
    pub(super) live: &'a [Value],
    /// Pods.
    pub(super) pods: &'a Looked<Vec<Value>>,
    /// The releases' objects and hooks that belong here.
    pub(super) objects: Vec<ObjectRef>,
}

/// A pod, and who made it: kind and name.
pub(super) type Made<'a> = (&'a Value, (&'a str, &'a str));

impl Place<'_> {
    /// The releases' own pods here.
    pub(super) fn own_pods(&self) -> Result<Vec<Made<'_>>, &NotSeen> {
        let pods = self.pods.as_ref()?;
        Ok(owned::pods(pods, self.live, &self.objects, &self.namespace).collect())
    }
}

/// Every namespace in which the releases have objects, as far as it could be read; the others are noted.
pub(super) fn places<'a>(seen: &'a Seen<'_>, gathered: &mut Gathered) -> Vec<Place<'a>> {
    let mut all = Vec::new();
    for namespace in seen.namespaces() {
        let here = |object: &&ObjectRef| placed_in(object, &namespace, seen.namespace());
        let objects: Vec<ObjectRef> =
            seen.named.known().iter().chain(&seen.named.hooks).filter(here).cloned().collect();
        match seen.workloads(&namespace) {
            Ok(workloads) => match &workloads.owners {
                Ok(live) => all.push(Place { namespace, live, pods: &workloads.pods, objects }),
                Err(not_seen) => gathered.not_seen(not_seen),
            },
            // A namespace that holds a role or a ConfigMap alone has no workloads to look at.
            Err(_) if !objects.iter().any(runs) => {}
            Err(not_seen) => gathered.not_seen(&not_seen),
        }
    }
    all
}

/// An object without a namespace is put into the release's own.
fn placed_in(object: &ObjectRef, namespace: &str, own: &str) -> bool {
    object.namespace == namespace || (object.namespace.is_empty() && namespace == own)
}

/// Whether pods come of an object.
pub(crate) fn runs(object: &ObjectRef) -> bool {
    let kind = object.kind.as_str();
    RUNNING.contains(&kind) || ["Job", "CronJob", "Pod", "PersistentVolumeClaim", "ReplicaSet"].contains(&kind)
}

/// Asks each object of these kinds that a release names: once with what is live, or with `None`.
fn each(
    seen: &Seen<'_>,
    card: &'static Card,
    kinds: &[&str],
    judge: impl Fn(&ObjectRef, Option<&Value>) -> Option<Finding>,
) -> Checked {
    let objects = match objects(seen, card) {
        Ok(objects) => objects,
        Err(answer) => return answer,
    };
    let mut gathered = Gathered::new(card);
    for object in objects.iter().filter(|object| kinds.contains(&object.kind.as_str())) {
        let object = owned::placed(object, seen.namespace());
        let owners =
            seen.workloads(&object.namespace).and_then(|workloads| workloads.owners.as_ref().map_err(Clone::clone));
        match owners {
            Err(not_seen) => gathered.not_seen(&not_seen),
            Ok(live) => {
                let found =
                    live.iter().find(|value| ObjectRef::of(value).is_some_and(|live| live.same_object(&object)));
                gathered.looked(judge(&object, found));
            }
        }
    }
    gathered.skipped(format!("the releases have no {}", kinds.join(", ")));
    gathered.checked()
}
