//! What stands around the small healthy installation.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::model::admission_policies::ServiceRef;
use crate::model::certificate::tests::sample_ca_bundle;
use crate::model::cluster_view::Workloads;
use crate::model::flux::{FluxRef, FluxSource, FluxView, HelmRelease};
use crate::model::health_inputs::{
    HealthInputs, ManagedClusters, ObjectScan, PublishedSchema, WebhookBackend, config_maps_path, secrets_path,
};
use crate::model::served_kinds::ServedKinds;

pub(super) const RELEASE_NAMESPACE: &str = "mural-system";

pub(super) fn hue_service() -> ServiceRef {
    ServiceRef { namespace: RELEASE_NAMESPACE.into(), name: "hue".into() }
}

fn object_metadata(name: &str) -> Value {
    let written = json!([{"manager": "helm", "time": "2026-11-20T10:00:00Z", "fieldsV1": {"f:data": {}}}]);
    json!({"metadata": {"name": name, "managedFields": written}})
}

pub(super) fn health_inputs() -> HealthInputs {
    let names = [
        (secrets_path(RELEASE_NAMESPACE), vec![object_metadata("dex")]),
        (config_maps_path(RELEASE_NAMESPACE), vec![object_metadata("mural-project-rbac-viewer")]),
        (
            "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations".to_owned(),
            vec![object_metadata("hue-admission")],
        ),
        (format!("/apis/batch/v1/namespaces/{RELEASE_NAMESPACE}/cronjobs"), vec![object_metadata("nightly")]),
        ("/api/v1/namespaces/mural-other/services".to_owned(), vec![object_metadata("far")]),
    ];
    let streamed = ObjectScan {
        checked_count: 3,
        manager_versions: BTreeMap::from([(("v1beta1".into(), "kubectl".into()), 3)]),
        ..ObjectScan::default()
    };
    let published =
        ["v1beta1", "v1alpha1"].map(|version| (("hubs.x".to_owned(), version.to_owned()), PublishedSchema::Same));
    HealthInputs {
        kinds: Ok(kinds()),
        other_namespaces: BTreeMap::from([("mural-other".to_owned(), Workloads::new(Ok(Vec::new()), Ok(Vec::new())))]),
        object_metadata: names.into_iter().map(|(folder, all)| (folder, Ok(all))).collect(),
        webhooks: Ok(vec![webhook_configuration()]),
        backends: BTreeMap::from([(hue_service(), Ok(WebhookBackend { exists: true, ready_endpoints: 2 }))]),
        namespace_labels: Ok(BTreeMap::from([(
            "kubernetes.io/metadata.name".to_owned(),
            RELEASE_NAMESPACE.to_owned(),
        )])),
        published_schemas: Ok(published.into_iter().collect()),
        object_scans: Ok(Some(BTreeMap::from([("hubs.x".to_owned(), streamed)]))),
        managed_clusters: spokes(),
        last_run: Ok(None),
        role_templates: Ok(vec![
            role_template(RELEASE_NAMESPACE, "- verbs: [get]\n"),
            role_template("tenant-a", "# ours\n-   verbs: [ get ]\n"),
        ]),
    }
}

pub(super) fn role_template(namespace: &str, rules: &str) -> Value {
    json!({"metadata": {"namespace": namespace, "name": "mural-project-rbac-viewer"}, "data": {"rules.yaml": rules}})
}

fn webhook_configuration() -> Value {
    json!({"kind": "ValidatingWebhookConfiguration", "metadata": {"name": "hue-admission"}, "webhooks": [{
        "name": "validating.hue", "failurePolicy": "Fail",
        "clientConfig": {"service": {"namespace": RELEASE_NAMESPACE, "name": "hue"}, "caBundle": sample_ca_bundle()},
        "rules": [{"apiGroups": ["x"], "resources": ["*"], "operations": ["CREATE", "UPDATE"]}]}]})
}

