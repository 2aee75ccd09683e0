//! The objects of a release that are not ready, each with its reason and whether waiting can help: from the workloads alone.
//!
//! Input is one read of a namespace. `run` and `validate --wait` show the result; logs and events are read later ([`DetailQuery`]).

mod wait_detail;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

pub use wait_detail::describe_failed_pod;
use wait_detail::{WaitDetail, find_wait_detail, select_pods};

use super::cluster_view::Workloads;
use super::manifest::{HOOK_ANNOTATION, RELEASE_NAME_ANNOTATION, is_hook, release_objects};
use super::object::{ObjectRef, find_condition};
use super::object_status::{self, ObjectState, ObjectStatus};

/// Events of a hook that neither an upgrade nor a rollback runs.
const OTHER_HOOK_EVENTS: [&str; 5] = ["test", "test-success", "test-failure", "pre-delete", "post-delete"];

/// The objects of one release to wait for.
#[derive(Debug, Clone)]
pub struct OwnedWorkloads {
    /// The release.
    pub release: String,
    /// The objects of its manifest: Argo CD sets none of helm's annotations.
    manifest: Vec<ObjectRef>,
    /// The hooks of its chart: helm waits for them and does not annotate them.
    hooks: Vec<ObjectRef>,
    /// `metadata.uid` of objects that an earlier revision left: they say nothing about this one.
    leftovers: BTreeSet<String>,
}

/// One object that is not ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadyObject {
    /// Which object.
    pub object: ObjectRef,
    /// The number of ready parts, and of all parts.
    pub progress: Option<(u64, u64)>,
    /// Why it is not ready, in a few words.
    pub reason: String,
    /// Whether waiting can help.
    pub outlook: Outlook,
    /// The pod that has the reason, if it is one pod.
    pub pod: Option<String>,
    /// Where to read more.
    pub detail_query: Option<DetailQuery>,
}

/// Whether waiting for an object can help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outlook {
    /// It can become ready with time.
    Transient,
    /// A Job that runs. helm does not wait for its end, unless it is a hook.
    Running,
    /// It hardly heals by itself. The word stays the same as long as the reason lasts.
    Terminal(String),
    /// It never becomes ready: nothing starts it again.
    Final,
}

impl UnreadyObject {
    /// The terminal reason in one word; `None` if waiting can help.
    #[must_use]
    pub fn terminal_reason(&self) -> Option<&str> {
        match &self.outlook {
            Outlook::Transient | Outlook::Running => None,
            Outlook::Terminal(reason) => Some(reason),
            Outlook::Final => Some("failed"),
        }
    }
}

/// Where to read more about a reason.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum DetailQuery {
    /// The last line of a container's log.
    Log {
        /// The pod.
        pod: String,
        /// The container.
        container: String,
        /// Whether the log of the run before the last restart is meant.
        previous: bool,
    },
    /// The newest warning among the events of an object.
    Events {
        /// `metadata.uid`
        uid: String,
    },
}

impl OwnedWorkloads {
    /// The objects of a release, with the hooks that its chart renders.
    #[must_use]
    pub fn new(release: &str, rendered: &[Value]) -> Self {
        let hooks = rendered.iter().filter(|document| is_hook_of_a_run(document));
        Self {
            release: release.to_owned(),
            manifest: release_objects(rendered).filter_map(ObjectRef::from_manifest).collect(),
            hooks: hooks.filter_map(ObjectRef::from_manifest).collect(),
            leftovers: BTreeSet::new(),
        }
    }

    /// The same, without the hooks that an earlier revision left: helm replaces each of them when its turn comes.
    #[must_use]
    pub fn without_earlier_hooks(mut self, before: &Workloads) -> Self {
        let left: Vec<String> = before.all_objects().filter(|object| self.is_hook(object)).map(read_uid).collect();
        self.leftovers.extend(left);
        self
    }

    /// The same, without Jobs and pods that had failed before: this revision did not cause it.
    #[must_use]
    pub fn without_earlier_failures(mut self, before: &Workloads) -> Self {
        self.leftovers.extend(before.all_objects().filter(|object| has_failed(object)).map(read_uid));
        self
    }

    fn contains(&self, object: &Value, pods: &[&Value]) -> bool {
        let annotated =
            object.pointer("/metadata/annotations").is_some_and(|all| all[RELEASE_NAME_ANNOTATION] == self.release);
        let named = annotated || is_any_of(&self.manifest, object) || self.is_hook(object);
        (named && !self.leftovers.contains(&read_uid(object))) || is_claim_of_pods(object, pods)
    }

