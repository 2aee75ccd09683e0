use super::*;
use serde_json::json;

fn now() -> Timestamp {
    "2026-11-23T07:13:22Z".parse().unwrap()
}

fn compute_state(object: &Value) -> ObjectState {
    compute_status(object, now()).state
}

fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    *object.pointer_mut(pointer).unwrap() = value;
    object
}

/// As `kubectl get deployment -o json` prints a rolled out one.
fn deployment() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "canvas", "namespace": "mural-system", "generation": 4},
        "spec": {"replicas": 2, "progressDeadlineSeconds": 600},
        "status": {"observedGeneration": 4, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2,
            "conditions": [
                {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "message": "Deployment has minimum availability."},
                {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable", "message": "ReplicaSet \"canvas-7d9f\" has successfully progressed."}]}})
}

fn pod(phase: &str, extra: &Value) -> Value {
    let mut status = json!({"phase": phase});
    for (key, value) in extra.as_object().unwrap() {
        status[key] = value.clone();
    }
    json!({"apiVersion": "v1", "kind": "Pod", "status": status, "spec": {"containers": [{"name": "canvas"}]},
        "metadata": {"name": "canvas-7d9f-x", "namespace": "mural-system", "creationTimestamp": "2026-11-23T07:10:00Z"}})
}