/// Flux as it would make both releases.
pub(super) fn flux_view() -> FluxView {
    let ready = || json!([{"type": "Ready", "status": "True", "reason": "Succeeded", "message": "m"}]);
    let helm_release = |name: &str, version: &str, spec: Value| {
        let mut one = json!({"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "metadata": {"name": name, "namespace": RELEASE_NAMESPACE, "generation": 7}, "spec": spec,
            "status": {"observedGeneration": 7, "conditions": ready(), "history": [{"version": 3, "chartVersion": version, "status": "deployed", "ociDigest": "sha256:1"}]}});
        one["spec"]["chartRef"] = json!({"kind": "OCIRepository", "name": name});
        HelmRelease::new(one)
    };
    let source = |name: &str, version: &str| {
        let one = json!({"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "OCIRepository", "metadata": {"name": name, "namespace": RELEASE_NAMESPACE, "generation": 2},
            "spec": {"url": format!("oci://example.com/{name}"), "ref": {"semver": version}},
            "status": {"observedGeneration": 2, "conditions": ready(), "artifact": {"revision": format!("{version}@sha256:1")}}});
        (FluxRef::new("OCIRepository", RELEASE_NAMESPACE, name), Ok(Some(FluxSource::new(one))))
    };
    let controller = |name: &str| {
        let status = json!({"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1, "conditions": [{"type": "Available", "status": "True"}]});
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "flux-system", "generation": 1}, "spec": {"replicas": 1}, "status": status})
    };
    let helm_releases = [
        helm_release("mural-crds", "0.7.4", json!({"upgrade": {"crds": "CreateReplace"}})),
        helm_release("mural", "1.1.0-rc.3", json!({"dependsOn": [{"name": "mural-crds"}]})),
    ];
    FluxView {
        helm_releases: Ok(helm_releases.into()),
        sources: BTreeMap::from([source("mural-crds", "0.7.4"), source("mural", "1.1.0-rc.3")]),
        controllers: Ok(vec![controller("source-controller"), controller("helm-controller")]),
        registries: Ok(Vec::new()),
    }
}

fn spokes() -> ManagedClusters {
    let condition = |kind: &str| json!({"type": kind, "status": "True", "reason": "R", "message": "m"});
    let cluster = json!({"apiVersion": "cluster.open-cluster-management.io/v1", "kind": "ManagedCluster", "metadata": {"name": "edge-1"},
        "spec": {"hubAcceptsClient": true}, "status": {"conditions": [condition("ManagedClusterJoined"), condition("ManagedClusterConditionAvailable")]}});
    let lease = json!({"metadata": {"namespace": "edge-1", "name": "managed-cluster-lease"}, "spec": {"renewTime": "2026-11-23T07:13:00Z"}});
    let fleet = |kind: &str| json!({"apiVersion": "fleetconfig.open-cluster-management.io/v1beta1", "kind": kind, "metadata": {"name": "one", "namespace": RELEASE_NAMESPACE}, "status": {"phase": "Running"}});
    ManagedClusters {
        clusters: Ok(Some(vec![cluster])),
        hubs: Ok(Some(vec![fleet("Hub")])),
        spokes: Ok(Some(vec![fleet("Spoke")])),
        leases: Ok(Some(vec![lease])),
    }
}

fn kinds() -> ServedKinds {
    let kind = |plural: &str, kind: &str, scope: &str| json!({"resource": plural, "scope": scope, "responseKind": {"kind": kind}});
    let group = |name: &str, version: &str, resources: &[Value]| json!({"metadata": {"name": name}, "versions": [{"version": version, "resources": resources}]});
    let space = "Namespaced";
    let groups = [
        group(
            "",
            "v1",
            &[
                kind("secrets", "Secret", space),
                kind("configmaps", "ConfigMap", space),
                kind("services", "Service", space),
            ],
        ),
        group("apps", "v1", &[kind("deployments", "Deployment", space), kind("statefulsets", "StatefulSet", space)]),
        group("batch", "v1", &[kind("jobs", "Job", space), kind("cronjobs", "CronJob", space)]),
        group(
            "admissionregistration.k8s.io",
            "v1",
            &[kind("validatingwebhookconfigurations", "ValidatingWebhookConfiguration", "Cluster")],
        ),
    ];
    ServedKinds::read(&[json!({"kind": "APIGroupDiscoveryList", "items": groups})]).unwrap()
}
