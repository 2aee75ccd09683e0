//! States of the guards' examples that no other test needs.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::application_guards::with_rollout;
use super::crd_guards::{FLUX, HUBS, modified_crd};
use super::flux_guards::object_mut;
use super::scenario::{GuardScenario, build_crd, release_record};
use crate::ask::OwnerMode;
use crate::checks::crd_changes::waivers::WaiverNote;
use crate::model::chart::ValuesSchemaError;
use crate::model::container_images::ImageAvailability;
use crate::model::content_bundle::ContentBundle;
use crate::model::crd::Crd;
use crate::model::dry_run::CrdDryRunResult;
use crate::model::metadata_keys::SUSPENDED_BY_ANNOTATION;
use crate::model::secret::Hidden;
use crate::plan::drift::{DriftItem, DriftSubject};
use crate::plan::journal::UnreadableRun;

/// The Flux objects of a test by their names.
type FluxObjects = BTreeMap<String, Value>;

pub(super) fn removed_crd() -> DriftItem {
    DriftItem { subject: DriftSubject::Crd("hubs.x".into()), change: "is gone".into(), hint: "" }
}

pub(super) fn owned_by_helm_in_flux_mode() -> GuardScenario {
    GuardScenario::with(|scenario| scenario.mode = OwnerMode::Flux)
}

/// A second HelmRelease, which installs this release.
pub(super) fn add_helm_release(all: &mut FluxObjects, release: &str) {
    let mut other = all["mural"].clone();
    (other["metadata"]["name"], other["spec"]["releaseName"]) = ("other".into(), release.into());
    all.insert("other".into(), other);
}

/// A run of the plugin suspended the HelmRelease of the application.
pub(super) fn suspend_by_run(all: &mut FluxObjects) {
    let release = object_mut(all, "mural");
    release["spec"]["suspend"] = true.into();
    release["metadata"]["annotations"] = json!({SUSPENDED_BY_ANNOTATION: "20261126-1"});
}

pub(super) fn set_ready(all: &mut FluxObjects, status: &str) {
    object_mut(all, "mural")["status"]["conditions"][0]["status"] = status.into();
}

/// The source-controller with so many ready pods.
pub(super) fn controller(ready: u64) -> Value {
    json!({"kind": "Deployment", "metadata": {"name": "source-controller", "namespace": "flux-system"},
        "status": {"readyReplicas": ready}})
}

/// A content bundle with the wanted application and this CRD chart.
pub(super) fn with_bundle(crds_version: &str) -> GuardScenario {
    let charts = [("mural", "1.1.0-rc.3"), ("mural-crds", crds_version)];
    let charts = charts.map(|(name, version)| (name.to_owned(), version.to_owned())).into();
    let bundle = ContentBundle { file_count: 2, charts, ..ContentBundle::default() };
    GuardScenario::with(|scenario| scenario.bundle = Some(Ok(bundle)))
}

pub(super) fn damaged_run() -> UnreadableRun {
    UnreadableRun { run: "20261123-0712".into(), reason: "no JSON".into(), from_newer_version: false }
}

/// The application's chart says which CRD chart it fits.
pub(super) fn with_expected_crds(version: &str) -> GuardScenario {
    GuardScenario::with(|scenario| {
        scenario.app_chart.annotations.insert("mural.spectrocloud.com/crds-version".into(), version.into());
    })
}

pub(super) fn with_record_size(bytes: usize) -> GuardScenario {
    GuardScenario::with(|scenario| scenario.record_sizes = vec![("mural".into(), Some(bytes))])
}

/// The CRDs that the CRD chart and the application's chart render to.
pub(super) fn with_chart_crds(crds: &[Crd], app: &[Crd]) -> GuardScenario {
    let manifests = |crds: &[Crd]| crds.iter().map(|crd| crd.json().clone()).collect();
    GuardScenario::with(|scenario| (scenario.rendered_crds, scenario.rendered_app) = (manifests(crds), manifests(app)))
}

/// The last CRD chart had a CRD that the next one has not.
pub(super) fn with_removed_crd(is_live: bool) -> GuardScenario {
    GuardScenario::with(|scenario| {
        let mut record = release_record("mural-crds", "0.7.1", "deployed", "");
        record.crd_names = vec![HUBS.into(), "old.example.com".into()];
        scenario.set_record(record);
        let old = is_live.then(|| ("old.example.com".to_owned(), build_crd("old.example.com", "v1")));
        scenario.view.crds.as_mut().unwrap().extend(old);
    })
}

