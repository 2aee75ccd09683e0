//! A small healthy installation, to be broken in one place by each example.

use std::collections::BTreeMap;

use semver::Version;
use serde_json::{Value, json};

use crate::ask::expect::{Expectations, ExpectedChart};
use crate::ask::{ClusterAccess, Installation};
use crate::checks::check_context::CheckContext;
use crate::checks::health_check::HealthCheck;
use crate::checks::health_checks::run_checks;
use crate::model::chart::{Digest, DigestKind};
use crate::model::check::CheckResult;
use crate::model::cluster_view::{ClusterInfo, ClusterView, ReadFailure, Workloads};
use crate::model::crd::Crd;
use crate::model::flux::FluxView;
use crate::model::health_inputs::HealthInputs;
use crate::model::object::ObjectRef;
use crate::model::owner::Owner;
use crate::model::release::ReleaseRecord;
use crate::model::release_inventory::ReleaseInventory;
use crate::model::secret::Hidden;
use crate::model::tool_versions::ToolVersions;

use super::cluster_fixtures;

pub(crate) struct ExampleInstallation {
    pub(crate) installation: Installation,
    pub(crate) view: ClusterView,
    pub(crate) health_inputs: HealthInputs,
    pub(crate) tools: ToolVersions,
    pub(crate) expectations: Expectations,
}

const APP_MANIFEST: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: canvas}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: mural-system}
---
apiVersion: batch/v1
kind: Job
metadata: {name: seed}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
---
apiVersion: v1
kind: Secret
metadata: {name: dex}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: mural-project-rbac-viewer}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: hue-admission}
---
apiVersion: v1
kind: Service
metadata: {name: far, namespace: mural-other}
";

/// What the application's chart is made of, as far as anybody looks.
pub(crate) const APP_CHART_DIGEST: &str = "sha256:a7cee0b57c95";

impl ExampleInstallation {
    pub(crate) fn healthy() -> Self {
        Self {
            installation: Installation {
                namespace: "mural-system".into(),
                crds_release: "mural-crds".into(),
                app_release: "mural".into(),
                cluster: ClusterAccess::default(),
            },
            view: healthy_view(),
            health_inputs: cluster_fixtures::health_inputs(),
            tools: ToolVersions { helm: Ok(Version::new(3, 19, 0)), kubectl: Ok(Version::new(1, 34, 1)) },
            expectations: Expectations {
                app_version: "1.1.0-rc.3".parse().ok(),
                crds_version: "0.7.4".parse().ok(),
                values: Some(Hidden::new(json!({"global": {"metrics": {"timeout": "10s"}}, "password": "canary"}))),
                app_chart: Some(expected_app_chart()),
                ..Expectations::default()
            },
        }
    }

    /// The same, where nothing could be looked at.
    pub(crate) fn unreadable() -> Self {
        let mut installation = Self::healthy();
        let no = || ReadFailure { target: "that".into(), reason: "forbidden".into() };
        installation.view.cluster.version.clear();
        installation.view.cluster.namespace_exists = Err(no());
        installation.view.crds = Err(no());
        installation.view.workloads = Workloads::new(Err(no()), Err(no()));
        for records in installation.view.releases.values_mut() {
            *records = Err(no());
        }
        for owner in installation.view.owners.values_mut() {
            *owner = Owner::Undetermined { reason: "forbidden".into() };
        }
        installation.health_inputs = HealthInputs::unavailable("forbidden");
        installation.view.flux = FluxView { helm_releases: Err(no()), ..FluxView::empty() };
        installation.tools = ToolVersions { helm: Err(no()), kubectl: Err(no()) };
        installation
    }

    /// What these checks say of it.
    pub(crate) fn run_checks(&self, checks: &[&HealthCheck]) -> Vec<CheckResult> {
        let now = "2026-11-23T07:13:22Z".parse().unwrap();
        let named = ReleaseInventory::of(&self.view, self.installation.releases(), self.expectations.chart_crds());
        let pair = (&self.view, &self.health_inputs);
        run_checks(&CheckContext::new(&self.installation, pair, &named, &self.tools, &self.expectations, now), checks)
    }

