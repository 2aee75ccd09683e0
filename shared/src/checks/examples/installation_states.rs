//! Installations in a certain state, and what the checks say of them: Argo CD, causes of unready workloads, held rollouts.

use serde_json::json;

use super::example_changes::waiting_containers;
use super::{ExampleInstallation, run_check};
use crate::model::check::{Level, Verdict};
use crate::model::owner::Owner;

/// An installation of Argo CD: no helm release, one Application with both charts.
fn argo_installation() -> ExampleInstallation {
    let mut installation = ExampleInstallation::healthy();
    for release in ["mural", "mural-crds"] {
        installation.view.owners.insert(release.into(), Owner::Argo { application: "palette".into() });
        installation.view.releases.insert(release.into(), Ok(Vec::new()));
    }
    let sources =
        json!([{"chart": "mural-crds", "targetRevision": "0.7.4"}, {"chart": "mural", "targetRevision": "1.1.0-rc.3"}]);
    installation.view.applications = Ok(vec![json!({"metadata": {"name": "palette", "namespace": "argocd"},
        "spec": {"destination": {"name": "in-cluster", "namespace": "mural-system"}, "sources": sources},
        "status": {"sync": {"status": "Synced", "revisions": ["0.7.4", "1.1.0-rc.3"]}}})]);
    installation.set_workload_field("canvas", "metadata.labels", json!({"app.kubernetes.io/instance": "palette"}));
    let id = json!({"argocd.argoproj.io/tracking-id": "palette:apps/StatefulSet:mural-system/db"});
    installation.set_workload_field("db", "metadata.annotations", id);
    installation.set_crd_field("metadata.labels", json!({"app.kubernetes.io/instance": "mural-crds"}));
    installation
}

#[test]
fn argo_cd_creates_no_release_and_the_check_says_so() {
    let installation = argo_installation();
    for id in ["release-present", "release-deployed"] {
        let Verdict::Skipped { reason } = run_check(&installation, id) else { unreachable!("{id}") };
        assert!(reason.contains("Argo CD"), "{reason}");
    }
    let Verdict::Skipped { reason } = run_check(&installation, "crd-present") else { unreachable!() };
    assert!(reason.contains("--crds-chart"), "{reason}");
    for id in [
        "owner-detected",
        "workload-ready",
        "workload-present",
        "release-workloads",
        "release-version",
        "crd-established",
    ] {
        assert_eq!(run_check(&installation, id), Verdict::Pass, "{id}");
    }
}

#[test]
fn objects_that_argo_cd_tracks_are_judged() {
    let mut installation = argo_installation();
    installation.set_workload_field("canvas", "status.readyReplicas", json!(1));
    let stuck = waiting_containers("ImagePullBackOff");
    installation.set_workload_field("canvas-7d9f-a", "status.containerStatuses", stuck);
    let Verdict::Fail { findings } = run_check(&installation, "workload-ready") else { unreachable!() };
    assert!(findings[0].message.contains("ImagePullBackOff"), "{findings:?}");

    let mut untracked = argo_installation();
    untracked.set_workload_field("canvas", "metadata.labels", json!({}));
    untracked.set_workload_field("db", "metadata.annotations", json!({}));
    assert!(matches!(run_check(&untracked, "release-workloads"), Verdict::Undetermined { .. }));
}

#[test]
fn the_version_of_an_application_is_that_of_its_last_sync() {
    let mut installation = argo_installation();
    let message = |installation: &ExampleInstallation| match run_check(installation, "release-version") {
        Verdict::Fail { findings } => findings.into_iter().map(|finding| finding.message).collect(),
        verdict => format!("{verdict:?}"),
    };
    installation.expectations.app_version = "9.9.9".parse().ok();
    assert!(message(&installation).contains("is at 1.1.0-rc.3, but 9.9.9 is expected"), "{}", message(&installation));
    let set_sync = |installation: &mut ExampleInstallation, sync: serde_json::Value| {
        installation.view.applications.as_mut().unwrap()[0]["status"]["sync"] = sync;
    };
    set_sync(&mut installation, json!({}));
    assert!(message(&installation).contains("gets 1.1.0-rc.3, but 9.9.9 is expected"), "{}", message(&installation));
    installation.expectations.app_version = "1.1.0-rc.3".parse().ok();
    assert!(message(&installation).starts_with("Undetermined"), "{}", message(&installation));
    set_sync(&mut installation, json!({"status": "OutOfSync"}));
    assert!(message(&installation).contains("is OutOfSync"), "{}", message(&installation));
}

#[test]
fn a_manifest_without_workloads_differs_from_a_chart_without_any() {
    let mut installation = ExampleInstallation::healthy();
    installation.newest_record("mural").manifest =
        crate::model::secret::Hidden::new("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: all}\n".into());
    assert!(matches!(run_check(&installation, "release-workloads"), Verdict::Skipped { .. }));
    installation.newest_record("mural").workload_templates = vec!["templates/web.yaml".to_owned()];
    let Verdict::Fail { findings } = run_check(&installation, "release-workloads") else { unreachable!() };
    assert!(findings[0].message.contains("templates/web.yaml"), "{findings:?}");
}

