//! What happened lately, from what was read: revisions, writes of CRDs, Secrets and ConfigMaps, restarts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::model::crd::writers;
use crate::model::object::ObjectRef;
use crate::model::view::ClusterView;
use crate::model::vitals::{Vitals, last_write};
use crate::model::words::counted;

/// Moments that are told: the newest.
const TOLD: usize = 60;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Moment {
    /// When, in whole seconds.
    pub at: Timestamp,
    /// What.
    pub what: String,
}

/// The newest moments, the newest first.
pub(super) fn moments(view: &ClusterView, vitals: &Vitals) -> Vec<Moment> {
    let mut all: Vec<Moment> = revisions(view).chain(crds(view)).chain(restarts(view)).chain(writes(vitals)).collect();
    all.sort_by(|a, b| (b.at, &a.what).cmp(&(a.at, &b.what)));
    all.truncate(TOLD);
    all
}

fn moment(at: &str, what: String) -> Option<Moment> {
    let at: Timestamp = at.parse().ok()?;
    Some(Moment { at: Timestamp::from_second(at.as_second()).ok()?, what })
}

fn revisions(view: &ClusterView) -> impl Iterator<Item = Moment> {
    let records = view.releases.values().filter_map(|records| records.as_ref().ok()).flatten();
    records.filter_map(|record| {
        let what =
            format!("{} revision {}: {}, chart {}", record.name, record.revision, record.status, record.chart_version);
        moment(&record.last_deployed, what)
    })
}

/// An apply writes many at once: they are one moment.
fn crds(view: &ClusterView) -> impl Iterator<Item = Moment> {
    let mut written: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
    for crd in view.crds.iter().flat_map(BTreeMap::values) {
        if let Some(last) = writers(crd).pop() {
            written.entry((last.time, last.manager)).or_default().push(crd.name());
        }
    }
    let told = written.into_iter().filter_map(|((time, manager), names)| {
        let what = match names.as_slice() {
            [one] => format!("{manager} wrote CRD {one}"),
            more => format!("{manager} wrote {}", counted(more.len(), "CRD")),
        };
        moment(&time, what)
    });
    told.collect::<Vec<_>>().into_iter()
}

fn restarts(view: &ClusterView) -> impl Iterator<Item = Moment> {
    let pods = view.workloads.pods.iter().flatten();
    pods.flat_map(|pod| {
        let name = ObjectRef::of(pod).map(|pod| pod.name).unwrap_or_default();
        let containers = pod.pointer("/status/containerStatuses").and_then(Value::as_array).into_iter().flatten();
        let ended = containers.filter_map(move |container| {
            let ended = container.pointer("/lastState/terminated")?;
            let code = ended["exitCode"].as_i64().unwrap_or_default();
            let container = container["name"].as_str().unwrap_or_default();
            moment(ended["finishedAt"].as_str()?, format!("{name}: container {container} ended with exit code {code}"))
        });
        ended.collect::<Vec<_>>()
    })
}

fn writes(vitals: &Vitals) -> impl Iterator<Item = Moment> {
    let of = |folder: &str| match folder.rsplit('/').next() {
        Some("secrets") => Some("Secret"),
        Some("configmaps") => Some("ConfigMap"),
        Some(_) | None => None,
    };
    let lists = vitals.names.iter().filter_map(move |(folder, list)| Some((of(folder)?, list.as_ref().ok()?)));
    lists.flat_map(|(kind, list)| {
        let told = list.iter().filter_map(move |one| {
            let (at, manager) = last_write(one)?;
            let name = one.pointer("/metadata/name")?.as_str()?;
            // What helm and the control plane write is told by the revisions, or no news.
            let theirs = ["helm", "kube-"].iter().any(|theirs| manager.starts_with(theirs));
            (!theirs).then(|| Moment { at, what: format!("{manager} wrote {kind} {name}") })
        });
        told.collect::<Vec<_>>()
    })
}
