//! The examples: what fires each check, and what nearly does.

use std::collections::BTreeMap;

use jiff::Timestamp;
use semver::Version;
use serde_json::{Value, json};

use super::Example;
use super::around::{OWN, hue, role};
use super::world::{World, set, stranger};
use crate::model::flux::{FluxObject, FluxRef, FluxView, HelmRelease, Source};
use crate::model::owner::Owner;
use crate::model::secret::Hidden;
use crate::model::view::Workloads;
use crate::model::vitals::{Backend, Misfit, Published, Streamed};

fn flux() -> Owner {
    Owner::Flux { helm_release: "mural-system/mural".into(), kept_in_git: false }
}

pub(super) fn waiting(reason: &str) -> serde_json::Value {
    json!([{"name": "main", "restartCount": 7, "state": {"waiting": {"reason": reason, "message": "registry/canvas:1.1.0-rc.3: not found"}}}])
}

fn says(kind: &str, status: &str) -> serde_json::Value {
    json!({"type": kind, "status": status, "reason": "R", "message": "m"})
}

pub(super) const EXAMPLES: [Example; 53] = [
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
    ("server-version", |w| w.view.hub.version = "v1.30.9".into(), |w| w.view.hub.version = "v1.31+".into()),
    ("namespace-exists", |w| w.view.hub.namespace_exists = Ok(false), |_| {}),
    (
        "owner-found",
        |w| drop(w.view.owners.insert("mural".into(), Owner::Nobody)),
        |w| drop(w.view.owners.insert("mural".into(), flux())),
    ),
    (
        "owner-same",
        |w| drop(w.view.owners.insert("mural".into(), flux())),
        |w| {
            w.view.owners.insert("mural".into(), flux());
            w.view.owners.insert("mural-crds".into(), flux());
        },
    ),
    ("release-present", |w| drop(w.view.releases.insert("mural".into(), Ok(Vec::new()))), |_| {}),
    (
        "release-deployed",
        |w| w.record("mural").status = "pending-upgrade".into(),
        |w| {
            let mut old = w.record("mural").clone();
            (old.revision, old.status) = (2, "failed".into());
            w.view.releases.get_mut("mural").unwrap().as_mut().unwrap().insert(0, old);
        },
    ),
    (
        "release-version",
        |w| w.record("mural").chart_version = "1.1.0-rc.0".into(),
        |w| w.record("mural").chart_version = "v1.1.0-rc.3+7".into(),
    ),
    ("release-record-size", |w| w.record("mural").size = 1_040_000, |w| w.record("mural").size = 900_000),
    (
        "crd-present",
        |w| w.record("mural-crds").crds.push("tenants.x".into()),
        |w| {
            let more = w.view.crds.as_ref().unwrap()["hubs.x"].clone();
            w.view.crds.as_mut().unwrap().insert("tenants.x".into(), more);
        },
    ),
    (
        "crd-established",
        |w| w.crd("status.conditions.1", says("Established", "False")),
        |w| w.crd("status.conditions.1.message", json!("")),
    ),
    (
        "crd-names-accepted",
        |w| w.crd("status.conditions.0", says("NamesAccepted", "False")),
        |w| w.crd("status.conditions.0.reason", json!("Other")),
    ),
    (
        "crd-structural",
        |w| w.crd("status.conditions", json!([says("NonStructuralSchema", "True")])),
        |w| w.crd("status.conditions", json!([says("NonStructuralSchema", "False")])),
    ),
    (
        "crd-stored-versions",
        |w| w.crd("status.storedVersions", json!(["v1alpha1", "v1beta1"])),
        |w| w.crd("spec.versions.1.served", json!(false)),
    ),
    (
        "crd-terminating",
        |w| w.crd("metadata.deletionTimestamp", json!("2026-11-23T07:00:00Z")),
        |w| w.crd("metadata.finalizers", json!(["a/b"])),
    ),
    (
        "workload-present",
        |w| w.view.workloads.owners.as_mut().unwrap().retain(|object| object["metadata"]["name"] != "canvas"),
        |w| w.view.workloads.owners.as_mut().unwrap().retain(|object| object["metadata"]["name"] != "stranger"),
    ),
    (
        "workload-ready",
        |w| w.live("canvas", "status.readyReplicas", json!(1)),
        |w| w.live("stranger", "status.readyReplicas", json!(1)),
    ),
    (
        "pod-trouble",
        |w| w.live("canvas-7d9f-a", "status.containerStatuses", waiting("CrashLoopBackOff")),
        |w| w.live("canvas-7d9f-a", "status.containerStatuses", waiting("ContainerCreating")),
    ),
    (
        "claim-bound",
        |w| w.live("data-db-0", "status.phase", json!("Pending")),
        |w| w.live("stranger-0", "status.phase", json!("Pending")),
    ),
    (
        "job-failed",
        |w| w.live("seed", "status.conditions.0.type", json!("Failed")),
        |w| w.live("seed", "status.conditions", json!([])),
    ),
    (
        "release-manifest-served",
        |w| w.manifest("---\napiVersion: apps/v1beta2\nkind: Deployment\nmetadata: {name: old}\n"),
        |w| w.manifest("---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {name: other}\n"),
    ),
    (
        "release-objects-present",
        |w| drop(w.vitals.names.insert(crate::model::vitals::secrets_of(OWN), Ok(Vec::new()))),
        |w| w.view.workloads.owners.as_mut().unwrap().retain(|object| object["metadata"]["name"] != "canvas"),
    ),
    (
        "release-next-upgrade",
        |w| w.expect.app_chart.as_mut().unwrap().objects.retain(|object| object.kind != "CronJob"),
        |w| {
            w.manifest(
                "---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: hubs.x}\n",
            );
            w.crd("metadata.annotations", json!({"helm.sh/resource-policy": "keep"}));
        },
    ),
    (
        "release-values",
        |w| {
            w.expect.values =
                Some(Hidden::new(json!({"global": {"metrics": {"timeout": "30s"}}, "password": "canary"})));
        },
        |w| {
            w.expect.values =
                Some(Hidden::new(json!({"password": "canary", "global": {"metrics": {"timeout": "10s"}}})));
        },
    ),
    (
        "release-chart-digest",
        |w| w.record("mural").description = "mural upgrade, digest sha256:other".into(),
        |w| {
            w.record("mural").description = "mural upgrade, digest sha256:other".into();
            w.record("mural").chart_version = "1.0.0".into();
        },
    ),
    (
        "crd-content",
        |w| {
            w.crd(
                "spec.versions.0.schema",
                json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object"}}}}),
            );
        },
        |w| w.crd("metadata.annotations", json!({"note": "ours"})),
    ),
    (
        "crd-schema-served",
        |w| w.published(Published::Missing),
        |w| {
            w.published(Published::Missing);
            w.crd("spec.versions.1.served", json!(false));
        },
    ),
    (
        "crd-objects-fit",
        |w| {
            w.streamed().misfits =
                vec![Misfit { object: "Hub a/b".into(), why: "spec.size: too small".into(), stuck: true }];
        },
        |w| w.streamed().looked_at = 0,
    ),
    ("crd-version-named", |w| w.names_version("v1alpha0"), |w| w.names_version("v1alpha1")),
    (
        "crd-in-two-charts",
        |w| w.record("mural").crds = vec!["hubs.x".into()],
        |w| w.record("mural").crds = vec!["others.x".into()],
    ),
    (
        "crd-foreign-owner",
        |w| {
            w.crd(
                "metadata.annotations",
                json!({"meta.helm.sh/release-name": "flux", "meta.helm.sh/release-namespace": "flux-system"}),
            );
        },
        |w| {
            w.crd(
                "metadata.annotations",
                json!({"meta.helm.sh/release-name": "mural-crds", "meta.helm.sh/release-namespace": OWN}),
            );
        },
    ),
    (
        "workload-scaled",
        |w| w.live("canvas", "spec.replicas", json!(0)),
        |w| w.live("canvas", "spec.replicas", json!(1)),
    ),
    ("flux-controllers-run", |w| w.flux().controllers = Ok(Vec::new()), |_| {}),
    (
        "flux-suspended",
        |w| w.helm_release("spec.suspend", json!(true)),
        |w| w.helm_release("spec.suspend", json!(false)),
    ),
    (
        "flux-source-ready",
        |w| w.source("status.conditions.0.status", json!("False")),
        |w| w.source("status.conditions.0.message", json!("")),
    ),
    (
        "flux-source-version",
        |w| w.source("spec.ref.digest", json!("sha256:1")),
        |w| w.source("spec.ref", json!({"tag": "1.1.0-rc.3"})),
    ),
    (
        "flux-release-ready",
        |w| w.helm_release("metadata.generation", json!(8)),
        |w| w.helm_release("status.history", deployed_after_another()),
    ),
    (
        "flux-revision",
        |w| w.source("status.artifact.revision", json!("1.1.0-rc.4@sha256:2")),
        |w| w.source("status.artifact.revision", json!("v1.1.0-rc.3@sha256:1")),
    ),
    ("flux-crds-policy", |w| w.crds_release("spec.upgrade", json!({})), |w| w.crds_release("spec.install", json!({}))),
    (
        "flux-ordering",
        |w| w.helm_release("spec.dependsOn", json!([{"name": "other"}])),
        |w| w.helm_release("spec.dependsOn", json!([{"name": "other"}, {"name": "mural-crds", "namespace": OWN}])),
    ),
    (
        "restarts-since-upgrade",
        |w| w.live("canvas-7d9f-a", "status.containerStatuses.0", restarted("2026-11-21T10:00:00Z")),
        |w| w.live("canvas-7d9f-a", "status.containerStatuses.0", restarted("2026-11-19T10:00:00Z")),
    ),
    (
        "pod-foreign",
        |w| w.view.workloads.pods.as_mut().unwrap().push(stranger()),
        |w| {
            drop(
                w.vitals
                    .elsewhere
                    .insert("mural-other".into(), Workloads { owners: Ok(Vec::new()), pods: Ok(vec![stranger()]) }),
            );
        },
    ),
    ("webhook-service", |w| w.backend(false, 0), |w| w.backend(true, 0)),
    ("webhook-endpoints", |w| w.backend(true, 0), |w| w.backend(true, 1)),
    (
        "webhook-ca",
        |w| w.webhook("clientConfig.caBundle", json!("bm90aGluZw==")),
        |w| w.webhook("clientConfig", json!({"url": "https://hook.example.com"})),
    ),
    (
        "webhook-failure-policy",
        |w| w.webhook("rules", on_pods()),
        |w| {
            w.webhook("rules", on_pods());
            let outside = json!([{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": [OWN]}]);
            w.webhook("namespaceSelector", json!({"matchExpressions": outside}));
        },
    ),
    (
        "managed-cluster-available",
        |w| w.cluster("status.conditions.1.status", json!("Unknown")),
        |w| w.cluster("status.conditions.1.message", json!("")),
    ),
    (
        "agent-lease",
        |w| w.lease("spec.renewTime", json!("2026-11-23T07:08:00Z")),
        |w| w.lease("spec.renewTime", json!("2026-11-23T07:09:00Z")),
    ),
    ("hub-and-spoke-ready", |w| w.hub("status.phase", json!("Unhealthy")), |w| w.hub("status", json!({}))),
    (
        "tenant-role-copy",
        |w| w.vitals.templates.as_mut().unwrap().push(role("tenant-b", "- verbs: [list]\n")),
        |w| w.vitals.templates.as_mut().unwrap().push(role("tenant-b", "-  verbs:\n   - get\n")),
    ),
    (
        "restart-due",
        |w| w.written("dex", "kubectl-edit", "2026-11-21T10:00:00Z"),
        |w| w.written("dex", "kubectl-edit", "2026-11-20T10:00:59Z"),
    ),
];

fn restarted(at: &str) -> Value {
    json!({"name": "main", "ready": true, "restartCount": 2, "state": {"running": {"startedAt": at}},
        "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "finishedAt": at}}})
}

fn deployed_after_another() -> Value {
    let one = |version: u64, chart: &str, status: &str| json!({"version": version, "chartVersion": chart, "status": status, "ociDigest": "sha256:1"});
    json!([one(3, "1.1.0-rc.3", "deployed"), one(2, "1.1.0-rc.0", "superseded")])
}

fn on_pods() -> Value {
    json!([{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}])
}

impl World {
    /// Adds to the manifest of the application.
    fn manifest(&mut self, more: &str) {
        let record = self.record("mural");
        record.manifest = Hidden::new(format!("{}{more}", record.manifest.reveal()));
    }

    fn flux(&mut self) -> &mut FluxView {
        &mut self.view.flux
    }

    fn helm_release(&mut self, at: &str, value: Value) {
        self.made(1, at, value);
    }

    fn crds_release(&mut self, at: &str, value: Value) {
        self.made(0, at, value);
    }

    fn made(&mut self, which: usize, at: &str, value: Value) {
        let all = self.flux().helm_releases.as_mut().unwrap();
        let mut json = all[which].json().clone();
        set(&mut json, at, value);
        all[which] = HelmRelease::new(json);
    }

    /// Changes the application's source.
    fn source(&mut self, at: &str, value: Value) {
        let named = FluxRef::new("OCIRepository", OWN, "mural");
        let mut json = self.view.flux.source(&named).unwrap().json().clone();
        set(&mut json, at, value);
        self.view.flux.sources.insert(named, Ok(Some(Source::new(json))));
    }

    fn published(&mut self, published: Published) {
        self.vitals.published.as_mut().unwrap().insert(("hubs.x".into(), "v1alpha1".into()), published);
    }

    fn streamed(&mut self) -> &mut Streamed {
        self.vitals.streamed.as_mut().unwrap().as_mut().unwrap().get_mut("hubs.x").unwrap()
    }

    fn names_version(&mut self, version: &str) {
        self.streamed().named.insert((version.to_owned(), "old-tool".to_owned()), 2);
    }

    fn backend(&mut self, exists: bool, ready: usize) {
        self.vitals.backends = BTreeMap::from([(hue(), Ok(Backend { exists, ready }))]);
    }

    fn webhook(&mut self, at: &str, value: Value) {
        set(&mut self.vitals.webhooks.as_mut().unwrap()[0], &format!("webhooks.0.{at}"), value);
    }

    fn cluster(&mut self, at: &str, value: Value) {
        set(&mut self.vitals.spokes.clusters.as_mut().unwrap().as_mut().unwrap()[0], at, value);
    }

    fn lease(&mut self, at: &str, value: Value) {
        set(&mut self.vitals.spokes.leases.as_mut().unwrap().as_mut().unwrap()[0], at, value);
    }

    fn hub(&mut self, at: &str, value: Value) {
        set(&mut self.vitals.spokes.hubs.as_mut().unwrap().as_mut().unwrap()[0], at, value);
    }

    /// Somebody wrote the Secret.
    pub(super) fn written(&mut self, name: &str, manager: &str, at: &str) {
        let written = json!([{"manager": manager, "time": at, "fieldsV1": {"f:data": {}}}]);
        assert!(at.parse::<Timestamp>().is_ok());
        let secret = json!({"metadata": {"name": name, "managedFields": written}});
        self.vitals.names.insert(crate::model::vitals::secrets_of(OWN), Ok(vec![secret]));
    }
}