fn waiting_containers(reason: &str) -> Value {
    json!([{"name": "canvas", "image": "registry/canvas:1", "ready": false, "restartCount": 5,
        "state": {"waiting": {"reason": reason, "message": format!("said of {reason}")}},
        "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}])
}

#[test]
fn deleting_comes_before_everything() {
    let mut going = deployment();
    going["metadata"]["deletionTimestamp"] = json!("2026-11-23T07:00:00Z");
    assert_eq!(compute_state(&going), ObjectState::Terminating);
}

#[test]
fn an_unobserved_generation_comes_before_conditions_and_is_read_leniently() {
    for observed in [json!(3), json!("3"), json!(3.0)] {
        assert_eq!(compute_state(&with(deployment(), "/status/observedGeneration", observed)), ObjectState::InProgress);
    }
    for observed in [json!(4), json!("4"), json!(4.0)] {
        assert_eq!(compute_state(&with(deployment(), "/status/observedGeneration", observed)), ObjectState::Current);
    }
}

#[test]
fn standard_conditions_come_before_the_rule_of_the_kind() {
    let custom = |conditions: Value| json!({"apiVersion": "x/v1", "kind": "X", "metadata": {"name": "x"}, "status": {"conditions": conditions}});
    let stalled = json!({"type": "Stalled", "status": "True", "reason": "RetriesExceeded", "message": "no more"});
    let reconciling = json!({"type": "Reconciling", "status": "True"});
    let ready = json!({"type": "Ready", "status": "True"});
    assert_eq!(compute_state(&custom(json!([ready, stalled]))), ObjectState::Failed);
    assert_eq!(compute_state(&custom(json!([reconciling, stalled]))), ObjectState::InProgress);
    assert_eq!(compute_state(&custom(json!([ready]))), ObjectState::Current);
    assert_eq!(compute_state(&custom(json!([{"type": "Ready", "status": "Unknown"}]))), ObjectState::InProgress);
    assert_eq!(compute_status(&custom(json!([stalled])), now()).reason, "RetriesExceeded: no more");
}

#[test]
fn an_object_without_conditions_is_assumed_current() {
    let fresh = json!({"apiVersion": "x/v1", "kind": "X", "metadata": {"name": "x"}});
    let found = compute_status(&fresh, now());
    assert!(found.assumed && found.state == ObjectState::Current);
    assert!(!compute_status(&deployment(), now()).assumed);
    assert_eq!(compute_state(&json!({"kind": "X"})), ObjectState::Unknown);
}

#[test]
fn a_deployment_is_current_only_when_everything_is_new_and_available() {
    assert_eq!(compute_state(&deployment()), ObjectState::Current);
    for (pointer, value) in [
        ("/status/replicas", json!(1)),
        ("/status/replicas", json!(3)),
        ("/status/updatedReplicas", json!(1)),
        ("/status/availableReplicas", json!(1)),
        ("/status/readyReplicas", json!(1)),
        ("/status/conditions/0/status", json!("False")),
        ("/status/conditions/1/reason", json!("ReplicaSetUpdated")),
    ] {
        assert_eq!(compute_state(&with(deployment(), pointer, value)), ObjectState::InProgress, "{pointer}");
    }
    let exceeded = with(deployment(), "/status/conditions/1/reason", json!("ProgressDeadlineExceeded"));
    assert_eq!(compute_state(&exceeded), ObjectState::Failed);
    let no_deadline = with(deployment(), "/spec/progressDeadlineSeconds", json!(i32::MAX));
    assert_eq!(compute_state(&with(no_deadline, "/status/conditions/1/reason", json!("x"))), ObjectState::Current);
    assert_eq!(compute_state(&with(deployment(), "/status", json!({}))), ObjectState::InProgress);
}

#[test]
fn a_deployment_of_none_is_current() {
    let mut none = with(deployment(), "/spec/replicas", json!(0));
    for key in ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"] {
        none["status"].as_object_mut().unwrap().remove(key);
    }
    assert_eq!(compute_state(&none), ObjectState::Current);
}

#[test]
fn a_stateful_set_follows_its_strategy() {
    let set = |strategy: Value, status: Value| {
        json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "generation": 1},
        "spec": {"replicas": 3, "updateStrategy": strategy}, "status": status})
    };
    let full = json!({"observedGeneration": 1, "replicas": 3, "readyReplicas": 3, "currentReplicas": 3, "updatedReplicas": 3, "currentRevision": "b", "updateRevision": "b"});
    let rolling = json!({"observedGeneration": 1, "replicas": 3, "readyReplicas": 3, "currentReplicas": 2, "updatedReplicas": 1, "currentRevision": "a", "updateRevision": "b"});
    let plain = json!({"type": "RollingUpdate"});
    assert_eq!(compute_state(&set(plain.clone(), full.clone())), ObjectState::Current);
    assert_eq!(
        compute_state(&set(
            plain.clone(),
            with(full, "/status/readyReplicas".strip_prefix("/status").unwrap(), json!(2))
        )),
        ObjectState::InProgress
    );
    assert_eq!(compute_state(&set(plain, rolling.clone())), ObjectState::InProgress);
    let partition = |at: u8| json!({"type": "RollingUpdate", "rollingUpdate": {"partition": at}});
    assert_eq!(compute_state(&set(partition(2), rolling.clone())), ObjectState::Current);
    assert_eq!(compute_state(&set(partition(1), rolling.clone())), ObjectState::InProgress);
    assert_eq!(compute_state(&set(partition(0), rolling.clone())), ObjectState::InProgress);
    assert_eq!(compute_state(&set(json!({"type": "OnDelete"}), rolling)), ObjectState::Current);
}

