//! The drift from a saved plan or an interrupted run.

use std::collections::BTreeMap;

use crate::ask::UpgradeSpec;
use crate::diff;
use crate::model::chart_version::ChartVersion;
use crate::model::cluster_view::{ClusterView, Observed};
use crate::model::dry_run::CrdDryRunResult;
use crate::model::pending_release::find_creating_run;
use crate::model::release_role::ReleaseRole;
use crate::plan::drift::DriftItem;
use crate::plan::journal::resume_drift::{RunEffects, find_resume_drift as moved_since};
use crate::plan::journal::{JournalSnapshot, RunEntry, Task};
use crate::plan::recorded_state::{RecordedState, find_drift};
use crate::plan::saved_plan::SavedPlan;
use crate::prepare::judge;
use crate::prepare::record_state::record_state;
use crate::prepare::rendered_charts::RenderedCharts;

/// The earlier agreement that this run follows.
#[derive(Clone, Copy)]
pub(crate) enum PlanBaseline<'a> {
    Fresh,
    SavedPlan(&'a SavedPlan),
    InterruptedRun(&'a RunEntry),
}

/// What the plan is made from.
pub(crate) struct PlanInputs<'a> {
    pub(crate) ask: &'a UpgradeSpec,
    pub(crate) view: &'a ClusterView,
    pub(crate) rendered: &'a RenderedCharts,
    pub(crate) crd_answers: &'a BTreeMap<String, CrdDryRunResult>,
}

/// The recorded state of this plan, and the drift from a saved plan or an interrupted run.
pub(crate) struct Drift {
    pub(crate) recorded_state: Observed<RecordedState>,
    pub(crate) items: Option<Observed<Vec<DriftItem>>>,
    pub(crate) interrupted_run: Option<RunEntry>,
}

impl PlanInputs<'_> {
    pub(crate) fn compute_drift(
        &self,
        baseline: PlanBaseline<'_>,
        journal: Option<&JournalSnapshot>,
        salt: &str,
    ) -> Drift {
        match baseline {
            PlanBaseline::SavedPlan(saved) => {
                let recorded_state = self.record_state(&saved.recorded_state.values.salt);
                let items = Some(
                    recorded_state.as_ref().map(|now| find_drift(&saved.recorded_state, now)).map_err(Clone::clone),
                );
                let interrupted_run = journal.and_then(|journal| self.find_interrupted_run(journal));
                Drift { recorded_state, items, interrupted_run }
            }
            PlanBaseline::InterruptedRun(run) => {
                let (recorded_state, items) = self.compute_drift_since_run(run);
                Drift { recorded_state, items: Some(items), interrupted_run: Some(run.clone()) }
            }
            PlanBaseline::Fresh => {
                let interrupted_run = journal.and_then(|journal| self.find_interrupted_run(journal));
                Drift { recorded_state: self.record_state(salt), items: None, interrupted_run }
            }
        }
    }

    fn record_state(&self, salt: &str) -> Observed<RecordedState> {
        record_state(
            self.ask,
            self.view,
            self.rendered,
            &judge::list_dropped_crds(self.ask, self.view, self.rendered),
            salt,
        )
    }

    fn compute_drift_since_run(&self, run: &RunEntry) -> (Observed<RecordedState>, Observed<Vec<DriftItem>>) {
        let recorded_state = self.record_state(&run.recorded_state.values.salt);
        let current = self.current_state(run);
        let items = recorded_state.as_ref().map(|now| moved_since(run, now, &current)).map_err(Clone::clone);
        (recorded_state, items)
    }

    /// The interrupted run of this very upgrade, if nothing has drifted since: the same command resumes it, and a rollback goes
    /// back to the state before it.
    fn find_interrupted_run(&self, journal: &JournalSnapshot) -> Option<RunEntry> {
        let run = journal.unfinished_run().filter(|run| run.task == Task::Upgrade)?;
        self.compute_drift_since_run(run).1.is_ok_and(|items| items.is_empty()).then(|| run.clone())
    }

    fn current_state(&self, run: &RunEntry) -> RunEffects {
        let live = self.view.crds.as_ref().ok();
        let same = |name: &String, answer: &CrdDryRunResult| {
            let (live, next) = (live?.get(name)?, answer.planned_crd()?);
            diff::is_same_crd(live.json(), next.json()).then(|| name.clone())
        };
        let makers = self.view.releases.iter().filter_map(|(release, records)| {
            Some((release.clone(), find_creating_run(records.as_ref().ok()?)?.to_owned()))
        });
        let others = |release: &&String| self.view.owners.get(*release).is_some_and(|owner| !owner.is_helm_or_absent());
        let wanted = |release: &String| {
            let installation = &self.ask.installation;
            let rendered_chart = match installation.role_of(release) {
                ReleaseRole::Crds => &self.rendered.crds,
                ReleaseRole::App => &self.rendered.app,
            };
            let newest = self.view.newest_revision(release).ok().flatten()?;
            // helm-controller appends the digest: 1.2.3+abc.
            let installed: ChartVersion = newest.chart_version.parse().ok()?;
            Some(installed.cmp_precedence(&rendered_chart.as_ref()?.fetched.chart.version).is_eq())
        };
        // The owner gave up and rolled back to the state before the run: that is no drift.
        let went_back = |release: &String| {
            let then = run.recorded_state.releases.get(release)?.as_ref()?.revision;
            let records = self.view.releases.get(release)?.as_ref().ok()?;
            let was = records.iter().find(|record| record.revision == then)?;
            Some(records.last()?.chart_version == was.chart_version)
        };
        let expected = |release: &&String| wanted(release) == Some(true) || went_back(release) == Some(true);
        RunEffects {
            releases_done_by_owner: self.view.releases.keys().filter(others).filter(expected).cloned().collect(),
            crds_matching_charts: self.crd_answers.iter().filter_map(|(name, answer)| same(name, answer)).collect(),
            newest_revision_runs: makers.collect(),
        }
    }
}