    pub(crate) fn newest_record(&mut self, release: &str) -> &mut ReleaseRecord {
        self.view.releases.get_mut(release).unwrap().as_mut().unwrap().last_mut().unwrap()
    }

    pub(crate) fn set_crd_field(&mut self, at: &str, value: Value) {
        let crds = self.view.crds.as_mut().unwrap();
        let mut json = crds["hubs.x"].json().clone();
        set_field(&mut json, at, value);
        crds.insert("hubs.x".into(), Crd::new(json).unwrap());
    }

    /// Another name for the managed cluster, which has not been accepted.
    pub(crate) fn set_cluster_name(&mut self, name: &str) {
        let cluster = &mut self.health_inputs.managed_clusters.clusters.as_mut().unwrap().as_mut().unwrap()[0];
        set_field(cluster, "metadata.name", json!(name));
        set_field(cluster, "spec.hubAcceptsClient", json!(false));
    }

    /// Sets a field of a live workload or pod.
    pub(crate) fn set_workload_field(&mut self, name: &str, at: &str, value: Value) {
        let workloads = &mut self.view.workloads;
        let all = workloads.objects.as_mut().unwrap().iter_mut().chain(workloads.pods.as_mut().unwrap());
        let object = all.into_iter().find(|object| object["metadata"]["name"] == name).unwrap();
        set_field(object, at, value);
    }
}

/// Sets a field, making the maps on the way.
pub(crate) fn set_field(object: &mut Value, at: &str, value: Value) {
    let mut here = object;
    for key in at.split('.') {
        here = match key.parse::<usize>() {
            Ok(index) => &mut here[index],
            Err(_) => &mut here[key],
        };
    }
    *here = value;
}

fn healthy_view() -> ClusterView {
    let hub = ClusterInfo {
        context: "prod-hub".into(),
        server: "https://hub.example:6443".into(),
        version: "v1.33.4".into(),
        uid: Ok("u-1".into()),
        user: Ok("ops".into()),
        namespace_exists: Ok(true),
        namespace: "mural-system".into(),
    };
    let crds = release_record("mural-crds", "0.7.4", "", vec!["hubs.x".into()]);
    ClusterView {
        cluster: hub,
        releases: BTreeMap::from([
            ("mural-crds".to_owned(), Ok(vec![crds])),
            ("mural".to_owned(), Ok(vec![release_record("mural", "1.1.0-rc.3", APP_MANIFEST, Vec::new())])),
        ]),
        owners: BTreeMap::from([("mural-crds".to_owned(), Owner::Helm), ("mural".to_owned(), Owner::Helm)]),
        crds: Ok(BTreeMap::from([("hubs.x".to_owned(), crd())])),
        workloads: Workloads::new(Ok(workloads()), Ok(pods())),
        flux: cluster_fixtures::flux_view(),
        applications: Ok(Vec::new()),
    }
}

fn expected_app_chart() -> ExpectedChart {
    let objects =
        crate::model::yaml::parse_documents(APP_MANIFEST, crate::model::yaml::ErrorDetail::LocationOnly).unwrap();
    ExpectedChart {
        reference: "oci://example.com/mural".into(),
        version: "1.1.0-rc.3".parse().unwrap(),
        digest: Digest { sha256: APP_CHART_DIGEST.into(), kind: DigestKind::Manifest },
        objects: objects.iter().filter_map(ObjectRef::from_manifest).collect(),
        crds: Vec::new(),
    }
}

fn release_record(name: &str, version: &str, manifest: &str, crds: Vec<String>) -> ReleaseRecord {
    let crd_documents = if crds.is_empty() { Vec::new() } else { vec![crd()] };
    ReleaseRecord {
        description: format!("mural upgrade, digest {APP_CHART_DIGEST}"),
        last_deployed: "2026-11-20T10:00:00Z".into(),
        manifest: Hidden::new(manifest.into()),
        config: Hidden::new(json!({"global": {"metrics": {"timeout": "10s"}}, "password": "canary"})),
        encoded_bytes: 120_000,
        crd_names: crds,
        crd_documents,
        ..ReleaseRecord::sample(name, version)
    }
}