#[test]
fn a_daemon_set_waits_for_its_controller_and_every_node() {
    let set = |status: Value| json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "d", "generation": 1}, "spec": {}, "status": status});
    let full = json!({"observedGeneration": 1, "desiredNumberScheduled": 2, "currentNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 2, "numberReady": 2});
    assert_eq!(compute_state(&set(full.clone())), ObjectState::Current);
    assert_eq!(compute_state(&set(json!({}))), ObjectState::InProgress);
    for key in ["currentNumberScheduled", "updatedNumberScheduled", "numberAvailable", "numberReady"] {
        assert_eq!(
            compute_state(&set(with(full.clone(), &format!("/{key}"), json!(1)))),
            ObjectState::InProgress,
            "{key}"
        );
    }
}

#[test]
fn jobs_claims_services_and_data() {
    let of = |version: &str, kind: &str, spec: Value, status: Value| {
        compute_state(
            &json!({"apiVersion": version, "kind": kind, "metadata": {"name": "x"}, "spec": spec, "status": status}),
        )
    };
    let none = || json!({});
    let says = |kind: &str| json!({"startTime": "2026-11-23T07:00:00Z", "conditions": [{"type": kind, "status": "True", "reason": "BackoffLimitExceeded"}]});
    assert_eq!(of("batch/v1", "Job", none(), says("Complete")), ObjectState::Current);
    assert_eq!(of("batch/v1", "Job", none(), says("Failed")), ObjectState::Failed);
    assert_eq!(of("batch/v1", "Job", none(), says("Other")), ObjectState::Current);
    assert_eq!(of("batch/v1", "Job", none(), none()), ObjectState::InProgress);
    for (phase, expected) in
        [("Bound", ObjectState::Current), ("Pending", ObjectState::InProgress), ("Lost", ObjectState::Failed)]
    {
        assert_eq!(of("v1", "PersistentVolumeClaim", none(), json!({"phase": phase})), expected);
    }
    assert_eq!(of("v1", "Service", json!({"type": "LoadBalancer"}), none()), ObjectState::InProgress);
    assert_eq!(of("v1", "Service", json!({"type": "ClusterIP"}), none()), ObjectState::Current);
    assert_eq!(of("v1", "ConfigMap", none(), none()), ObjectState::Current);
}

#[test]
fn a_crd_needs_more_than_established() {
    let crd = |conditions: Value| {
        compute_state(&json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "hubs.x", "generation": 2}, "status": {"conditions": conditions}}))
    };
    let is = |kind: &str, status: &str, reason: &str| json!({"type": kind, "status": status, "reason": reason});
    let (names, established) =
        (is("NamesAccepted", "True", "NoConflicts"), is("Established", "True", "InitialNamesAccepted"));
    assert_eq!(crd(json!([names, established])), ObjectState::Current);
    assert_eq!(crd(json!([established])), ObjectState::InProgress);
    assert_eq!(crd(json!([])), ObjectState::InProgress);
    assert_eq!(crd(json!([names, is("Established", "False", "Installing")])), ObjectState::InProgress);
    assert_eq!(crd(json!([names, is("Established", "False", "NotAccepted")])), ObjectState::Failed);
    assert_eq!(crd(json!([is("NamesAccepted", "False", "PluralConflict"), established])), ObjectState::Failed);
    assert_eq!(crd(json!([names, established, is("NonStructuralSchema", "True", "Violations")])), ObjectState::Failed);
    let mut old = established;
    old["observedGeneration"] = json!(1);
    assert_eq!(crd(json!([names, old])), ObjectState::InProgress);
}

#[test]
fn pods_are_judged_by_phase_and_trouble() {
    let ready = json!({"conditions": [{"type": "Ready", "status": "True"}]});
    assert_eq!(compute_state(&pod("Running", &ready)), ObjectState::Current);
    assert_eq!(compute_state(&pod("Running", &json!({}))), ObjectState::InProgress);
    assert_eq!(compute_state(&pod("Succeeded", &json!({}))), ObjectState::Current);
    assert_eq!(compute_state(&pod("Failed", &json!({}))), ObjectState::Current);
    assert_eq!(compute_state(&pod("", &json!({}))), ObjectState::InProgress);
    assert_eq!(compute_state(&pod("Odd", &json!({}))), ObjectState::Unknown);
    assert_eq!(
        compute_state(&pod("Running", &json!({"containerStatuses": waiting_containers("CrashLoopBackOff")}))),
        ObjectState::Failed
    );
    assert_eq!(
        compute_state(&pod("Pending", &json!({"initContainerStatuses": waiting_containers("CrashLoopBackOff")}))),
        ObjectState::Failed
    );
    assert_eq!(
        compute_state(&pod("Pending", &json!({"containerStatuses": waiting_containers("ImagePullBackOff")}))),
        ObjectState::InProgress
    );
}

