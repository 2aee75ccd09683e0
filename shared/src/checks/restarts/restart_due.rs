//! Check `restart-due`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use crate::checks::gathered::Gathered;
use crate::checks::seen::Seen;
use crate::checks::workloads::places;
use crate::model::check::{Card, Checked, Finding, Level, Section};
use crate::model::inventory::Listed;
use crate::model::object::ObjectRef;
use crate::model::vitals::{config_maps_of, last_write, secrets_of};

/// The card.
pub static CARD: Card = Card {
    id: "restart-due",
    section: Section::Restarts,
    title: "every pod has started after its Secrets and ConfigMaps were last written",
    level: Level::Warning,
    why: "A program reads its configuration when it starts; what is written later does not reach it. Dex is the known case: its connectors stand in the Secret dex, and both dex and canvas must be started anew after a change.",
    fix: "Start the workload anew: kubectl rollout restart. A program that reads its files again by itself needs it not: then the finding may be left.",
};

/// Managers that write for a release itself.
const HELM: [&str; 2] = ["helm", "helm-controller"];

/// Whether a container of the releases' pods is older than the last write of a Secret or ConfigMap that it uses.
pub fn check(seen: &Seen<'_>) -> Checked {
    let mut gathered = Gathered::new(&CARD);
    match &seen.named.objects {
        Listed::NotSeen(not_seen) => gathered.not_seen(not_seen),
        Listed::Nothing(reason) => gathered.skipped(reason),
        Listed::Known(_) => {
            let changed = Changed::between(seen);
            for place in places(seen, &mut gathered) {
                let pods = match place.own_pods() {
                    Ok(pods) => pods,
                    Err(not_seen) => {
                        gathered.not_seen(not_seen);
                        continue;
                    }
                };
                let mut told = BTreeSet::new();
                for (pod, maker) in pods.iter().filter(|(pod, _)| running(pod)) {
                    for used in uses(pod) {
                        let found = judge(seen, &changed, &place.namespace, pod, *maker, &used, &mut gathered);
                        // Every replica uses the same: one finding a workload and object.
                        let new = found.filter(|finding| told.insert((finding.subject.clone(), used.clone())));
                        gathered.looked(new);
                    }
                }
            }
            gathered.skipped("the releases' pods use no Secret and no ConfigMap");
        }
    }
    gathered.checked()
}

fn running(pod: &Value) -> bool {
    let going = pod.pointer("/metadata/deletionTimestamp").is_some_and(|at| !at.is_null());
    pod.pointer("/status/phase").is_some_and(|phase| phase == "Running") && !going
}

/// A Secret or a ConfigMap by its kind and name.
type Used = (&'static str, String);

fn judge(
    seen: &Seen<'_>,
    changed: &Changed,
    namespace: &str,
    pod: &Value,
    (kind, name): (&str, &str),
    used: &Used,
    gathered: &mut Gathered,
) -> Option<Finding> {
    let folder = if used.0 == "Secret" { secrets_of(namespace) } else { config_maps_of(namespace) };
    let metadata = match seen.vitals.named(&folder, &used.1) {
        Ok(metadata) => metadata?,
        Err(not_seen) => {
            gathered.not_seen(&not_seen);
            return None;
        }
    };
    let (written, manager) = last_write(metadata)?;
    let started = started(pod)?;
    if written <= started || (HELM.contains(&manager.as_str()) && !changed.has(used, namespace)) {
        return None;
    }
    let message = format!("runs since {started} with {} {}, which {manager} wrote at {written}", used.0, used.1);
    let hint = format!("kubectl -n {namespace} rollout restart {} {name}", kind.to_lowercase());
    Some(CARD.finding(format!("{kind} {namespace}/{name}"), message, hint))
}

/// When the oldest of the pod's running containers started: one that was restarted has read its configuration anew.
fn started(pod: &Value) -> Option<Timestamp> {
    let containers = pod.pointer("/status/containerStatuses").and_then(Value::as_array).into_iter().flatten();
    let times = containers.filter_map(|one| one.pointer("/state/running/startedAt")?.as_str()?.parse().ok());
    let pod_started = || pod.pointer("/status/startTime")?.as_str()?.parse().ok();
    times.min().or_else(pod_started)
}

/// What a pod reads: volumes, projections, variables. A volume of a CSI driver is left out.
fn uses(pod: &Value) -> BTreeSet<Used> {
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
struct Changed(BTreeMap<(String, String, String), bool>);

impl Changed {
    fn between(seen: &Seen<'_>) -> Self {
        let mut all = BTreeMap::new();
        for (_, release) in seen.releases() {
            let records = seen.view.releases.get(release).and_then(|records| records.as_ref().ok());
            let Some((newest, older)) = records.and_then(|records| records.split_last()) else { continue };
            let Some(before) = older.iter().rev().find(|record| record.good()) else { continue };
            let (Ok(now), Ok(then)) = (newest.objects(), before.objects()) else { continue };
            for object in now.iter().filter(|object| holds_data(object)) {
                let Some(named) = ObjectRef::of(object) else { continue };
                let old = then.iter().find(|other| ObjectRef::of(other).is_some_and(|other| other.same_object(&named)));
                let same = old.is_some_and(|old| {
                    ["data", "stringData", "binaryData"].iter().all(|key| old[*key] == object[*key])
                });
                let namespace = if named.namespace.is_empty() { seen.namespace().to_owned() } else { named.namespace };
                all.insert((named.kind, namespace, named.name), !same);
            }
        }
        Self(all)
    }

    /// Where the records do not tell, it may have.
    fn has(&self, (kind, name): &Used, namespace: &str) -> bool {
        self.0.get(&((*kind).to_owned(), namespace.to_owned(), name.clone())).copied().unwrap_or(true)
    }
}

fn holds_data(object: &Value) -> bool {
    object["kind"] == "Secret" || object["kind"] == "ConfigMap"
}