fn crd() -> Crd {
    let condition =
        |kind: &str, reason: &str| json!({"type": kind, "status": "True", "reason": reason, "message": "fine"});
    Crd::new(json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "hubs.x"},
        "spec": {"group": "x", "scope": "Namespaced", "names": {"kind": "Hub", "plural": "hubs"}, "versions": [{"name": "v1beta1", "served": true, "storage": true}, {"name": "v1alpha1", "served": true, "storage": false}]},
        "status": {"storedVersions": ["v1beta1"],
            "conditions": [condition("NamesAccepted", "NoConflicts"), condition("Established", "InitialNamesAccepted")]}}))
    .unwrap()
}

fn object(version: &str, kind: &str, name: &str, owner: (&str, &str), spec: Value, status: Value) -> Value {
    let mut object = json!({"apiVersion": version, "kind": kind,
        "metadata": {"name": name, "namespace": "mural-system", "generation": 1, "labels": {}}});
    (object["spec"], object["status"]) = (spec, status);
    if !owner.0.is_empty() {
        object["metadata"]["ownerReferences"] = json!([{"kind": owner.0, "name": owner.1, "controller": true}]);
    }
    object
}

fn workloads() -> Vec<Value> {
    let none = ("", "");
    let ended = |kind: &str| json!({"startTime": "2026-11-20T10:00:00Z", "conditions": [{"type": kind, "status": "True", "reason": "BackoffLimitExceeded"}]});
    let rolled_out = json!({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2,
        "conditions": [{"type": "Available", "status": "True"}, {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}]});
    let one = json!({"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "currentReplicas": 1, "currentRevision": "a", "updateRevision": "a"});
    let templates = json!({"replicas": 1, "volumeClaimTemplates": [{"metadata": {"name": "data"}}]});
    let stranger = json!({"observedGeneration": 1, "replicas": 0});
    vec![
        object("apps/v1", "Deployment", "canvas", none, json!({"replicas": 2}), rolled_out),
        object("apps/v1", "StatefulSet", "db", none, templates, one),
        object("batch/v1", "Job", "seed", none, json!({}), ended("Complete")),
        object("batch/v1", "Job", "nightly-1", ("CronJob", "nightly"), json!({}), ended("Complete")),
        object("v1", "PersistentVolumeClaim", "data-db-0", none, json!({}), json!({"phase": "Bound"})),
        // Not of the releases: no check reads them.
        object("apps/v1", "Deployment", "stranger", none, json!({"replicas": 2}), stranger),
        object("batch/v1", "Job", "stranger-job", none, json!({}), ended("Failed")),
        object("v1", "PersistentVolumeClaim", "stranger-0", none, json!({}), json!({"phase": "Lost"})),
    ]
}

fn pods() -> Vec<Value> {
    let container = || json!([{"name": "main", "ready": true, "restartCount": 0, "state": {"running": {"startedAt": "2026-11-20T10:01:00Z"}}}]);
    let ready = || json!({"phase": "Running", "startTime": "2026-11-20T10:00:30Z", "conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": container()});
    let spec = || json!({"containers": [{"name": "main"}]});
    let mut canvas = object("v1", "Pod", "canvas-7d9f-a", ("ReplicaSet", "canvas-7d9f"), spec(), ready());
    canvas["metadata"]["labels"] = json!({"pod-template-hash": "7d9f"});
    canvas["spec"]["volumes"] = json!([{"name": "config", "secret": {"secretName": "dex"}}]);
    vec![
        canvas,
        object("v1", "Pod", "db-0", ("StatefulSet", "db"), spec(), ready()),
        object("v1", "Pod", "seed-x", ("Job", "seed"), spec(), json!({"phase": "Succeeded"})),
    ]
}

/// A pod that is stuck, of a Deployment that no release names.
pub(crate) fn unmanaged_pod() -> Value {
    let stuck = json!({"phase": "Pending", "containerStatuses": [{"name": "main", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "x"}}}]});
    object("v1", "Pod", "stranger-x", ("Deployment", "stranger"), json!({"containers": [{"name": "main"}]}), stuck)
}