#[test]
fn the_cause_of_a_workload_that_is_not_ready_is_named() {
    let mut installation = ExampleInstallation::healthy();
    installation.set_workload_field("canvas", "status.readyReplicas", json!(1));
    installation.set_workload_field("canvas-7d9f-a", "spec.nodeName", json!("edge-1"));
    installation.view.workloads.unready_nodes.insert("edge-1".into(), "NodeStatusUnknown: Kubelet stopped".into());
    let finding = |installation: &ExampleInstallation| {
        let Verdict::Fail { findings } = run_check(installation, "workload-ready") else { unreachable!() };
        findings[0].clone()
    };
    assert_eq!(
        finding(&installation).message,
        "1/2 ready: pod canvas-7d9f-a runs on node edge-1, which is not ready: NodeStatusUnknown: Kubelet stopped"
    );
    assert_eq!(finding(&installation).hint, "kubectl describe node edge-1");
    let rejected =
        json!([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}]);
    installation.set_workload_field("canvas", "status.conditions", rejected);
    assert_eq!(finding(&installation).message, "1/2 ready: FailedCreate: exceeded quota");
}

/// The taint of a node that is not ready makes a DaemonSet want no pod on it.
#[test]
fn a_pod_of_a_daemon_set_that_does_not_count_its_node_is_reported() {
    let mut installation = ExampleInstallation::healthy();
    installation.newest_record("mural").manifest =
        crate::model::secret::Hidden::new("apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: agent}\n".into());
    let status = json!({"observedGeneration": 1, "desiredNumberScheduled": 0, "currentNumberScheduled": 0,
        "numberReady": 0, "numberMisscheduled": 1});
    let metadata = json!({"name": "agent", "namespace": "mural-system", "generation": 1});
    let daemon_set = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata, "status": status});
    let owner = json!([{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "agent", "controller": true}]);
    let pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "agent-x", "namespace": "mural-system", "ownerReferences": owner},
        "spec": {"nodeName": "edge-1"}, "status": {"phase": "Running"}});
    installation.view.workloads.objects.as_mut().unwrap().push(daemon_set);
    installation.view.workloads.pods.as_mut().unwrap().push(pod);
    assert_eq!(run_check(&installation, "workload-ready"), Verdict::Pass, "a drained node is no fault");
    installation.view.workloads.unready_nodes.insert("edge-1".into(), "NodeStatusUnknown: Kubelet stopped".into());
    let Verdict::Fail { findings } = run_check(&installation, "workload-ready") else { unreachable!() };
    assert_eq!(
        findings[0].message,
        "pod agent-x runs on node edge-1, which is not ready: NodeStatusUnknown: Kubelet stopped; the DaemonSet does \
         not count this node"
    );
}

#[test]
fn a_failed_job_and_a_failed_pod_show_their_exit_code() {
    let mut installation = ExampleInstallation::healthy();
    installation.set_workload_field("seed", "status.conditions.0.type", json!("Failed"));
    let ended =
        json!({"phase": "Failed", "containerStatuses": [{"name": "main", "state": {"terminated": {"exitCode": 7}}}]});
    installation.set_workload_field("seed-x", "status", ended.clone());
    let Verdict::Fail { findings } = run_check(&installation, "job-failed") else { unreachable!() };
    assert_eq!(findings[0].message, "failed: BackoffLimitExceeded; main ended with exit code 7");

    let mut bare = ExampleInstallation::healthy();
    bare.newest_record("mural").manifest =
        crate::model::secret::Hidden::new("apiVersion: v1\nkind: Pod\nmetadata: {name: seed-x}\n".into());
    bare.set_workload_field("seed-x", "metadata.ownerReferences", json!([]));
    assert_eq!(run_check(&bare, "pod-failing"), Verdict::Pass, "it succeeded");
    bare.set_workload_field("seed-x", "status", ended);
    let Verdict::Fail { findings } = run_check(&bare, "pod-failing") else { unreachable!() };
    assert_eq!(findings[0].message, "failed and is not started again: main ended with exit code 7");
}

#[test]
fn old_pods_of_a_held_rollout_are_a_warning() {
    let mut installation = ExampleInstallation::healthy();
    installation.set_workload_field("canvas", "spec.paused", json!(true));
    let finding = |installation: &ExampleInstallation| {
        let Verdict::Fail { findings } = run_check(installation, "rollout-held") else { unreachable!() };
        findings[0].clone()
    };
    assert_eq!(finding(&installation).level, Level::Info);
    installation.set_workload_field("canvas", "status.updatedReplicas", json!(0));
    assert_eq!(finding(&installation).message, "is paused: 2 pods of the old template");
    assert_eq!(
        (finding(&installation).level, run_check(&installation, "workload-ready")),
        (Level::Warning, Verdict::Pass)
    );
    installation.set_workload_field("canvas", "spec.paused", json!(false));
    installation.set_workload_field("db", "spec.updateStrategy", json!({"type": "OnDelete"}));
    installation.set_workload_field("db", "status.updatedReplicas", json!(0));
    assert!(finding(&installation).message.contains("1 pod of an older template"), "{:?}", finding(&installation));
}
