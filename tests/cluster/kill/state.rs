//! The state of a cluster for comparison: object by object, without the fields that differ between any two runs.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use mural::model::release::read_record;
use mural_tests::sandbox::User;
use serde_json::{Value, json};

use crate::test_cluster::TestCluster;

/// Kinds with generated names, and kinds that record times.
const RANDOM_FIELDS: [&str; 9] = [
    "events",
    "events.events.k8s.io",
    "pods",
    "pods.metrics.k8s.io",
    "replicasets.apps",
    "endpoints",
    "endpointslices.discovery.k8s.io",
    "controllerrevisions.apps",
    "bindings",
];
/// Metadata fields that differ between equal objects.
const VOLATILE_METADATA: [&str; 5] = ["uid", "resourceVersion", "creationTimestamp", "generation", "selfLink"];

/// Objects by `Kind namespace/name`, and the newest record of each release.
pub struct ClusterState(BTreeMap<String, Value>);

impl ClusterState {
    /// The differences, by object.
    pub fn differences(&self, other: &Self) -> Vec<(String, String)> {
        let keys: BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        let differ = keys.into_iter().filter(|key| self.0.get(*key) != other.0.get(*key));
        let told = |value: Option<&Value>| value.map_or_else(|| "not there".to_owned(), ToString::to_string);
        differ
            .map(|key| (key.clone(), format!("{} and now {}", told(self.0.get(key)), told(other.0.get(key)))))
            .collect()
    }

    /// The same state without the owners of fields.
    pub fn without_managers(mut self) -> Self {
        for object in self.0.values_mut() {
            if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.remove("managedFields");
            }
        }
        self
    }

    /// # Errors
    /// The states differ. The message lists the objects.
    pub fn ensure_same(&self, other: &Self) -> Result<()> {
        let keys: BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        let differ = keys.into_iter().filter(|key| self.0.get(*key) != other.0.get(*key));
        let told = |value: Option<&Value>| value.map_or_else(|| "not there".to_owned(), ToString::to_string);
        let told: Vec<String> = differ
            .map(|key| {
                format!(
                    "{key}\n    undisturbed: {}\n    killed:      {}",
                    told(self.0.get(key)),
                    told(other.0.get(key))
                )
            })
            .collect();
        ensure!(told.is_empty(), "{} of {} objects differ:\n  {}", told.len(), self.0.len(), told.join("\n  "));
        Ok(())
    }
}

/// Custom resources by name, each with its uid and spec.
pub struct CustomResources(BTreeMap<String, (Value, Value)>);

impl CustomResources {
    /// # Errors
    /// An object is missing, was recreated, or was changed in another way than by an undisturbed upgrade.
    pub fn ensure_unchanged(&self, now: &Self, undisturbed: &Self) -> Result<()> {
        for (name, was) in &self.0 {
            let is = now.0.get(name).with_context(|| format!("{name} is lost"))?;
            ensure!(was.0 == is.0, "{name} was deleted and created again");
            let as_undisturbed = undisturbed.0.get(name).is_some_and(|other| other.1 == is.1);
            ensure!(was.1 == is.1 || as_undisturbed, "{name} was {} and is {}", was.1, is.1);
        }
        Ok(())
    }
}

/// Reads the objects of the namespace, the CRDs, the webhooks, and the Leases of the locks.
pub fn read_state(test_cluster: &TestCluster) -> Result<ClusterState> {
    let mut all = BTreeMap::new();
    let mut records: BTreeMap<String, (u64, Value)> = BTreeMap::new();
    for object in objects(test_cluster)? {
        // A controller writes the API server's certificate authority, late after a restore from another sandbox.
        if object["kind"] == "ConfigMap" && object["metadata"]["name"] == "kube-root-ca.crt" {
            continue;
        }
        if object["type"] == "helm.sh/release.v1" {
            let record = read_record(&object)?;
            let told = json!({"status": record.status, "version": record.chart_version, "description": record.description,
                "config": record.config.reveal(), "manifest": record.manifest.reveal(), "crds": record.crd_names});
            let newest = records.entry(record.name.clone()).or_default();
            if newest.0 < record.revision {
                *newest = (record.revision, told);
            }
            continue;
        }
        let key = key(&object);
        if object["type"] == mural::model::metadata_keys::JOURNAL_SECRET_TYPE {
            all.extend(journal(&object));
            continue;
        }
        if is_about_runs(&object) {
            continue;
        }
        all.insert(key, normalize(object));
    }
    all.extend(records.into_iter().map(|(name, (_, record))| (format!("newest record of {name}"), record)));
    let left = std::fs::read_dir(test_cluster.sandbox()?.dir().join("state/mural/runs"));
    // An unlocked file is from a run that died before it wrote its Lease. A later run deletes it.
    let held = |path: &std::path::Path| std::fs::File::open(path).is_ok_and(|file| file.try_lock().is_err());
    for sign in left.into_iter().flatten().flatten().filter(|sign| held(&sign.path())) {
        all.insert(format!("sign of life {}", sign.file_name().display()), Value::Null);
    }
    Ok(ClusterState(all))
}

