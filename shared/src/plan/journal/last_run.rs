//! The last run of a journal, for advice that does not work against it.

use std::collections::{BTreeMap, BTreeSet};

use super::{JournalSnapshot, RunEntry, Task};
use crate::model::crd::Crd;
use crate::model::last_run::{LastRun, UnfinishedRun};
use crate::plan::recorded_state::RecordedCrd;

/// Summarizes the newest run. `None`: the journal has no run that can be read.
///
/// A CRD counts as rolled back only if it still is as the run left it.
#[must_use]
pub fn summarize_last_run(journal: &JournalSnapshot, live: Option<&BTreeMap<String, Crd>>) -> Option<LastRun> {
    let last = journal.runs.last()?;
    let is_open = last.is_unfinished() && last.has_written();
    let unfinished = is_open.then(|| UnfinishedRun { runs: last.run_ids(), command: last.format_continue_command() });
    let rolled_back_crds = match last.task {
        Task::Rollback => live.map_or_else(BTreeSet::new, |live| find_unchanged_crds(journal, last, live)),
        Task::Upgrade | Task::Repair | Task::ApplyCrds => BTreeSet::new(),
    };
    Some(LastRun { run: last.run.clone(), unfinished, rolled_back_crds })
}

/// The CRDs that are as the rollback, or a run that it rolled back, left them.
fn find_unchanged_crds(
    journal: &JournalSnapshot,
    rollback: &RunEntry,
    live: &BTreeMap<String, Crd>,
) -> BTreeSet<String> {
    let rolled_back = rollback.earlier_runs.iter().filter_map(|run| journal.run(run));
    let runs: Vec<&RunEntry> = rolled_back.chain([rollback]).collect();
    let as_left = |crd: &&Crd| {
        let recorded = runs.iter().rev().find_map(|run| run.crds_after_run.get(crd.name()));
        recorded.is_some_and(|recorded| recorded.spec_digest == RecordedCrd::from_crd(crd).spec_digest)
    };
    live.values().filter(as_left).map(|crd| crd.name().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::entry;
    use super::super::{RunState, StepPhase};
    use super::*;
    use crate::plan::StepId;
    use serde_json::json;

    fn crd(spec: &str) -> Crd {
        Crd::new(json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "hubs.x"}, "spec": {"group": spec}}))
        .unwrap()
    }

    #[test]
    fn an_unfinished_run_is_continued_by_its_own_command() {
        let mut run = entry();
        run.begin_step(StepId::Crds, run.started_at);
        run.continue_command =
            ["kubectl", "mural", "upgrade", "resume", "-f", "my values.yaml"].map(str::to_owned).into();
        let mut journal = JournalSnapshot { runs: vec![run], unreadable_runs: Vec::new() };
        let last = summarize_last_run(&journal, None).unwrap();
        assert_eq!(last.unfinished.unwrap().command, "kubectl mural upgrade resume -f 'my values.yaml'");
        let started_at = journal.runs[0].started_at;
        journal.runs[0].end_step(StepId::Crds, StepPhase::Done, "", started_at);
        journal.runs[0].end_run(RunState::Done, started_at);
        assert_eq!(summarize_last_run(&journal, None).unwrap().unfinished, None);
    }

    #[test]
    fn only_crds_that_the_rollback_left_so_are_rolled_back() {
        let left = crd("as-left");
        let rollback = RunEntry {
            task: Task::Rollback,
            state: RunState::Done,
            crds_after_run: [("hubs.x".to_owned(), RecordedCrd::from_crd(&left))].into(),
            ..entry()
        };
        let journal = JournalSnapshot { runs: vec![rollback], unreadable_runs: Vec::new() };
        let names = |live: Crd| {
            summarize_last_run(&journal, Some(&BTreeMap::from([("hubs.x".to_owned(), live)]))).unwrap().rolled_back_crds
        };
        assert!(names(left).contains("hubs.x"));
        assert!(names(crd("changed-since")).is_empty());
    }
}
