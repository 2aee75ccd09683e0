//! Check `pod-trouble`.

use serde_json::Value;

use super::{objects, places};
use crate::checks::gathered::Gathered;
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Finding, Level, Section};
use crate::model::object::ObjectRef;
use crate::model::status::{self, State, Trouble};

/// The card.
pub static CARD: Card = Card {
    id: "pod-trouble",
    section: Section::Workloads,
    title: "no pod of the releases is stuck",
    level: Level::Error,
    why: "A workload can count as ready while one of its pods cannot pull its image, crashes again and again, or finds no node: the next disruption takes the rest down.",
    fix: "Describe the pod; for a crash read its last log with kubectl logs --previous, for an image check its name and the pull secret.",
};

/// Whether any pod that a release's objects have made is stuck. Pods of a workload that `workload-ready` reports are told there.
pub fn check(seen: &Seen<'_>) -> Checked {
    if let Err(answer) = objects(seen, &CARD) {
        return answer;
    }
    let mut gathered = Gathered::new(&CARD);
    for place in places(seen, &mut gathered) {
        let pods = match place.own_pods() {
            Ok(pods) => pods,
            Err(not_seen) => {
                gathered.not_seen(not_seen);
                continue;
            }
        };
        for (pod, maker) in pods {
            let unready = |object: &&Value| status::status(object, seen.now).state != State::Current;
            let told = place.live.iter().filter(|object| is(object, maker)).any(|object| unready(&object));
            let trouble = status::pod_trouble(pod).filter(|_| !told);
            gathered.looked(trouble.and_then(|trouble| finding(pod, &trouble)));
        }
    }
    gathered.skipped("the releases have no pods");
    gathered.checked()
}

fn is(object: &Value, (kind, name): (&str, &str)) -> bool {
    object["kind"] == kind && object.pointer("/metadata/name").is_some_and(|own| own == name)
}

fn finding(pod: &Value, trouble: &Trouble) -> Option<Finding> {
    let pod = ObjectRef::of(pod)?;
    let ObjectRef { namespace, name, .. } = &pod;
    let hint = if trouble.reason == "CrashLoopBackOff" {
        format!("kubectl -n {namespace} logs {name} -c {} --previous", trouble.container)
    } else {
        format!("kubectl -n {namespace} describe pod {name}")
    };
    Some(CARD.finding(pod.to_string(), trouble.to_string(), hint))
}
