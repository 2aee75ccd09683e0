//! What a release still waits for, and why: from the raw workloads alone. What only events and logs tell can be asked for then.

use std::cmp::Reverse;

use jiff::Timestamp;
use serde_json::Value;

use super::cluster_view::Workloads;
use super::manifest::{RELEASE_NAME_ANNOTATION, is_hook};
use super::object::ObjectRef;
use super::object_status::{self, ObjectState, PodBlocker};

/// Which objects are waited for.
#[derive(Debug, Clone)]
pub struct OwnedWorkloads {
    /// The release.
    pub release: String,
    /// The hooks of its chart: helm waits for these too and does not annotate them.
    pub hooks: Vec<ObjectRef>,
}

/// One object that is not ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadyObject {
    /// Which object.
    pub object: ObjectRef,
    /// How many of its parts are ready, and of how many.
    pub progress: Option<(u64, u64)>,
    /// Why, in a few words.
    pub reason: String,
    /// The reason in one word, the same as long as it lasts; empty if waiting may heal it.
    pub terminal_reason: String,
    /// The query for more detail.
    pub detail_query: Option<DetailQuery>,
}

/// A query for the detail of a reason.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum DetailQuery {
    /// The last line of a container's log.
    Log {
        /// The pod.
        pod: String,
        /// The container.
        container: String,
        /// Whether it is the log of the previous run of the container.
        previous: bool,
    },
    /// The newest warning among the events of an object.
    Events {
        /// `metadata.uid`
        uid: String,
    },
}

impl OwnedWorkloads {
    /// The release's own, with the hooks that its chart renders to.
    #[must_use]
    pub fn new(release: &str, rendered: &[Value]) -> Self {
        let hooks = rendered.iter().filter(|document| is_hook(document)).filter_map(ObjectRef::from_manifest).collect();
        Self { release: release.to_owned(), hooks }
    }

    fn contains(&self, object: &Value, pods: &[&Value]) -> bool {
        let annotated =
            object.pointer("/metadata/annotations").is_some_and(|all| all[RELEASE_NAME_ANNOTATION] == self.release);
        annotated || self.is_hook(object) || is_claim_of_pods(object, pods)
    }

    fn is_hook(&self, object: &Value) -> bool {
        self.hooks.iter().any(|hook| {
            object["kind"] == hook.kind && object.pointer("/metadata/name").is_some_and(|name| *name == hook.name)
        })
    }
}

/// Whether one of the pods uses a claim: those of a StatefulSet are in no manifest.
fn is_claim_of_pods(object: &Value, pods: &[&Value]) -> bool {
    let name = object.pointer("/metadata/name");
    let volumes = |pod: &Value| pod.pointer("/spec/volumes").and_then(Value::as_array).cloned().unwrap_or_default();
    let uses =
        |pod: &&Value| volumes(pod).iter().any(|volume| volume.pointer("/persistentVolumeClaim/claimName") == name);
    object["kind"] == "PersistentVolumeClaim" && name.is_some() && pods.iter().any(uses)
}

/// How many objects of a release are ready, of how many, and what is not, sorted.
#[must_use]
pub fn find_unready(
    workloads: &Workloads,
    owned: &OwnedWorkloads,
    now: Timestamp,
) -> ((usize, usize), Vec<UnreadyObject>) {
    let none = Vec::new();
    let owners = workloads.objects.as_ref().unwrap_or(&none);
    let pods = workloads.pods.as_ref().unwrap_or(&none);
    let annotated: Vec<&Value> = owners.iter().filter(|owner| owned.contains(owner, &[])).collect();
    let owned_pods: Vec<&Value> = annotated.iter().flat_map(|owner| select_pods(owner, pods)).collect();
    let all: Vec<&Value> = owners.iter().filter(|owner| owned.contains(owner, &owned_pods)).collect();
    let mut waiting: Vec<UnreadyObject> =
        all.iter().filter_map(|owner| check_object(owner, owned, pods, now)).collect();
    waiting.sort_by(|a, b| a.object.cmp(&b.object));
    ((all.len() - waiting.len(), all.len()), waiting)
}

fn check_object(owner: &Value, owned: &OwnedWorkloads, pods: &[Value], now: Timestamp) -> Option<UnreadyObject> {
    let object = ObjectRef::from_manifest(owner)?;
    let found = object_status::compute_status(owner, now);
    let job = object.kind == "Job";
    // helm waits for the end of a hook; kstatus calls a Job that runs ready.
    let hook_runs = job && owned.is_hook(owner) && found.state == ObjectState::Current && found.reason != "complete";
    if found.state == ObjectState::Current && !hook_runs {
        return None;
    }
    let pods = retain_newest(select_pods(owner, pods));
    let detail = if job { describe_failed_job(&pods) } else { None };
    let detail = detail
        .or_else(|| describe_blocked_pod(&pods))
        .or_else(|| describe_unready_pod(&pods))
        .or_else(|| describe_unbound_claim(owner));
    let terminal_reason = match (&detail, found.state, job) {
        (_, ObjectState::Failed, true) => "failed".to_owned(),
        (Some(detail), _, _) => detail.terminal_reason.clone(),
        _ => String::new(),
    };
    let (message, more) = detail.map_or((String::new(), None), |told| (told.message, told.detail_query));
    let reason = match (message.is_empty(), job && found.state == ObjectState::Failed) {
        (true, _) => found.reason,
        (false, true) => format!("{}; {message}", found.reason),
        (false, false) => message,
    };
    Some(UnreadyObject {
        progress: object_status::compute_progress(owner),
        object,
        reason,
        terminal_reason,
        detail_query: more,
    })
}