#[test]
fn an_unschedulable_pod_has_fifteen_seconds() {
    let unschedulable = pod(
        "Pending",
        &json!({"conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"}]}),
    );
    assert_eq!(compute_state(&unschedulable), ObjectState::Failed);
    assert_eq!(
        compute_state(&with(unschedulable.clone(), "/metadata/creationTimestamp", json!("2026-11-23T07:13:10Z"))),
        ObjectState::InProgress
    );
    let trouble = find_pod_blocker(&unschedulable).unwrap();
    assert_eq!((trouble.to_string().as_str(), trouble.terminal), ("Unschedulable: 0/3 nodes are available", false));
}

#[test]
fn trouble_names_the_container_and_the_cause() {
    for reason in ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError"] {
        let trouble =
            find_pod_blocker(&pod("Pending", &json!({"containerStatuses": waiting_containers(reason)}))).unwrap();
        assert_eq!(trouble.to_string(), format!("{reason} in canvas: said of {reason}"));
        assert!(trouble.terminal);
    }
    let crash =
        find_pod_blocker(&pod("Running", &json!({"containerStatuses": waiting_containers("CrashLoopBackOff")})))
            .unwrap();
    assert_eq!(crash.message, "ended with exit code 137 (OOMKilled), restarted 5 times");
    assert!(
        find_pod_blocker(&pod("Pending", &json!({"initContainerStatuses": waiting_containers("ErrImagePull")})))
            .is_some()
    );
}

#[test]
fn young_finished_and_going_pods_have_no_trouble() {
    assert_eq!(
        find_pod_blocker(&pod("Pending", &json!({"containerStatuses": waiting_containers("ContainerCreating")}))),
        None
    );
    assert_eq!(
        find_pod_blocker(&pod("Failed", &json!({"containerStatuses": waiting_containers("CrashLoopBackOff")}))),
        None
    );
    let mut going = pod("Running", &json!({"containerStatuses": waiting_containers("CrashLoopBackOff")}));
    going["metadata"]["deletionTimestamp"] = json!("2026-11-23T07:00:00Z");
    assert_eq!(find_pod_blocker(&going), None);
}

#[test]
fn progress_counts_new_and_ready_parts() {
    assert_eq!(compute_progress(&deployment()), Some((2, 2)));
    assert_eq!(compute_progress(&with(deployment(), "/status/updatedReplicas", json!(1))), Some((1, 2)));
    assert_eq!(compute_progress(&pod("Running", &json!({"containerStatuses": [{"ready": true}]}))), Some((1, 1)));
    assert_eq!(compute_progress(&json!({"kind": "ConfigMap"})), None);
}

/// <https://github.com/argoproj/argo-cd/issues/8586>, <https://github.com/cilium/cilium/issues/18298>
#[test]
fn paused_and_suspended_objects_are_current() {
    let mut paused = deployment();
    paused["spec"]["paused"] = json!(true);
    paused["status"]["updatedReplicas"] = json!(0);
    paused["status"]["conditions"][1] =
        json!({"type": "Progressing", "status": "Unknown", "reason": "DeploymentPaused"});
    assert_eq!(compute_status(&paused, now()).reason, "paused");
    assert_eq!(compute_state(&with(paused, "/status/readyReplicas", json!(1))), ObjectState::InProgress);
    let on_delete = json!({"type": "OnDelete"});
    let daemon_set = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "d", "generation": 1}, "spec": {"updateStrategy": on_delete},
        "status": {"observedGeneration": 1, "desiredNumberScheduled": 2, "currentNumberScheduled": 2, "updatedNumberScheduled": 0, "numberAvailable": 2, "numberReady": 2}});
    assert_eq!(compute_state(&daemon_set), ObjectState::Current);
    let stateful_set = |ready: u8| {
        json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "generation": 1},
        "spec": {"replicas": 2, "updateStrategy": on_delete}, "status": {"observedGeneration": 1, "replicas": 2, "readyReplicas": ready, "updateRevision": "b"}})
    };
    assert_eq!(compute_state(&stateful_set(2)), ObjectState::Current);
    assert_eq!(compute_state(&stateful_set(1)), ObjectState::InProgress);
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {"suspend": true}, "status": {}});
    assert_eq!(compute_status(&job, now()).reason, "suspended");
}
