//! Reads what a failed or interrupted run left: the newest revision of each release, and the workloads that are half-way.
//!
//! Owns no verdict: the report shows the state beside the steps, so that "done" and "not done" do not hide a revision that helm wrote
//! half-way. Input: the releases before the run. Output: the fields of the report.

use super::context::Run;
use crate::cluster::view_reader;
use crate::model::release_status::ReleaseStatus;
use crate::model::workload_availability::read_incomplete_rollout;
use crate::report::upgrade_report::{NewestRevision, ReleaseAfterFailure, StateAfterFailure};

/// Reads the releases that got a revision in this run, and the rollouts that are not complete.
pub(super) async fn read_state(run: &Run<'_>) -> StateAfterFailure {
    let session = &run.prepared.session;
    let namespace = &session.installation.namespace;
    let mut after = Vec::new();
    for release in session.installation.releases() {
        let newest = match view_reader::read_release_records(&session.cluster, namespace, release).await {
            Err(failure) => Some(NewestRevision::Unreadable { reason: failure.to_string() }),
            Ok(records) => {
                let before = session.view.newest_revision(release).ok().flatten().map(|record| record.revision);
                records.last().filter(|newest| Some(newest.revision) != before).map(|newest| NewestRevision::Written {
                    revision: newest.revision,
                    chart_version: newest.chart_version.clone(),
                    status: newest.status.clone(),
                    revision_before: before,
                })
            }
        };
        after.extend(newest.map(|newest| ReleaseAfterFailure { release: release.to_owned(), newest }));
    }
    let is_half_way = |one: &ReleaseAfterFailure| match &one.newest {
        NewestRevision::Written { status, .. } => *status != ReleaseStatus::Deployed,
        NewestRevision::Unreadable { .. } => false,
    };
    let mut rollouts = Vec::new();
    if after.iter().any(is_half_way) {
        let workloads = view_reader::read_workloads(&session.cluster, namespace).await;
        rollouts.extend(workloads.all_objects().filter_map(read_incomplete_rollout));
        rollouts.sort_by(|a, b| a.object.cmp(&b.object));
    }
    let journal_options = run.options.journal_options.as_ref();
    let continue_command = journal_options.map_or_else(Vec::new, |options| options.continue_command.clone());
    StateAfterFailure { continue_command, releases: after, incomplete_rollouts: rollouts }
}