/// What was found behind an object that is not ready.
struct WaitDetail {
    message: String,
    terminal_reason: String,
    detail_query: Option<DetailQuery>,
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The pods that an object's selector chooses.
fn select_pods<'a>(owner: &Value, pods: &'a [Value]) -> Vec<&'a Value> {
    let Some(wanted) = owner.pointer("/spec/selector/matchLabels").and_then(Value::as_object) else {
        return Vec::new();
    };
    let chosen = |pod: &&Value| {
        let labels = pod.pointer("/metadata/labels");
        labels.is_some_and(|labels| wanted.iter().all(|(key, value)| labels.get(key) == Some(value)))
    };
    pods.iter().filter(chosen).collect()
}

/// Those of the newest template: what the old ones suffer from is on its way out. Newest first.
fn retain_newest(mut pods: Vec<&Value>) -> Vec<&Value> {
    pods.sort_by_key(|pod| {
        Reverse((text(pod, "/metadata/creationTimestamp").to_owned(), text(pod, "/metadata/name").to_owned()))
    });
    let hash = |pod: &Value| pod.pointer("/metadata/labels/pod-template-hash").cloned();
    let newest = pods.first().and_then(|pod| hash(pod));
    pods.retain(|pod| hash(pod) == newest);
    pods
}

/// A pod that cannot run: image pull, crash loop, not schedulable.
fn describe_blocked_pod(pods: &[&Value]) -> Option<WaitDetail> {
    let all = pods.iter().filter_map(|pod| object_status::find_pod_blocker(pod).map(|trouble| (*pod, trouble)));
    let (pod, trouble) = all.max_by_key(|(_, trouble)| trouble.terminal)?;
    let PodBlocker { reason, container, message, terminal } = trouble;
    let pod_name = text(pod, "/metadata/name").to_owned();
    let detail_query =
        (reason == "CrashLoopBackOff").then_some(DetailQuery::Log { pod: pod_name, container, previous: true });
    let words = if message.is_empty() { reason.clone() } else { format!("{reason} {message}") };
    Some(WaitDetail { message: words, terminal_reason: if terminal { reason } else { String::new() }, detail_query })
}

/// A pod that runs and is not ready: its probe fails, which only events tell.
fn describe_unready_pod(pods: &[&Value]) -> Option<WaitDetail> {
    let runs =
        |pod: &&&Value| text(pod, "/status/phase") == "Running" && text(pod, "/metadata/deletionTimestamp").is_empty();
    let ready = |pod: &&Value| super::object::find_condition(pod, "Ready").is_some_and(|ready| ready.status == "True");
    let pod = pods.iter().filter(runs).find(|pod| !ready(pod))?;
    let message = format!("pod {} runs and is not ready", text(pod, "/metadata/name"));
    Some(WaitDetail {
        message,
        terminal_reason: String::new(),
        detail_query: Some(DetailQuery::Events { uid: text(pod, "/metadata/uid").to_owned() }),
    })
}

/// A claim without a volume: why, only events tell.
fn describe_unbound_claim(owner: &Value) -> Option<WaitDetail> {
    let uid = text(owner, "/metadata/uid").to_owned();
    (owner["kind"] == "PersistentVolumeClaim").then(|| WaitDetail {
        message: "no volume is bound to it".to_owned(),
        terminal_reason: String::new(),
        detail_query: Some(DetailQuery::Events { uid }),
    })
}