/// What a run says of itself: the copy of its backup, and its result.
fn is_about_runs(object: &Value) -> bool {
    object["type"] == mural::model::metadata_keys::BACKUP_SECRET_TYPE
        || object["kind"] == "ConfigMap" && object["metadata"]["name"] == mural::report::run_result::RESULT_NAME
}

/// The part of the journal that must be equal: no run is unfinished, and all runs can be read.
fn journal(secret: &Value) -> Vec<(String, Value)> {
    let seen = mural::plan::journal::parse_journal(Some(secret));
    let open =
        seen.runs.iter().filter(|run| run.is_unfinished()).map(|run| format!("{} {}", run.run, run.summarize_steps()));
    let unread = seen.unreadable_runs.iter().map(|unread| format!("{}: {}", unread.run, unread.reason));
    vec![("open runs in the journal".to_owned(), open.chain(unread).collect::<Vec<_>>().into())]
}

/// Reads all objects of the charts' API groups.
pub fn read_custom_resources(test_cluster: &TestCluster) -> Result<CustomResources> {
    let crds: BTreeSet<String> = kinds(test_cluster, &[])?.into_iter().filter(|kind| is_custom(kind)).collect();
    let crds = crds.into_iter().collect::<Vec<_>>().join(",");
    let list = test_cluster.get(&[&crds, "--all-namespaces"])?;
    let items = list["items"].as_array().cloned().unwrap_or_default();
    Ok(CustomResources(
        items.into_iter().map(|item| (key(&item), (item["metadata"]["uid"].clone(), item["spec"].clone()))).collect(),
    ))
}

fn is_custom(kind: &str) -> bool {
    ["small.example.com", "spectrocloud.com", "fluxcd.io", "open-cluster-management.io"]
        .iter()
        .any(|group| kind.ends_with(group))
}

fn objects(test_cluster: &TestCluster) -> Result<Vec<Value>> {
    let here = kinds(test_cluster, &["--namespaced=true"])?;
    let here = here.into_iter().filter(|kind| !RANDOM_FIELDS.contains(&kind.as_str())).collect::<Vec<_>>().join(",");
    let mut all = list(test_cluster, &[&here, "--namespace", crate::small::NAMESPACE])?;
    let webhooks = "validatingwebhookconfigurations,mutatingwebhookconfigurations";
    all.extend(list(
        test_cluster,
        &[&format!("customresourcedefinitions,clusterroles,clusterrolebindings,{webhooks}")],
    )?);
    let leases = list(test_cluster, &["leases", "--namespace", "kube-system"])?;
    all.extend(
        leases
            .into_iter()
            .filter(|lease| lease["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("mural"))),
    );
    Ok(all)
}

fn kinds(test_cluster: &TestCluster, more: &[&str]) -> Result<Vec<String>> {
    let args = [&["api-resources", "--verbs=list", "--output", "name", "--cached=false"], more].concat();
    let told = test_cluster.run(User::Admin, "kubectl", &args)?.expect_code(0)?;
    Ok(told.stdout.lines().map(str::to_owned).collect())
}

fn list(test_cluster: &TestCluster, what: &[&str]) -> Result<Vec<Value>> {
    Ok(test_cluster.get(what)?["items"].as_array().cloned().unwrap_or_default())
}

fn key(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let meta = &object["metadata"];
    format!("{} {}/{}", text(&object["kind"]), text(&meta["namespace"]), text(&meta["name"]))
}

/// An object without the fields that differ between equal objects.
fn normalize(object: Value) -> Value {
    // A Job has its own uid in labels and selector.
    let uid = object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or("no uid").to_owned();
    let mut object = serde_json::from_str(&object.to_string().replace(&uid, "its own uid")).unwrap_or(object);
    let kept = match object["kind"].as_str() {
        Some("CustomResourceDefinition") => object.pointer("/status/storedVersions").cloned(),
        _ => object.pointer("/status/readyReplicas").or_else(|| object.pointer("/status/succeeded")).cloned(),
    };
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    object["status"] = kept.unwrap_or_default();
    let Some(meta) = object["metadata"].as_object_mut() else { return object };
    VOLATILE_METADATA.iter().for_each(|field| drop(meta.remove(*field)));
    if let Some(Value::Array(fields)) = meta.get_mut("managedFields") {
        fields.retain(|entry| entry.get("subresource").is_none());
        fields.iter_mut().filter_map(Value::as_object_mut).for_each(|entry| drop(entry.remove("time")));
        fields.sort_by_key(ToString::to_string);
    }
    if let Some(Value::Object(notes)) = meta.get_mut("annotations") {
        notes.remove("deployment.kubernetes.io/revision");
    }
    object
}
