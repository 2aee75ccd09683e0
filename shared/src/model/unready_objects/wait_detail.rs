//! The reason behind an object that is not ready: from its conditions, its pods, their nodes, and failed pod creations.

use std::cmp::Reverse;

use serde_json::Value;

use super::{DetailQuery, text};
use crate::model::cluster_view::Workloads;
use crate::model::object::find_condition;
use crate::model::object_status::{self, PodBlocker};
use crate::model::pod_creation::find_creation_failure;

/// The reason that was found behind an object.
pub(super) struct WaitDetail {
    /// The reason.
    pub(super) message: String,
    /// The pod that has the reason, if it is one pod.
    pub(super) pod: Option<String>,
    /// The reason in one word if it hardly heals by itself.
    pub(super) terminal_reason: Option<String>,
    /// Where to read more.
    pub(super) detail_query: Option<DetailQuery>,
}

/// The most telling reason; `None` if the object's own status says it best.
pub(super) fn find_wait_detail(owner: &Value, workloads: &Workloads) -> Option<WaitDetail> {
    let all_pods = workloads.pods.as_ref().map_or(&[][..], Vec::as_slice);
    let pods = if owner["kind"] == "Pod" { vec![owner] } else { retain_newest(select_pods(owner, all_pods)) };
    let failed = match owner["kind"].as_str() {
        Some("Job" | "Pod") => describe_failed_pods(&pods),
        _ => None,
    };
    failed
        .or_else(|| describe_creation_failure(owner, &pods, workloads))
        .or_else(|| describe_blocked_pod(&pods))
        .or_else(|| describe_unready_node(&pods, workloads))
        .or_else(|| describe_unready_pod(&pods))
        .or_else(|| describe_unbound_claim(owner))
}

/// The pods that an object's selector chooses.
pub(super) fn select_pods<'a>(owner: &Value, pods: &'a [Value]) -> Vec<&'a Value> {
    let Some(wanted) = owner.pointer("/spec/selector/matchLabels").and_then(Value::as_object) else {
        return Vec::new();
    };
    let chosen = |pod: &&Value| {
        let labels = pod.pointer("/metadata/labels");
        labels.is_some_and(|labels| wanted.iter().all(|(key, value)| labels.get(key) == Some(value)))
    };
    pods.iter().filter(chosen).collect()
}

/// The pods of the newest template, newest first: the older ones are about to go.
fn retain_newest(mut pods: Vec<&Value>) -> Vec<&Value> {
    pods.sort_by_key(|pod| {
        Reverse((text(pod, "/metadata/creationTimestamp").to_owned(), text(pod, "/metadata/name").to_owned()))
    });
    let hash = |pod: &Value| pod.pointer("/metadata/labels/pod-template-hash").cloned();
    let newest = pods.first().and_then(|pod| hash(pod));
    pods.retain(|pod| hash(pod) == newest);
    pods
}

/// The API server rejects the pods: a missing service account, a quota, Pod Security, an admission webhook.
fn describe_creation_failure(owner: &Value, pods: &[&Value], workloads: &Workloads) -> Option<WaitDetail> {
    let failure = find_creation_failure(owner, pods, &workloads.creation_failures)?;
    let terminal_reason = Some(failure.reason.to_owned());
    Some(WaitDetail { message: failure.to_string(), pod: None, terminal_reason, detail_query: None })
}

/// A pod that cannot run: image pull, crash loop, not schedulable.
fn describe_blocked_pod(pods: &[&Value]) -> Option<WaitDetail> {
    let all = pods.iter().filter_map(|pod| object_status::find_pod_blocker(pod).map(|trouble| (*pod, trouble)));
    let (pod, trouble) = all.max_by_key(|(_, trouble)| trouble.terminal)?;
    let PodBlocker { reason, container, message, terminal } = trouble;
    let pod_name = text(pod, "/metadata/name").to_owned();
    let words = if message.is_empty() { reason.clone() } else { format!("{reason} {message}") };
    let words = format!("{words} (pod {pod_name}{})", format_container(&container));
    let log = DetailQuery::Log { pod: pod_name.clone(), container, previous: true };
    let detail_query = (reason == "CrashLoopBackOff").then_some(log);
    Some(WaitDetail { message: words, pod: Some(pod_name), terminal_reason: terminal.then_some(reason), detail_query })
}

