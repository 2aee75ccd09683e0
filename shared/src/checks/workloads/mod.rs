//! What runs: the objects of the releases' own manifests, and the pods and Jobs that they make. Others are not ours to judge.

pub mod claim_bound;
pub mod job_failed;
mod owned;
pub mod pod_trouble;
pub mod workload_present;
pub mod workload_ready;

use serde_json::Value;

use super::gathered::{Gathered, skipped, undetermined};
use super::seen::{Listed, Seen};
use super::{Card, Checked, Finding};
use crate::model::object::ObjectRef;
use crate::model::view::NotSeen;

/// Kinds with pods that run until they are replaced.
const RUNNING: [&str; 3] = ["Deployment", "StatefulSet", "DaemonSet"];

/// The releases' objects by name, and what is live; or the answer, where one of the two is not known.
fn both<'a>(seen: &'a Seen<'_>, card: &'static Card) -> Result<(&'a [ObjectRef], &'a [Value]), Checked> {
    match (&seen.objects, &seen.view.workloads.owners) {
        (Listed::NotSeen(not_seen), _) | (_, Err(not_seen)) => Err(undetermined(card, not_seen)),
        (Listed::Nothing(reason), _) => Err(skipped(card, reason)),
        (Listed::Known(objects), Ok(live)) => Ok((objects, live)),
    }
}

/// Asks each object of these kinds that a release names: once with what is live, or with `None`.
fn each(
    seen: &Seen<'_>,
    card: &'static Card,
    kinds: &[&str],
    judge: impl Fn(&ObjectRef, Option<&Value>) -> Option<Finding>,
) -> Checked {
    let (objects, live) = match both(seen, card) {
        Ok(both) => both,
        Err(answer) => return answer,
    };
    let mut gathered = Gathered::new(card);
    for object in objects.iter().filter(|object| kinds.contains(&object.kind.as_str())) {
        let object = owned::placed(object, seen.namespace());
        if object.namespace != seen.namespace() {
            gathered.not_seen(&elsewhere(&object, seen.namespace()));
            continue;
        }
        let found = live.iter().find(|value| ObjectRef::of(value).is_some_and(|live| live.same_object(&object)));
        gathered.looked(judge(&object, found));
    }
    gathered.skipped(format!("the releases have no {}", kinds.join(", ")));
    gathered.checked()
}

fn elsewhere(object: &ObjectRef, namespace: &str) -> NotSeen {
    NotSeen { what: object.to_string(), reason: format!("only what runs in {namespace} is read") }
}