/// How the newest pod of a Job has failed.
fn describe_failed_job(pods: &[&Value]) -> Option<WaitDetail> {
    let failed = |pod: &&&Value| text(pod, "/status/phase") == "Failed";
    let pod = pods.iter().find(failed)?;
    let containers = pod.pointer("/status/containerStatuses")?.as_array()?;
    let bad = |container: &&Value| {
        container.pointer("/state/terminated/exitCode").and_then(Value::as_i64).is_some_and(|code| code != 0)
    };
    let container = containers.iter().find(bad)?;
    let code = container.pointer("/state/terminated/exitCode").and_then(Value::as_i64)?;
    let (pod_name, name) = (text(pod, "/metadata/name").to_owned(), text(container, "/name").to_owned());
    let tries = pods.iter().filter(|pod| failed(pod)).count();
    let message = format!("{name} ended with exit code {code}, {tries} failed");
    Some(WaitDetail {
        message,
        terminal_reason: String::new(),
        detail_query: Some(DetailQuery::Log { pod: pod_name, container: name, previous: false }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn now() -> Timestamp {
        "2026-11-24T07:13:22Z".parse().unwrap()
    }

    fn deployment(ready: u64, release: &str) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "canvas", "generation": 2, "annotations": {RELEASE_NAME_ANNOTATION: release}},
            "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "canvas"}}},
            "status": {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "readyReplicas": ready, "availableReplicas": ready,
                "conditions": [{"type": "Available", "status": "True"}, {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}]}})
    }

    fn pod(hash: &str, created: &str, status: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod", "status": status,
            "metadata": {"name": format!("canvas-{hash}"), "uid": hash, "creationTimestamp": created, "labels": {"app": "canvas", "pod-template-hash": hash}}})
    }

    fn find_unready_in(owners: Vec<Value>, pods: Vec<Value>) -> ((usize, usize), Vec<UnreadyObject>) {
        let hook = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "before", "annotations": {"helm.sh/hook": "pre-upgrade"}}});
        find_unready(&Workloads { objects: Ok(owners), pods: Ok(pods) }, &OwnedWorkloads::new("mural", &[hook]), now())
    }

    fn crash_loop_status() -> Value {
        json!({"phase": "Running", "containerStatuses": [{"name": "main", "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": 2, "reason": "Error"}}}]})
    }

    #[test]
    fn only_what_is_the_releases_own_is_waited_for() {
        assert_eq!(
            find_unready_in(vec![deployment(2, "mural"), deployment(0, "other")], Vec::new()),
            ((1, 1), Vec::new())
        );
        let (ready, waiting) = find_unready_in(vec![deployment(1, "mural")], Vec::new());
        assert_eq!((ready, waiting[0].progress, waiting[0].terminal_reason.as_str()), ((0, 1), Some((1, 2)), ""));
    }

    #[test]
    fn a_crash_loop_tells_its_exit_code_and_where_its_log_is() {
        let (_, waiting) =
            find_unready_in(vec![deployment(0, "mural")], vec![pod("b", "2026-11-24T07:00:00Z", &crash_loop_status())]);
        assert_eq!(waiting[0].reason, "CrashLoopBackOff ended with exit code 2, restarted 3 times");
        assert_eq!(waiting[0].terminal_reason, "CrashLoopBackOff", "the same whatever the count of restarts");
        assert_eq!(
            waiting[0].detail_query,
            Some(DetailQuery::Log { pod: "canvas-b".into(), container: "main".into(), previous: true })
        );
    }

    #[test]
    fn failures_of_old_pods_do_not_count() {
        let old = pod("a", "2026-11-24T06:00:00Z", &crash_loop_status());
        let new = pod(
            "b",
            "2026-11-24T07:00:00Z",
            &json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}),
        );
        let (_, waiting) = find_unready_in(vec![deployment(1, "mural")], vec![old, new]);
        assert_eq!(
            (waiting[0].reason.as_str(), waiting[0].terminal_reason.as_str()),
            ("pod canvas-b runs and is not ready", "")
        );
        assert_eq!(waiting[0].detail_query, Some(DetailQuery::Events { uid: "b".into() }));
    }

    #[test]
    fn a_hook_that_runs_is_waited_for_and_one_that_fails_tells_why() {
        let job = |status: Value| {
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "before"}, "status": status,
                "spec": {"selector": {"matchLabels": {"app": "canvas"}}}})
        };
        let status = json!({"startTime": "2026-11-24T07:00:00Z"});
        assert_eq!(find_unready_in(vec![job(status)], Vec::new()).1[0].reason, "running");
        let failed = json!({"startTime": "2026-11-24T07:00:00Z", "failed": 2,
            "conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "too often"}]});
        let container = json!([{"name": "main", "state": {"terminated": {"exitCode": 7}}}]);
        let pod = pod("x", "2026-11-24T07:00:00Z", &json!({"phase": "Failed", "containerStatuses": container}));
        let (_, waiting) = find_unready_in(vec![job(failed)], vec![pod]);
        assert_eq!(waiting[0].reason, "BackoffLimitExceeded: too often; main ended with exit code 7, 1 failed");
        assert_eq!(waiting[0].terminal_reason, "failed");
        let done = json!({"startTime": "2026-11-24T07:00:00Z", "conditions": [{"type": "Complete", "status": "True"}]});
        assert_eq!(find_unready_in(vec![job(done)], Vec::new()).0, (1, 1));
    }

    #[test]
    fn a_claim_of_its_pods_is_its_own() {
        let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "uid": "c"}, "status": {"phase": "Pending"}});
        assert_eq!(find_unready_in(vec![claim.clone()], Vec::new()).0, (0, 0));
        let mut user = pod("b", "2026-11-24T07:00:00Z", &json!({"phase": "Pending"}));
        user["spec"] = json!({"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]});
        let (_, waiting) = find_unready_in(vec![deployment(0, "mural"), claim], vec![user]);
        let claim = waiting.iter().find(|one| one.object.kind == "PersistentVolumeClaim").unwrap();
        assert_eq!(
            (claim.reason.as_str(), &claim.detail_query),
            ("no volume is bound to it", &Some(DetailQuery::Events { uid: "c".into() }))
        );
    }
}