/// `, container ui`; empty for a pod that has no node yet.
fn format_container(container: &str) -> String {
    if container.is_empty() { String::new() } else { format!(", container {container}") }
}

/// A pod whose node is not ready. The node may come back.
fn describe_unready_node(pods: &[&Value], workloads: &Workloads) -> Option<WaitDetail> {
    let (pod, node) = pods.iter().find_map(|pod| Some((pod, workloads.find_unready_node(pod)?)))?;
    let pod = text(pod, "/metadata/name").to_owned();
    let message = format!("pod {pod} runs on {node}");
    Some(WaitDetail { message, pod: Some(pod), terminal_reason: None, detail_query: None })
}

/// A pod that runs and is not ready: only its events say that a probe fails.
fn describe_unready_pod(pods: &[&Value]) -> Option<WaitDetail> {
    let runs =
        |pod: &&&Value| text(pod, "/status/phase") == "Running" && text(pod, "/metadata/deletionTimestamp").is_empty();
    let ready = |pod: &&Value| find_condition(pod, "Ready").is_some_and(|ready| ready.status == "True");
    let pod = pods.iter().filter(runs).find(|pod| !ready(pod))?;
    let detail_query = Some(DetailQuery::Events { uid: text(pod, "/metadata/uid").to_owned() });
    let pod = text(pod, "/metadata/name").to_owned();
    let message = format!("pod {pod} runs and is not ready");
    Some(WaitDetail { message, pod: Some(pod), terminal_reason: None, detail_query })
}

/// A claim without a volume: only its events say why.
fn describe_unbound_claim(owner: &Value) -> Option<WaitDetail> {
    let uid = text(owner, "/metadata/uid").to_owned();
    (owner["kind"] == "PersistentVolumeClaim").then(|| WaitDetail {
        message: "no volume is bound to it".to_owned(),
        pod: None,
        terminal_reason: None,
        detail_query: Some(DetailQuery::Events { uid }),
    })
}

/// How the newest failed pod ended, and how many failed.
fn describe_failed_pods(pods: &[&Value]) -> Option<WaitDetail> {
    let failed: Vec<&&Value> = pods.iter().filter(|pod| text(pod, "/status/phase") == "Failed").collect();
    let pod = failed.first()?;
    let container = find_failed_container(pod)?;
    let tries = if failed.len() > 1 { format!(", {} pods failed", failed.len()) } else { String::new() };
    let message = format!("{}{tries}", describe_failed_pod(pod)?);
    let (pod, container) = (text(pod, "/metadata/name").to_owned(), text(container, "/name").to_owned());
    let detail_query = Some(DetailQuery::Log { pod: pod.clone(), container, previous: false });
    Some(WaitDetail { message, pod: Some(pod), terminal_reason: None, detail_query })
}

/// How a container of a failed pod ended: `main ended with exit code 7`.
#[must_use]
pub fn describe_failed_pod(pod: &Value) -> Option<String> {
    let container = find_failed_container(pod)?;
    let code = container.pointer("/state/terminated/exitCode").and_then(Value::as_i64)?;
    Some(format!("{} ended with exit code {code}", text(container, "/name")))
}

fn find_failed_container(pod: &Value) -> Option<&Value> {
    let lists = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let mut all = lists.into_iter().filter_map(|list| pod.pointer(list)?.as_array()).flatten();
    all.find(|container| {
        container.pointer("/state/terminated/exitCode").and_then(Value::as_i64).is_some_and(|code| code != 0)
    })
}
