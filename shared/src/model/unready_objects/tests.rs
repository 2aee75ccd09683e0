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
    find_unready(&Workloads::new(Ok(owners), Ok(pods)), &OwnedWorkloads::new("mural", &[hook]), now())
}

fn crash_loop_status() -> Value {
    json!({"phase": "Running", "containerStatuses": [{"name": "main", "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 2, "reason": "Error"}}}]})
}

#[test]
fn only_objects_of_the_release_are_waited_for() {
    assert_eq!(find_unready_in(vec![deployment(2, "mural"), deployment(0, "other")], Vec::new()), ((1, 1), Vec::new()));
    let (ready, waiting) = find_unready_in(vec![deployment(1, "mural")], Vec::new());
    assert_eq!((ready, waiting[0].progress, waiting[0].outlook.clone()), ((0, 1), Some((1, 2)), Outlook::Transient));
}

#[test]
fn a_crash_loop_tells_its_exit_code_and_where_its_log_is() {
    let (_, waiting) =
        find_unready_in(vec![deployment(0, "mural")], vec![pod("b", "2026-11-24T07:00:00Z", &crash_loop_status())]);
    assert_eq!(
        waiting[0].reason,
        "CrashLoopBackOff ended with exit code 2, restarted 3 times (pod canvas-b, container main)"
    );
    assert_eq!(waiting[0].terminal_reason(), Some("CrashLoopBackOff"), "the same whatever the count of restarts");
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
        (waiting[0].reason.as_str(), waiting[0].terminal_reason()),
        ("pod canvas-b runs and is not ready", None)
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
    assert_eq!(waiting[0].reason, "BackoffLimitExceeded: too often; main ended with exit code 7");
    assert_eq!(waiting[0].terminal_reason(), Some("failed"));
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

fn job(name: &str, status: &Value) -> Value {
    json!({"apiVersion": "batch/v1", "kind": "Job", "status": status, "spec": {"selector": {"matchLabels": {"app": "canvas"}}},
        "metadata": {"name": name, "uid": name, "annotations": {RELEASE_NAME_ANNOTATION: "mural"}}})
}

fn failed_status() -> Value {
    json!({"startTime": "2026-11-24T07:00:00Z", "conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]})
}

#[test]
fn a_job_of_the_release_is_waited_for_and_its_failure_is_final() {
    let running = json!({"startTime": "2026-11-24T07:00:00Z", "active": 1});
    let (_, waiting) = find_unready_in(vec![job("once", &running)], Vec::new());
    assert_eq!((waiting[0].reason.as_str(), &waiting[0].outlook), ("running", &Outlook::Running));
    let (_, waiting) = find_unready_in(vec![job("once", &failed_status())], Vec::new());
    assert_eq!(waiting[0].outlook, Outlook::Final);
    let mut suspended = job("once", &json!({}));
    suspended["spec"]["suspend"] = json!(true);
    assert_eq!(find_unready_in(vec![suspended], Vec::new()), ((1, 1), Vec::new()));
    let mut by_cron_job = job("nightly-1", &failed_status());
    by_cron_job["metadata"]["annotations"] = json!({});
    assert_eq!(find_unready_in(vec![by_cron_job], Vec::new()).0, (0, 0), "a CronJob tries again");
}

#[test]
fn leftovers_of_an_earlier_revision_do_not_count() {
    let rendered = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "before", "annotations": {"helm.sh/hook": "pre-upgrade"}}});
    let test_hook = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "smoke", "annotations": {"helm.sh/hook": "test"}}});
    let mut live_hook = job("before", &failed_status());
    live_hook["metadata"]["annotations"] = json!({});
    let mut live_test = job("smoke", &failed_status());
    live_test["metadata"]["annotations"] = json!({});
    let workloads = Workloads::new(Ok(vec![live_hook, live_test, job("once", &failed_status())]), Ok(Vec::new()));
    let owned = OwnedWorkloads::new("mural", &[rendered, test_hook]);
    assert_eq!(find_unready(&workloads, &owned, now()).1.len(), 2, "a test hook is not part of an upgrade");
    let owned = owned.without_earlier_hooks(&workloads);
    assert_eq!(find_unready(&workloads, &owned, now()).1[0].object.name, "once");
    let owned = owned.without_earlier_failures(&workloads);
    assert_eq!(find_unready(&workloads, &owned, now()), ((0, 0), Vec::new()));
}

#[test]
fn a_failed_pod_without_a_controller_is_final() {
    let status =
        json!({"phase": "Failed", "containerStatuses": [{"name": "main", "state": {"terminated": {"exitCode": 3}}}]});
    let mut bare = pod("x", "2026-11-24T07:00:00Z", &status);
    bare["metadata"]["annotations"] = json!({RELEASE_NAME_ANNOTATION: "mural"});
    let (_, waiting) = find_unready_in(Vec::new(), vec![bare.clone()]);
    assert_eq!(waiting[0].reason, "completed, not successfully; main ended with exit code 3");
    assert_eq!(waiting[0].outlook, Outlook::Final);
    bare["metadata"]["ownerReferences"] = json!([{"kind": "ReplicaSet", "controller": true}]);
    assert_eq!(find_unready_in(Vec::new(), vec![bare]).0, (0, 0));
}

#[test]
fn pods_that_cannot_be_created_are_the_reason() {
    let mut owner = deployment(0, "mural");
    let failure = json!({"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "serviceaccount \"gone\" not found"});
    owner["status"]["conditions"].as_array_mut().unwrap().push(failure);
    let (_, waiting) = find_unready_in(vec![owner], Vec::new());
    assert_eq!(waiting[0].reason, "FailedCreate: serviceaccount \"gone\" not found");
    assert_eq!(waiting[0].terminal_reason(), Some("FailedCreate"));
}

/// <https://github.com/helm/helm/issues/10722>
#[test]
fn a_node_that_is_not_ready_is_the_reason() {
    let mut lost = pod(
        "b",
        "2026-11-24T07:00:00Z",
        &json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}),
    );
    lost["spec"] = json!({"nodeName": "edge-1"});
    let mut workloads = Workloads::new(Ok(vec![deployment(1, "mural")]), Ok(vec![lost]));
    workloads.unready_nodes.insert("edge-1".into(), "NodeStatusUnknown: Kubelet stopped posting node status.".into());
    let (_, waiting) = find_unready(&workloads, &OwnedWorkloads::new("mural", &[]), now());
    let told =
        "pod canvas-b runs on node edge-1, which is not ready: NodeStatusUnknown: Kubelet stopped posting node status.";
    assert_eq!((waiting[0].reason.as_str(), &waiting[0].outlook), (told, &Outlook::Transient));
}
