//! The examples: what fires each check, and what nearly does.

use semver::Version;
use serde_json::json;

use super::Example;
use super::cluster_fixtures::{RELEASE_NAMESPACE, role_template};
use super::example_changes::{
    condition, flux_owner, pod_creation_rules, restarted_container, upgrade_history, waiting_containers,
};
use super::installation::{set_field, unmanaged_pod};
use crate::model::cluster_view::Workloads;
use crate::model::health_inputs::{InvalidObject, PublishedSchema};
use crate::model::owner::Owner;
use crate::model::secret::Hidden;

pub(super) const EXAMPLES: [Example; 55] = [
    ("helm-version", |w| w.tools.helm = Ok(Version::new(3, 16, 4)), |w| w.tools.helm = Ok(Version::new(3, 17, 0))),
    (
        "kubectl-version",
        |w| w.tools.kubectl = Ok(Version::new(1, 30, 9)),
        |w| w.tools.kubectl = Ok(Version::new(1, 31, 0)),
    ),
    (
        "kubectl-skew",
        |w| w.tools.kubectl = Ok(Version::new(1, 35, 0)),
        |w| w.tools.kubectl = Ok(Version::new(1, 32, 0)),
    ),
    ("server-version", |w| w.view.cluster.version = "v1.30.9".into(), |w| w.view.cluster.version = "v1.31+".into()),
    (
        "namespace-exists",
        |w| w.view.cluster.namespace_exists = Ok(false),
        |w| {
            // It exists and is empty.
            w.view.releases.values_mut().for_each(|records| *records = Ok(Vec::new()));
            w.view.workloads = Workloads::new(Ok(Vec::new()), Ok(Vec::new()));
        },
    ),
    (
        "owner-detected",
        |w| drop(w.view.owners.insert("mural".into(), Owner::NotInstalled)),
        |w| drop(w.view.owners.insert("mural".into(), flux_owner())),
    ),
    (
        "owner-consistent",
        |w| drop(w.view.owners.insert("mural".into(), flux_owner())),
        |w| {
            w.view.owners.insert("mural".into(), flux_owner());
            w.view.owners.insert("mural-crds".into(), flux_owner());
        },
    ),
    (
        "release-present",
        |w| drop(w.view.releases.insert("mural".into(), Ok(Vec::new()))),
        // Its only record failed: that is a record all the same.
        |w| w.newest_record("mural").status = "failed".into(),
    ),
    (
        "release-deployed",
        |w| w.newest_record("mural").status = "pending-upgrade".into(),
        |w| {
            let mut old = w.newest_record("mural").clone();
            (old.revision, old.status) = (2, "failed".into());
            w.view.releases.get_mut("mural").unwrap().as_mut().unwrap().insert(0, old);
        },
    ),
    (
        "release-version",
        |w| w.newest_record("mural").chart_version = "1.1.0-rc.0".into(),
        |w| w.newest_record("mural").chart_version = "v1.1.0-rc.3+7".into(),
    ),
    (
        "release-record-size",
        |w| w.newest_record("mural").encoded_bytes = 1_040_000,
        |w| w.newest_record("mural").encoded_bytes = 900_000,
    ),
    (
        "crd-present",
        |w| w.newest_record("mural-crds").crd_names.push("tenants.x".into()),
        |w| {
            let copy = w.view.crds.as_ref().unwrap()["hubs.x"].clone();
            w.view.crds.as_mut().unwrap().insert("tenants.x".into(), copy);
        },
    ),
    (
        "crd-established",
        |w| w.set_crd_field("status.conditions.1", condition("Established", "False")),
        |w| w.set_crd_field("status.conditions.1.message", json!("")),
    ),
    (
        "crd-names-accepted",
        |w| w.set_crd_field("status.conditions.0", condition("NamesAccepted", "False")),
        |w| w.set_crd_field("status.conditions.0.reason", json!("Other")),
    ),
    (
        "crd-structural",
        |w| w.set_crd_field("status.conditions", json!([condition("NonStructuralSchema", "True")])),
        |w| w.set_crd_field("status.conditions", json!([condition("NonStructuralSchema", "False")])),
    ),
    (
        "crd-stored-versions",
        |w| w.set_crd_field("status.storedVersions", json!(["v1alpha1", "v1beta1"])),
        |w| w.set_crd_field("spec.versions.1.served", json!(false)),
    ),
    (
        "crd-terminating",
        |w| w.set_crd_field("metadata.deletionTimestamp", json!("2026-11-23T07:00:00Z")),
        |w| w.set_crd_field("metadata.finalizers", json!(["a/b"])),
    ),
    (
        "workload-present",
        |w| w.view.workloads.objects.as_mut().unwrap().retain(|object| object["metadata"]["name"] != "canvas"),
        |w| w.view.workloads.objects.as_mut().unwrap().retain(|object| object["metadata"]["name"] != "stranger"),
    ),
    (
        "workload-ready",
        |w| w.set_workload_field("canvas", "status.readyReplicas", json!(1)),
        |w| w.set_workload_field("stranger", "status.readyReplicas", json!(1)),
    ),
    (
        "pod-failing",
        |w| w.set_workload_field("canvas-7d9f-a", "status.containerStatuses", waiting_containers("CrashLoopBackOff")),
        |w| w.set_workload_field("canvas-7d9f-a", "status.containerStatuses", waiting_containers("ContainerCreating")),
    ),
    (
        "pvc-bound",
        |w| w.set_workload_field("data-db-0", "status.phase", json!("Pending")),
        |w| w.set_workload_field("stranger-0", "status.phase", json!("Pending")),
    ),
    (
        "job-failed",
        |w| w.set_workload_field("seed", "status.conditions.0.type", json!("Failed")),
        |w| w.set_workload_field("seed", "status.conditions", json!([])),
    ),
    (
        "release-manifest-served",
        |w| w.append_manifest("---\napiVersion: apps/v1beta2\nkind: Deployment\nmetadata: {name: old}\n"),
        |w| w.append_manifest("---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {name: other}\n"),
    ),
    (
        "release-objects-present",
        |w| {
            drop(
                w.health_inputs
                    .object_metadata
                    .insert(crate::model::health_inputs::secrets_path(RELEASE_NAMESPACE), Ok(Vec::new())),
            );
        },
        |w| w.view.workloads.objects.as_mut().unwrap().retain(|object| object["metadata"]["name"] != "canvas"),
    ),
    (
        "release-workloads",
        |w| {
            let mut older = w.newest_record("mural").clone();
            (older.revision, older.chart_version) = (2, "1.0.0".into());
            w.view.releases.get_mut("mural").unwrap().as_mut().unwrap().insert(0, older);
            w.newest_record("mural").manifest =
                Hidden::new("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: all}\n".into());
        },
        // A newer CRD chart may drop its conversion webhook.
        |w| {
            let mut older = w.newest_record("mural-crds").clone();
            older.revision = 2;
            older.manifest = Hidden::new("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: convert}\n".into());
            w.view.releases.get_mut("mural-crds").unwrap().as_mut().unwrap().insert(0, older);
        },
    ),
    (
        "rollout-held",
        |w| w.set_workload_field("canvas", "spec.paused", json!(true)),
        |w| {
            w.set_workload_field("db", "spec.updateStrategy", json!({"type": "OnDelete"}));
            w.set_workload_field("stranger", "spec.paused", json!(true));
        },
    ),
    (
        "release-upgrade-deletions",
        |w| w.expectations.app_chart.as_mut().unwrap().objects.retain(|object| object.kind != "CronJob"),
        |w| {
            w.append_manifest(
                "---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: hubs.x}\n",
            );
            w.set_crd_field("metadata.annotations", json!({"helm.sh/resource-policy": "keep"}));
        },
    ),
    (
        "release-values",
        |w| {
            w.expectations.values =
                Some(Hidden::new(json!({"global": {"metrics": {"timeout": "30s"}}, "password": "canary"})));
        },
        |w| {
            w.expectations.values =
                Some(Hidden::new(json!({"password": "canary", "global": {"metrics": {"timeout": "10s"}}})));
        },
    ),
    (
        "release-chart-digest",
        |w| w.newest_record("mural").description = "mural upgrade, digest sha256:other".into(),
        |w| {
            w.newest_record("mural").description = "mural upgrade, digest sha256:other".into();
            w.newest_record("mural").chart_version = "1.0.0".into();
        },
    ),
    (
        "crd-matches-chart",
        |w| {
            w.set_crd_field(
                "spec.versions.0.schema",
                json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object"}}}}),
            );
        },
        |w| w.set_crd_field("metadata.annotations", json!({"note": "ours"})),
    ),
    (
        "crd-schema-served",
        |w| w.set_published(PublishedSchema::Missing),
        |w| {
            w.set_published(PublishedSchema::Missing);
            w.set_crd_field("spec.versions.1.served", json!(false));
        },
    ),
    (
        "crd-objects-fit",
        |w| {
            w.object_report().invalid_examples = vec![InvalidObject {
                object: "Hub a/b".into(),
                reason: "spec.size: too small".into(),
                blocks_all_writes: true,
            }];
        },
        |w| w.object_report().checked_count = 0,
    ),
    ("crd-version-in-use", |w| w.add_manager_version("v1alpha0"), |w| w.add_manager_version("v1alpha1")),
    (
        "crd-in-two-charts",
        |w| w.newest_record("mural").crd_names = vec!["hubs.x".into()],
        |w| w.newest_record("mural").crd_names = vec!["others.x".into()],
    ),
    (
        "crd-foreign-owner",
        |w| {
            w.set_crd_field(
                "metadata.annotations",
                json!({"meta.helm.sh/release-name": "flux", "meta.helm.sh/release-namespace": "flux-system"}),
            );
        },
        |w| {
            w.set_crd_field(
                "metadata.annotations",
                json!({"meta.helm.sh/release-name": "mural-crds", "meta.helm.sh/release-namespace": RELEASE_NAMESPACE}),
            );
        },
    ),
    (
        "workload-scaled",
        |w| w.set_workload_field("canvas", "spec.replicas", json!(0)),
        |w| w.set_workload_field("canvas", "spec.replicas", json!(1)),
    ),
    (
        "flux-controllers-ready",
        |w| w.flux_view().controllers = Ok(Vec::new()),
        // A controller that no HelmRelease needs has no ready pod.
        |w| {
            let controllers = w.flux_view().controllers.as_mut().unwrap();
            let mut other = controllers[0].clone();
            set_field(&mut other, "metadata.name", json!("image-automation-controller"));
            set_field(&mut other, "status.readyReplicas", json!(0));
            controllers.push(other);
        },
    ),
    (
        "flux-suspended",
        |w| w.set_app_helm_release("spec.suspend", json!(true)),
        |w| w.set_app_helm_release("spec.suspend", json!(false)),
    ),
    (
        "flux-source-ready",
        |w| w.set_source_field("status.conditions.0.status", json!("False")),
        |w| w.set_source_field("status.conditions.0.message", json!("")),
    ),
    (
        "flux-source-version",
        |w| w.set_source_field("spec.ref.digest", json!("sha256:2")),
        |w| w.set_source_field("spec.ref", json!({"tag": "1.1.0-rc.3", "digest": "sha256:1"})),
    ),
    (
        "flux-release-ready",
        |w| w.set_app_helm_release("metadata.generation", json!(8)),
        |w| w.set_app_helm_release("status.history", upgrade_history()),
    ),
    (
        "flux-revision",
        |w| w.set_source_field("status.artifact.revision", json!("1.1.0-rc.4@sha256:2")),
        |w| w.set_source_field("status.artifact.revision", json!("v1.1.0-rc.3@sha256:1")),
    ),
    (
        "flux-release-crds-policy",
        |w| w.set_crds_helm_release("spec.upgrade", json!({})),
        |w| w.set_crds_helm_release("spec.install", json!({})),
    ),
    (
        "flux-depends-on",
        |w| w.set_app_helm_release("spec.dependsOn", json!([{"name": "other"}])),
        |w| {
            w.set_app_helm_release(
                "spec.dependsOn",
                json!([{"name": "other"}, {"name": "mural-crds", "namespace": RELEASE_NAMESPACE}]),
            );
        },
    ),
    (
        "restarts-since-upgrade",
        |w| {
            w.set_workload_field(
                "canvas-7d9f-a",
                "status.containerStatuses.0",
                restarted_container("2026-11-21T10:00:00Z"),
            );
        },
        |w| {
            w.set_workload_field(
                "canvas-7d9f-a",
                "status.containerStatuses.0",
                restarted_container("2026-11-19T10:00:00Z"),
            );
        },
    ),
    (
        "pod-unmanaged",
        |w| w.view.workloads.pods.as_mut().unwrap().push(unmanaged_pod()),
        |w| {
            drop(
                w.health_inputs
                    .other_namespaces
                    .insert("mural-other".into(), Workloads::new(Ok(Vec::new()), Ok(vec![unmanaged_pod()]))),
            );
        },
    ),
    ("webhook-service", |w| w.set_backend(false, 0), |w| w.set_backend(true, 0)),
    ("webhook-endpoints", |w| w.set_backend(true, 0), |w| w.set_backend(true, 1)),
    (
        "webhook-ca",
        |w| w.set_webhook_field("clientConfig.caBundle", json!("bm90aGluZw==")),
        |w| w.set_webhook_field("clientConfig", json!({"url": "https://hook.example.com"})),
    ),
    (
        "webhook-deadlock",
        |w| w.set_webhook_field("rules", pod_creation_rules()),
        |w| {
            w.set_webhook_field("rules", pod_creation_rules());
            let outside =
                json!([{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": [RELEASE_NAMESPACE]}]);
            w.set_webhook_field("namespaceSelector", json!({"matchExpressions": outside}));
        },
    ),
    (
        "managed-cluster-available",
        |w| w.set_cluster_field("status.conditions.1.status", json!("Unknown")),
        |w| w.set_cluster_field("status.conditions.1.message", json!("")),
    ),
    (
        "agent-lease",
        |w| w.set_lease_field("spec.renewTime", json!("2026-11-23T07:08:00Z")),
        |w| w.set_lease_field("spec.renewTime", json!("2026-11-23T07:09:00Z")),
    ),
    (
        "hub-and-spoke-ready",
        |w| w.set_hub_field("status.phase", json!("Unhealthy")),
        |w| w.set_hub_field("status", json!({})),
    ),
    (
        "tenant-role-drift",
        |w| w.health_inputs.role_templates.as_mut().unwrap().push(role_template("tenant-b", "- verbs: [list]\n")),
        |w| w.health_inputs.role_templates.as_mut().unwrap().push(role_template("tenant-b", "-  verbs:\n   - get\n")),
    ),
    (
        "restart-required",
        |w| w.set_secret_write("dex", "kubectl-edit", "2026-11-21T10:00:00Z"),
        |w| w.set_secret_write("dex", "kubectl-edit", "2026-11-20T10:00:59Z"),
    ),
];
