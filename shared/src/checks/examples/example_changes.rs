//! Changes of the example installation that several examples use.
//!
//! Owns the paths into its objects; the examples themselves are in `check_examples.rs`. Input: an [`ExampleInstallation`]. Output: the same
//! with one change.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::cluster_fixtures::{RELEASE_NAMESPACE, hue_service};
use super::installation::{ExampleInstallation, set_field};
use crate::model::flux::{FluxObject, FluxRef, FluxSource, FluxView, HelmRelease};
use crate::model::health_inputs::{ObjectScan, PublishedSchema, WebhookBackend};
use crate::model::owner::Owner;
use crate::model::secret::Hidden;

pub(super) fn flux_owner() -> Owner {
    Owner::Flux { helm_release: "mural-system/mural".into(), managed_in_git: false }
}

pub(super) fn waiting_containers(reason: &str) -> serde_json::Value {
    json!([{"name": "main", "restartCount": 7, "state": {"waiting": {"reason": reason, "message": "registry/canvas:1.1.0-rc.3: not found"}}}])
}

pub(super) fn condition(kind: &str, status: &str) -> serde_json::Value {
    json!({"type": kind, "status": status, "reason": "R", "message": "m"})
}

pub(super) fn restarted_container(at: &str) -> Value {
    json!({"name": "main", "ready": true, "restartCount": 2, "state": {"running": {"startedAt": at}},
        "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "finishedAt": at}}})
}

pub(super) fn upgrade_history() -> Value {
    let one = |version: u64, chart: &str, status: &str| json!({"version": version, "chartVersion": chart, "status": status, "ociDigest": "sha256:1"});
    json!([one(3, "1.1.0-rc.3", "deployed"), one(2, "1.1.0-rc.0", "superseded")])
}

pub(super) fn pod_creation_rules() -> Value {
    json!([{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}])
}

impl ExampleInstallation {
    /// Adds to the manifest of the application.
    pub(super) fn append_manifest(&mut self, document: &str) {
        let record = self.newest_record("mural");
        record.manifest = Hidden::new(format!("{}{document}", record.manifest.reveal()));
    }

    pub(super) fn flux_view(&mut self) -> &mut FluxView {
        &mut self.view.flux
    }

    pub(super) fn set_app_helm_release(&mut self, at: &str, value: Value) {
        self.set_helm_release(1, at, value);
    }

    pub(super) fn set_crds_helm_release(&mut self, at: &str, value: Value) {
        self.set_helm_release(0, at, value);
    }

    pub(super) fn set_helm_release(&mut self, which: usize, at: &str, value: Value) {
        let all = self.flux_view().helm_releases.as_mut().unwrap();
        let mut json = all[which].json().clone();
        set_field(&mut json, at, value);
        all[which] = HelmRelease::new(json);
    }

    /// Changes the application's source.
    pub(super) fn set_source_field(&mut self, at: &str, value: Value) {
        let object_ref = FluxRef::new("OCIRepository", RELEASE_NAMESPACE, "mural");
        let mut json = self.view.flux.source(&object_ref).unwrap().json().clone();
        set_field(&mut json, at, value);
        self.view.flux.sources.insert(object_ref, Ok(Some(FluxSource::new(json))));
    }

    pub(super) fn set_published(&mut self, published: PublishedSchema) {
        self.health_inputs.published_schemas.as_mut().unwrap().insert(("hubs.x".into(), "v1alpha1".into()), published);
    }

    pub(super) fn object_report(&mut self) -> &mut ObjectScan {
        self.health_inputs.object_scans.as_mut().unwrap().as_mut().unwrap().get_mut("hubs.x").unwrap()
    }

    pub(super) fn add_manager_version(&mut self, version: &str) {
        self.object_report().manager_versions.insert((version.to_owned(), "old-tool".to_owned()), 2);
    }

    pub(super) fn set_backend(&mut self, exists: bool, ready: usize) {
        self.health_inputs.backends =
            BTreeMap::from([(hue_service(), Ok(WebhookBackend { exists, ready_endpoints: ready }))]);
    }

    pub(super) fn set_webhook_field(&mut self, at: &str, value: Value) {
        set_field(&mut self.health_inputs.webhooks.as_mut().unwrap()[0], &format!("webhooks.0.{at}"), value);
    }

    pub(super) fn set_cluster_field(&mut self, at: &str, value: Value) {
        set_field(&mut self.health_inputs.managed_clusters.clusters.as_mut().unwrap().as_mut().unwrap()[0], at, value);
    }

    pub(super) fn set_lease_field(&mut self, at: &str, value: Value) {
        set_field(&mut self.health_inputs.managed_clusters.leases.as_mut().unwrap().as_mut().unwrap()[0], at, value);
    }

    pub(super) fn set_hub_field(&mut self, at: &str, value: Value) {
        set_field(&mut self.health_inputs.managed_clusters.hubs.as_mut().unwrap().as_mut().unwrap()[0], at, value);
    }

    /// A write of the Secret by another client.
    pub(super) fn set_secret_write(&mut self, name: &str, manager: &str, at: &str) {
        let written = json!([{"manager": manager, "time": at, "fieldsV1": {"f:data": {}}}]);
        assert!(at.parse::<Timestamp>().is_ok());
        let secret = json!({"metadata": {"name": name, "managedFields": written}});
        self.health_inputs
            .object_metadata
            .insert(crate::model::health_inputs::secrets_path(RELEASE_NAMESPACE), Ok(vec![secret]));
    }
}
