//! Health check `restart-required`: requires pods that started after the last change of their Secrets and ConfigMaps.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::CheckResultBuilder;
use crate::checks::health_check::HealthCheck;
use crate::checks::workloads::list_namespace_workloads;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::health_inputs::{ReadScope, config_maps_path, find_last_data_write, secrets_path};
use crate::model::object::ObjectRef;
use crate::model::release_inventory::Availability;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "restart-required",
    section: Section::Restarts,
    title: "pods that started after the last change of their Secrets and ConfigMaps",
    level: Level::Warning,
    why: "A program reads its configuration at its start and misses later changes. Example: the connectors of Dex \
        are in the Secret dex, and both dex and canvas need a restart after a change.",
    fix: "Restart the workload: kubectl rollout restart KIND NAME. Ignore the finding if the program reloads its \
        configuration.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck = HealthCheck {
    card: &CARD,
    reads: &[ReadScope::OtherNamespaces, ReadScope::ObjectMetadata],
    heals_with_time: false,
    run: check,
};

/// Field managers that write on behalf of a release.
const HELM_FIELD_MANAGERS: [&str; 2] = ["helm", "helm-controller"];

/// Reports pods with a container that started before the last change of a Secret or ConfigMap that it uses.
fn check(context: &CheckContext<'_>) -> CheckResult {
    let mut result = CheckResultBuilder::new(&CARD);
    match &context.inventory.objects {
        Availability::Unreadable(failure) => result.record_failure(failure),
        Availability::Absent(reason) => result.record_skip(reason),
        Availability::Known(_) => {
            let changed = ConfigChanges::read(context);
            for namespace_workloads in list_namespace_workloads(context, &mut result) {
                let pods = match namespace_workloads.release_pods() {
                    Ok(pods) => pods,
                    Err(failure) => {
                        result.record_failure(failure);
                        continue;
                    }
                };
                let mut reported = BTreeSet::new();
                for (pod, owner) in pods.iter().filter(|(pod, _)| is_running(pod)) {
                    for used in config_refs(pod) {
                        let found =
                            judge(context, &changed, &namespace_workloads.namespace, pod, *owner, &used, &mut result);
                        // Every replica uses the same: one finding a workload and object.
                        let new = found.filter(|finding| reported.insert((finding.subject.clone(), used.clone())));
                        result.record(new);
                    }
                }
            }
            result.record_skip("the pods of the releases use no Secret or ConfigMap");
        }
    }
    result.build()
}

fn is_running(pod: &Value) -> bool {
    let going = pod.pointer("/metadata/deletionTimestamp").is_some_and(|at| !at.is_null());
    pod.pointer("/status/phase").is_some_and(|phase| phase == "Running") && !going
}

