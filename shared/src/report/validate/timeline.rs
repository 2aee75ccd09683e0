//! Lists recent events: revisions, writes of CRDs, Secrets and ConfigMaps, restarts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::model::cluster_view::ClusterView;
use crate::model::crd::list_spec_writers;
use crate::model::health_inputs::{HealthInputs, find_last_data_write};
use crate::model::object::ObjectRef;
use crate::model::text_format::format_count;

/// How many events are listed.
const MAX_TIMELINE_EVENTS: usize = 60;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TimelineEvent {
    /// The time, in whole seconds.
    pub at: Timestamp,
    /// The description.
    pub message: String,
}

/// Builds the timeline, newest event first.
pub(super) fn build_timeline(view: &ClusterView, vitals: &HealthInputs) -> Vec<TimelineEvent> {
    let mut all: Vec<TimelineEvent> = collect_revisions(view)
        .chain(collect_crd_writes(view))
        .chain(collect_restarts(view))
        .chain(collect_object_writes(vitals))
        .collect();
    all.sort_by(|a, b| (b.at, &a.message).cmp(&(a.at, &b.message)));
    all.truncate(MAX_TIMELINE_EVENTS);
    all
}

fn build_event(at: &str, what: String) -> Option<TimelineEvent> {
    let at: Timestamp = at.parse().ok()?;
    Some(TimelineEvent { at: Timestamp::from_second(at.as_second()).ok()?, message: what })
}

fn collect_revisions(view: &ClusterView) -> impl Iterator<Item = TimelineEvent> {
    let records = view.releases.values().filter_map(|records| records.as_ref().ok()).flatten();
    records.filter_map(|record| {
        let what =
            format!("{} revision {}: {}, chart {}", record.name, record.revision, record.status, record.chart_version);
        build_event(&record.last_deployed, what)
    })
}

/// An apply writes many CRDs at once: they are one event.
fn collect_crd_writes(view: &ClusterView) -> impl Iterator<Item = TimelineEvent> {
    let mut written: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
    for crd in view.crds.iter().flat_map(BTreeMap::values) {
        if let Some(last) = list_spec_writers(crd).pop() {
            written.entry((last.time, last.manager)).or_default().push(crd.name());
        }
    }
    let events = written.into_iter().filter_map(|((time, manager), names)| {
        let what = match names.as_slice() {
            [one] => format!("{manager} wrote CRD {one}"),
            more => format!("{manager} wrote {}", format_count(more.len(), "CRD")),
        };
        build_event(&time, what)
    });
    events.collect::<Vec<_>>().into_iter()
}

fn collect_restarts(view: &ClusterView) -> impl Iterator<Item = TimelineEvent> {
    let pods = view.workloads.pods.iter().flatten();
    pods.flat_map(|pod| {
        let name = ObjectRef::from_manifest(pod).map(|pod| pod.name).unwrap_or_default();
        let containers = pod.pointer("/status/containerStatuses").and_then(Value::as_array).into_iter().flatten();
        let ended = containers.filter_map(move |container| {
            let ended = container.pointer("/lastState/terminated")?;
            let code = ended["exitCode"].as_i64().unwrap_or_default();
            let container = container["name"].as_str().unwrap_or_default();
            build_event(
                ended["finishedAt"].as_str()?,
                format!("{name}: container {container} ended with exit code {code}"),
            )
        });
        ended.collect::<Vec<_>>()
    })
}

fn collect_object_writes(vitals: &HealthInputs) -> impl Iterator<Item = TimelineEvent> {
    let of = |folder: &str| match folder.rsplit('/').next() {
        Some("secrets") => Some("Secret"),
        Some("configmaps") => Some("ConfigMap"),
        Some(_) | None => None,
    };
    let lists =
        vitals.object_metadata.iter().filter_map(move |(folder, list)| Some((of(folder)?, list.as_ref().ok()?)));
    lists.flat_map(|(kind, list)| {
        let events = list.iter().filter_map(move |one| {
            let (at, manager) = find_last_data_write(one)?;
            let name = one.pointer("/metadata/name")?.as_str()?;
            // Writes of helm are in the revisions; writes of the control plane are not news.
            let is_control_plane =
                ["helm", "kube-"].iter().any(|is_control_plane| manager.starts_with(is_control_plane));
            (!is_control_plane).then(|| TimelineEvent { at, message: format!("{manager} wrote {kind} {name}") })
        });
        events.collect::<Vec<_>>()
    })
}
