//! Check `restarts-since-upgrade`.

use jiff::Timestamp;
use serde_json::Value;

use super::{objects, places};
use crate::checks::gathered::Gathered;
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Finding, Level, Section};
use crate::model::object::ObjectRef;
use crate::model::status;

/// The card.
pub static CARD: Card = Card {
    id: "restarts-since-upgrade",
    section: Section::Workloads,
    title: "no container has been restarted since the last upgrade",
    level: Level::Warning,
    why: "A container that ends and is started anew is ready in between: every look finds it well, and its users do not. Restarts from before the upgrade say nothing of the new version and do not count.",
    fix: "Read how it ended: kubectl logs --previous. Out of memory (137, OOMKilled) asks for a higher limit; a failing liveness probe for more time.",
};

/// Whether a container of the releases' pods ended after the newest revision was deployed.
pub fn check(seen: &Seen<'_>) -> Checked {
    if let Err(answer) = objects(seen, &CARD) {
        return answer;
    }
    let Some(since) = deployed(seen) else {
        let mut gathered = Gathered::new(&CARD);
        gathered.skipped("the release does not say when it was deployed");
        return gathered.checked();
    };
    let mut gathered = Gathered::new(&CARD);
    for place in places(seen, &mut gathered) {
        match place.own_pods() {
            // What is stuck right now is told by `workload-ready` and `pod-trouble`.
            Ok(pods) => pods.iter().filter(|(pod, _)| status::pod_trouble(pod).is_none()).for_each(|(pod, _)| {
                gathered.looked(restarted(pod, since));
            }),
            Err(not_seen) => gathered.not_seen(not_seen),
        }
    }
    gathered.skipped("the releases have no pods");
    gathered.checked()
}

/// When the application's newest revision was deployed.
fn deployed(seen: &Seen<'_>) -> Option<Timestamp> {
    seen.view.newest(seen.app_release).ok().flatten()?.last_deployed.parse().ok()
}

fn restarted(pod: &Value, since: Timestamp) -> Vec<Finding> {
    let Some(named) = ObjectRef::of(pod) else { return Vec::new() };
    let containers = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let all = containers.iter().filter_map(|pointer| pod.pointer(pointer)?.as_array()).flatten();
    all.filter_map(|container| one(&named, container, since)).collect()
}

fn one(pod: &ObjectRef, container: &Value, since: Timestamp) -> Option<Finding> {
    let restarts = container["restartCount"].as_u64().filter(|restarts| *restarts > 0)?;
    let ended = container.pointer("/lastState/terminated")?;
    let at: Timestamp = ended["finishedAt"].as_str()?.parse().ok().filter(|at| *at > since)?;
    let name = container["name"].as_str().unwrap_or_default();
    let code = ended["exitCode"].as_i64().map_or_else(String::new, |code| format!(" with exit code {code}"));
    let reason = ended["reason"]
        .as_str()
        .filter(|reason| *reason != "Error")
        .map_or_else(String::new, |reason| format!(" ({reason})"));
    let message = format!("container {name} ended{code}{reason} at {at}, {restarts} restarts in all");
    let hint = format!("kubectl -n {} logs {} -c {name} --previous", pod.namespace, pod.name);
    Some(CARD.finding(pod.to_string(), message, hint))
}