/// A Secret or a ConfigMap by its kind and name.
type ConfigRef = (&'static str, String);

fn judge(
    context: &CheckContext<'_>,
    changed: &ConfigChanges,
    namespace: &str,
    pod: &Value,
    (kind, name): (&str, &str),
    used: &ConfigRef,
    result: &mut CheckResultBuilder,
) -> Option<Finding> {
    let folder = if used.0 == "Secret" { secrets_path(namespace) } else { config_maps_path(namespace) };
    let metadata = match context.health_inputs.find_metadata(&folder, &used.1) {
        Ok(metadata) => metadata?,
        Err(failure) => {
            result.record_failure(&failure);
            return None;
        }
    };
    let (written, manager) = find_last_data_write(metadata)?;
    let started = start_time(pod)?;
    if written <= started || (HELM_FIELD_MANAGERS.contains(&manager.as_str()) && !changed.has_changed(used, namespace))
    {
        return None;
    }
    let message = format!("has run since {started}, but {manager} changed {} {} at {written}", used.0, used.1);
    let hint = format!("kubectl -n {namespace} rollout restart {} {name}", kind.to_lowercase());
    Some(CARD.finding(format!("{kind} {namespace}/{name}"), message, hint))
}

/// Start time of the oldest running container: a restarted container has read its configuration again.
fn start_time(pod: &Value) -> Option<Timestamp> {
    let containers = pod.pointer("/status/containerStatuses").and_then(Value::as_array).into_iter().flatten();
    let times = containers.filter_map(|one| one.pointer("/state/running/startedAt")?.as_str()?.parse().ok());
    let pod_started = || pod.pointer("/status/startTime")?.as_str()?.parse().ok();
    times.min().or_else(pod_started)
}

/// What a pod reads: volumes, projections, variables. A volume of a CSI driver is left out.
fn config_refs(pod: &Value) -> BTreeSet<ConfigRef> {
    let mut all = BTreeSet::new();
    let spec = &pod["spec"];
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut add = |kind: &'static str, name: &Value| {
        if let Some(name) = name.as_str() {
            all.insert((kind, name.to_owned()));
        }
    };
    for volume in list(&spec["volumes"]) {
        add("Secret", &volume["secret"]["secretName"]);
        add("ConfigMap", &volume["configMap"]["name"]);
        for source in list(&volume["projected"]["sources"]) {
            add("Secret", &source["secret"]["name"]);
            // The cluster's own certificate authority is in every pod, and renewed without anybody's doing.
            if source["configMap"]["name"] != "kube-root-ca.crt" {
                add("ConfigMap", &source["configMap"]["name"]);
            }
        }
    }
    for container in list(&spec["containers"]).into_iter().chain(list(&spec["initContainers"])) {
        for from in list(&container["envFrom"]) {
            add("Secret", &from["secretRef"]["name"]);
            add("ConfigMap", &from["configMapRef"]["name"]);
        }
        for variable in list(&container["env"]) {
            add("Secret", &variable["valueFrom"]["secretKeyRef"]["name"]);
            add("ConfigMap", &variable["valueFrom"]["configMapKeyRef"]["name"]);
        }
    }
    all
}

/// Which Secrets and ConfigMaps have another content in the application's newest revision than in the one before.
///
/// helm writes the chart's version into the labels of everything it owns, so that the time of its last write moves with every
/// upgrade; what counts is whether the data did.
struct ConfigChanges(BTreeMap<(String, String, String), bool>);

impl ConfigChanges {
    fn read(context: &CheckContext<'_>) -> Self {
        let mut all = BTreeMap::new();
        for (_, release) in context.releases() {
            let records = context.view.releases.get(release).and_then(|records| records.as_ref().ok());
            let Some((newest, older)) = records.and_then(|records| records.split_last()) else { continue };
            let Some(before) = older.iter().rev().find(|record| record.status.has_been_deployed()) else { continue };
            let (Ok(now), Ok(then)) = (newest.manifest_objects(), before.manifest_objects()) else { continue };
            for object in now.iter().filter(|object| is_config_object(object)) {
                let Some(object_ref) = ObjectRef::from_manifest(object) else { continue };
                let old = then.iter().find(|other| {
                    ObjectRef::from_manifest(other).is_some_and(|other| other.is_same_object(&object_ref))
                });
                let same = old.is_some_and(|old| {
                    ["data", "stringData", "binaryData"].iter().all(|key| old[*key] == object[*key])
                });
                let namespace =
                    if object_ref.namespace.is_empty() { context.namespace().to_owned() } else { object_ref.namespace };
                all.insert((object_ref.kind, namespace, object_ref.name), !same);
            }
        }
        Self(all)
    }

    /// Whether the data changed in the last upgrade; `true` if the records do not show it.
    fn has_changed(&self, (kind, name): &ConfigRef, namespace: &str) -> bool {
        self.0.get(&((*kind).to_owned(), namespace.to_owned(), name.clone())).copied().unwrap_or(true)
    }
}

fn is_config_object(object: &Value) -> bool {
    object["kind"] == "Secret" || object["kind"] == "ConfigMap"
}
