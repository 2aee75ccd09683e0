//! The Jobs of a manifest whose work is not done: they failed, or the operator deleted a failed one. Hooks do not count.
//!
//! helm creates a Job that is missing, and leaves a failed one as it is. Input: the view of the cluster and the manifest.

use serde_json::Value;

use crate::model::cluster_view::ClusterView;
use crate::model::manifest::is_hook;
use crate::model::object::find_condition;

/// The names of the Jobs that failed on the cluster.
pub(super) fn list_failed_jobs(view: &ClusterView, manifest: &[Value]) -> Vec<String> {
    let live: Vec<&Value> = view.workloads.objects.iter().flatten().collect();
    let has_failed = |job: &&Value| find_condition(job, "Failed").is_some_and(|failed| failed.status == "True");
    list_jobs(manifest)
        .filter(|name| find_job(&live, name).as_ref().is_some_and(has_failed))
        .map(str::to_owned)
        .collect()
}

/// The names of the Jobs that are not on the cluster; none if the workloads could not be read.
pub(super) fn list_deleted_jobs(view: &ClusterView, manifest: &[Value]) -> Vec<String> {
    let Ok(live) = &view.workloads.objects else { return Vec::new() };
    let live: Vec<&Value> = live.iter().collect();
    list_jobs(manifest).filter(|name| find_job(&live, name).is_none()).map(str::to_owned).collect()
}

fn list_jobs(manifest: &[Value]) -> impl Iterator<Item = &str> {
    let jobs = manifest.iter().filter(|object| object["kind"] == "Job" && !is_hook(object));
    jobs.filter_map(|job| job["metadata"]["name"].as_str())
}

fn find_job<'a>(live: &[&'a Value], name: &str) -> Option<&'a Value> {
    live.iter().copied().find(|object| object["kind"] == "Job" && object["metadata"]["name"] == name)
}