    fn is_hook(&self, object: &Value) -> bool {
        is_any_of(&self.hooks, object)
    }

    /// Pods that no controller replaces, of the manifest or a hook.
    fn is_bare_pod(&self, pod: &Value) -> bool {
        let is_controlled = pod
            .pointer("/metadata/ownerReferences")
            .and_then(Value::as_array)
            .is_some_and(|owners| owners.iter().any(|owner| owner["controller"] == true));
        !is_controlled && self.contains(pod, &[])
    }
}

fn is_hook_of_a_run(document: &Value) -> bool {
    let events = document["metadata"]["annotations"][HOOK_ANNOTATION].as_str().unwrap_or_default();
    is_hook(document) && !events.split(',').all(|event| OTHER_HOOK_EVENTS.contains(&event.trim()))
}

fn is_any_of(objects: &[ObjectRef], live: &Value) -> bool {
    let namespace = text(live, "/metadata/namespace");
    objects.iter().any(|object| {
        let is_here = object.namespace.is_empty() || object.namespace == namespace;
        is_here && live["kind"] == object.kind && text(live, "/metadata/name") == object.name
    })
}

fn read_uid(object: &Value) -> String {
    text(object, "/metadata/uid").to_owned()
}

/// Whether one of the pods uses a claim: the claims of a StatefulSet are in no manifest.
fn is_claim_of_pods(object: &Value, pods: &[&Value]) -> bool {
    let name = object.pointer("/metadata/name");
    let volumes = |pod: &Value| pod.pointer("/spec/volumes").and_then(Value::as_array).cloned().unwrap_or_default();
    let uses =
        |pod: &&Value| volumes(pod).iter().any(|volume| volume.pointer("/persistentVolumeClaim/claimName") == name);
    object["kind"] == "PersistentVolumeClaim" && name.is_some() && pods.iter().any(uses)
}

/// The number of ready objects of a release, of all its objects, and the objects that are not ready, sorted.
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
    let bare_pods = pods.iter().filter(|pod| owned.is_bare_pod(pod));
    let all: Vec<&Value> = owners.iter().filter(|owner| owned.contains(owner, &owned_pods)).chain(bare_pods).collect();
    let mut waiting: Vec<UnreadyObject> =
        all.iter().filter_map(|owner| check_object(owner, owned, workloads, now)).collect();
    waiting.sort_by(|a, b| a.object.cmp(&b.object));
    ((all.len() - waiting.len(), all.len()), waiting)
}

fn check_object(owner: &Value, owned: &OwnedWorkloads, workloads: &Workloads, now: Timestamp) -> Option<UnreadyObject> {
    let object = ObjectRef::from_manifest(owner)?;
    let found = object_status::compute_status(owner, now);
    let is_running_job = object.kind == "Job" && object_status::is_running_job(owner);
    let has_failed = has_failed(owner);
    if found.state == ObjectState::Current && !is_running_job && !has_failed {
        return None;
    }
    let detail = find_wait_detail(owner, workloads);
    let terminal = detail.as_ref().and_then(|detail| detail.terminal_reason.clone());
    let outlook = match terminal {
        // helm itself ends with a hook that fails, and its words are better.
        _ if has_failed && owned.is_hook(owner) => Outlook::Terminal("failed".to_owned()),
        _ if has_failed => Outlook::Final,
        Some(reason) => Outlook::Terminal(reason),
        None if is_running_job && !owned.is_hook(owner) => Outlook::Running,
        None => Outlook::Transient,
    };
    let pod = detail.as_ref().and_then(|detail| detail.pod.clone());
    let (reason, detail_query) = join_reason(found, detail, has_failed);
    let progress = object_status::compute_progress(owner);
    Some(UnreadyObject { object, progress, reason, outlook, pod, detail_query })
}

/// Whether nothing starts an object again: a failed Job, or a pod that failed and has no controller.
fn has_failed(object: &Value) -> bool {
    match object["kind"].as_str() {
        Some("Job") => find_condition(object, "Failed").is_some_and(|failed| failed.status == "True"),
        Some("Pod") => text(object, "/status/phase") == "Failed",
        _ => false,
    }
}

/// The detail is the reason; of an object that failed, it comes after the object's own words.
fn join_reason(found: ObjectStatus, detail: Option<WaitDetail>, has_failed: bool) -> (String, Option<DetailQuery>) {
    match detail {
        None => (found.reason, None),
        Some(WaitDetail { message, detail_query, .. }) if has_failed => {
            (format!("{}; {message}", found.reason), detail_query)
        }
        Some(WaitDetail { message, detail_query, .. }) => (message, detail_query),
    }
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests;