pub(super) fn add_description(crd: &mut Value) {
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["description"] = "A hub.".into();
}

/// The live CRD with two versions and this status of its condition `StorageMigrating`.
pub(super) fn with_migration(status: &str) -> GuardScenario {
    let version = |name: &str| json!({"name": name, "served": true, "storage": name == "v1"});
    let live = modified_crd(HUBS, |json| {
        json["spec"]["versions"] = json!([version("v1"), version("v1beta1")]);
        json["status"] = json!({"conditions": [{"type": "StorageMigrating", "status": status}]});
    });
    GuardScenario::with(|scenario| scenario.view.crds = Ok(BTreeMap::from([(HUBS.to_owned(), live)])))
}

/// A CRD of Flux on the cluster and in the chart, labelled with the version of Flux.
pub(super) fn with_flux_crd_versions(live: &str, next: &str) -> GuardScenario {
    let labelled = |version: &str| {
        modified_crd(FLUX, |json| json["metadata"]["labels"] = json!({"app.kubernetes.io/version": version}))
    };
    let (live, next) = (labelled(live), labelled(next));
    GuardScenario::with(|scenario| {
        scenario.view.crds = Ok(BTreeMap::from([(FLUX.to_owned(), live)]));
        scenario.rendered_crds = vec![next.json().clone()];
        scenario.forecasts = BTreeMap::from([(FLUX.to_owned(), CrdDryRunResult::Accepted(next))]);
    })
}

/// The application brings a helm-controller; the CRDs are those of Flux 2.6.
pub(super) fn with_controller_image(image: &str) -> GuardScenario {
    let pods = json!({"spec": {"containers": [{"image": image}]}});
    GuardScenario::with(|scenario| {
        scenario.rendered_app = vec![json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "helm-controller"}, "spec": {"template": pods}})];
        for (name, version) in [(FLUX, "v2"), ("helmcharts.source.toolkit.fluxcd.io", "v1")] {
            scenario.forecasts.insert(name.into(), CrdDryRunResult::Accepted(build_crd(name, version)));
        }
    })
}

pub(super) fn hub(version: &str) -> Value {
    json!({"apiVersion": format!("example.com/{version}"), "kind": "Hub", "metadata": {"name": "h"}})
}

/// The stored manifest of the application has a CRD; the next one has these.
pub(super) fn with_crd_in_manifest(next: &[Crd]) -> GuardScenario {
    let manifest = build_crd(HUBS, "v1").json().to_string();
    let mut scenario = with_chart_crds(&[], next);
    scenario.set_record(release_record("mural", "1.1.0-rc.0", "deployed", &manifest));
    scenario
}

pub(super) fn unused_waiver() -> WaiverNote {
    WaiverNote { check: "waiver-unused", subject: "waiver of enum-changed".into(), message: "take it out".into() }
}

pub(super) fn refused_value() -> ValuesSchemaError {
    let message = "maxLength: got 5, want 4".to_owned();
    ValuesSchemaError { chart: "mural".into(), path: "password".into(), message }
}

/// The user sets `canvas.theme`, which the last chart has; these are the defaults of the next one.
pub(super) fn with_values(chart: &Value) -> GuardScenario {
    GuardScenario::with(|scenario| {
        let mut before = release_record("mural", "1.1.0-rc.0", "deployed", "");
        before.chart_values = Hidden::new(json!({"canvas": {"theme": "light"}}));
        scenario.set_record(before);
        scenario.app_chart.values = chart.clone();
        scenario.config = Hidden::new(json!({"canvas": {"theme": "dark"}}));
    })
}

pub(super) fn with_image(answer: ImageAvailability) -> GuardScenario {
    GuardScenario::with(|scenario| scenario.images = Some(BTreeMap::from([("a/x:1".to_owned(), answer)])))
}

/// Four pods run, one more comes at once; the quota takes so many.
pub(super) fn with_pod_quota(hard: &str) -> GuardScenario {
    let status = json!({"hard": {"pods": hard}, "used": {"pods": "4"}});
    with_rollout("canvas", |scenario| {
        scenario.policies.resource_quotas = Ok(vec![json!({"metadata": {"name": "q"}, "status": status})]);
    })
}

/// The stored manifest of the application has this object, and the new chart has none.
pub(super) fn with_stored_manifest(manifest: &str) -> GuardScenario {
    GuardScenario::with(|scenario| scenario.set_record(release_record("mural", "1.1.0-rc.0", "deployed", manifest)))
}
