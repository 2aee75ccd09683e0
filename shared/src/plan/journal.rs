//! What runs leave behind: before each step what is meant, after it what came of it. Kept in the cluster, so that anybody may
//! go on or go back; no values and nothing secret stand in it.

mod codec;
pub mod resume_drift;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::recorded_state::{RecordedCrd, RecordedState};
use super::saved_plan::RecordedRequest;
use super::value_hash::digest_json;
use super::{API_VERSION, Action, CrdMigration, Step, StepId};
use crate::model::lease::HolderIdentity;
pub use crate::model::task::Task;

pub use codec::{
    JournalSnapshot, MAX_PACKED_BYTES, MAX_RUNS, SECRET_NAME, UnreadableRun, build_secret, parse_journal, without_runs,
};

/// The kind of one run.
const RUN_KIND: &str = "UpgradeRun";
/// Characters of what came of a step that are kept.
const MAX_DETAIL_CHARS: usize = 600;

/// How far a run came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// It is under way, or was cut off: only its lock tells which.
    Open,
    /// Done and proved.
    Done,
    /// A step failed.
    Failed,
    /// Stopped by Ctrl-C.
    Interrupted,
    /// A later run took over from it.
    Superseded,
    /// A later run went back to what was before it.
    RolledBack,
}

impl RunState {
    /// In a word or a few.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Interrupted => "stopped",
            Self::Superseded => "replaced",
            Self::RolledBack => "rolled back",
        }
    }
}

/// How far a step came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepPhase {
    /// Not begun.
    Pending,
    /// Begun: it may be done, half-done, or not.
    Running,
    /// Done and proved.
    Done,
    /// Begun, and not done.
    Failed,
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepEntry {
    /// Which step.
    pub id: StepId,
    /// What it does.
    pub title: String,
    /// What is done, as data.
    #[serde(flatten)]
    pub action: Action,
    /// How far it came.
    pub phase: StepPhase,
    /// When it was begun, by the clock of the workstation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// What came of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// What was saved before the first write, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupRef {
    /// The workstation.
    pub host: String,
    /// The folder there.
    pub folder: String,
    /// The digest of the list of its files and their digests: a copy that was changed since is none.
    pub digest: String,
    /// How large it is.
    pub size_bytes: u64,
    /// CRDs in it.
    pub crd_count: u64,
    /// Custom resources in it.
    pub object_count: u64,
}

/// A run as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunEntry {
    /// `mural/v1`
    pub api_version: String,
    /// `UpgradeRun`
    pub kind: String,
    /// The run's id: it begins with its time.
    pub run: String,
    /// 1, 2, …: the order in which they took the lock, since clocks of workstations differ.
    #[serde(default)]
    pub number: u64,
    /// What it is for.
    pub task: Task,
    /// How far it came.
    pub state: RunState,
    /// The run that took over from it, or that went back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<String>,
    /// Earlier runs that this one goes on from, oldest first; for a rollback, those that it undoes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier_runs: Vec<String>,
    /// `namespace/release`
    pub installation: String,
    /// The user that the API server saw.
    pub user: String,
    /// `user@host, process 4711`
    pub process: String,
    /// The version of this program.
    pub program_version: String,
    /// The digest of what was asked for and of the steps; no values are in it.
    pub plan_digest: String,
    /// When it was begun, by the clock of the workstation.
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// What was asked for: charts by reference and digest, never values.
    pub request: RecordedRequest,
    /// What was there before the first run of the chain; of the values a seal alone.
    pub recorded_state: RecordedState,
    /// What was saved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupRef>,
    /// The CRDs as this run, or one that it goes on from, left them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub crds_after_run: BTreeMap<String, RecordedCrd>,
    /// The revisions that were made, by release.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub revisions: BTreeMap<String, u64>,
    /// What is done, in this order.
    pub steps: Vec<StepEntry>,
}

impl RunEntry {
    /// A run that is about to begin.
    #[must_use]
    pub fn new(
        task: Task,
        identity: &HolderIdentity,
        request: RecordedRequest,
        recorded_state: RecordedState,
        steps: &[Step],
        now: Timestamp,
    ) -> Self {
        let planned = |step: &Step| StepEntry {
            id: step.id,
            title: step.title.clone(),
            action: step.action.clone(),
            phase: StepPhase::Pending,
            started_at: None,
            finished_at: None,
            detail: String::new(),
        };
        let user = if identity.server_user.is_empty() { &identity.user } else { &identity.server_user };
        let agreed = serde_json::json!({"asked": request, "steps": steps});
        Self {
            api_version: API_VERSION.to_owned(),
            kind: RUN_KIND.to_owned(),
            run: identity.run.clone(),
            number: 1,
            task,
            state: RunState::Open,
            superseded_by: None,
            earlier_runs: Vec::new(),
            installation: identity.installation.clone(),
            user: user.clone(),
            process: format!("{}@{}, process {}", identity.user, identity.host, identity.pid),
            program_version: identity.version.clone(),
            plan_digest: digest_json(&agreed),
            started_at: now,
            finished_at: None,
            request,
            recorded_state,
            backup: None,
            crds_after_run: BTreeMap::new(),
            revisions: BTreeMap::new(),
            steps: steps.iter().map(planned).collect(),
        }
    }

    /// Goes on from an earlier run: what was there before it, and what it saved and left, count on.
    #[must_use]
    pub fn resume_from(mut self, earlier: &Self) -> Self {
        self.earlier_runs = earlier.run_ids();
        self.recorded_state.clone_from(&earlier.recorded_state);
        self.backup.clone_from(&earlier.backup);
        self.crds_after_run.clone_from(&earlier.crds_after_run);
        self.revisions.clone_from(&earlier.revisions);
        self
    }

    /// This run and all that it goes on from, oldest first.
    #[must_use]
    pub fn run_ids(&self) -> Vec<String> {
        self.earlier_runs.iter().cloned().chain([self.run.clone()]).collect()
    }

    /// Whether something of it is left to do.
    #[must_use]
    pub const fn is_unfinished(&self) -> bool {
        matches!(self.state, RunState::Open | RunState::Failed | RunState::Interrupted)
    }

    /// Whether it, or one that it goes on from, may have written something.
    #[must_use]
    pub fn has_written(&self) -> bool {
        !self.earlier_runs.is_empty()
            || self.steps.iter().any(|step| step.phase != StepPhase::Pending && step.action.is_write())
    }

    /// Notes that a step is about to begin.
    pub fn begin_step(&mut self, step: StepId, now: Timestamp) {
        self.update_step(step, |entry| (entry.phase, entry.started_at) = (StepPhase::Running, Some(now)));
    }

    /// Notes what came of a step.
    pub fn end_step(&mut self, step: StepId, phase: StepPhase, detail: &str, now: Timestamp) {
        let detail: String = detail.chars().take(MAX_DETAIL_CHARS).collect();
        self.update_step(step, |entry| {
            // A step that was refused before it began has not begun.
            let refused = entry.phase == StepPhase::Pending && phase == StepPhase::Failed;
            let phase = if refused { StepPhase::Pending } else { phase };
            (entry.phase, entry.finished_at, entry.detail) = (phase, Some(now), detail);
        });
    }

    fn update_step(&mut self, step: StepId, change: impl FnOnce(&mut StepEntry)) {
        if let Some(entry) = self.steps.iter_mut().find(|entry| entry.id == step) {
            change(entry);
        }
    }

    /// Notes the end of the run.
    pub const fn end_run(&mut self, state: RunState, now: Timestamp) {
        (self.state, self.finished_at) = (state, Some(now));
    }

    /// Notes that a later run stands in its place.
    pub fn supersede(&mut self, state: RunState, by: &str) {
        (self.state, self.superseded_by) = (state, Some(by.to_owned()));
    }

    fn started_steps(&self) -> impl Iterator<Item = &StepEntry> {
        self.steps.iter().filter(|step| step.phase != StepPhase::Pending)
    }

    /// The migrations that a step has begun: their CRDs may stand between two specs.
    pub fn started_migrations(&self) -> impl Iterator<Item = &CrdMigration> {
        self.started_steps().flat_map(|step| step.action.migrations())
    }

    /// The CRDs whose objects a step has begun to move.
    #[must_use]
    pub fn migrating_crds(&self) -> Vec<&str> {
        self.started_migrations().map(|migration| migration.name.as_str()).collect()
    }

    /// The CRDs that a step has begun to mark, so that helm keeps them.
    pub fn annotated_crds(&self) -> impl Iterator<Item = &String> {
        self.started_steps().flat_map(|step| step.action.annotated_crds())
    }

    /// Whether a step has proved of this CRD that it is served.
    #[must_use]
    pub fn has_verified(&self, crd: &str) -> bool {
        self.steps
            .iter()
            .any(|step| step.phase == StepPhase::Done && step.action.verified_crds().iter().any(|name| name == crd))
    }

    /// Whether CRDs may have been applied of which nobody has proved that they are served.
    #[must_use]
    pub fn has_unverified_crds(&self) -> bool {
        let open = self.steps.iter().any(|step| step.id == StepId::Served && step.phase != StepPhase::Done);
        let applied = self.steps.iter().find(|step| step.id == StepId::Crds);
        open && applied.is_none_or(|applied| applied.phase != StepPhase::Pending)
    }

    /// What of it the cluster proves to be done, and what is left, by the steps that a look at the cluster comes to now.
    #[must_use]
    pub fn partition_steps(&self, now: &[Step]) -> (Vec<StepId>, Vec<StepId>) {
        let left: Vec<StepId> = now.iter().map(|step| step.id).collect();
        let written = self.steps.iter().filter(|step| step.action.is_write()).map(|step| step.id);
        (written.filter(|id| !left.contains(id)).collect(), left)
    }

    /// Where it stands, as a short line: `done crds, served; started mural; pending validate`.
    #[must_use]
    pub fn summarize_steps(&self) -> String {
        let of = |phase: StepPhase, word: &str| {
            let ids: Vec<&str> =
                self.steps.iter().filter(|step| step.phase == phase).map(|step| step.id.as_str()).collect();
            (!ids.is_empty()).then(|| format!("{word} {}", ids.join(", ")))
        };
        let words = [
            (StepPhase::Done, "done"),
            (StepPhase::Running, "started"),
            (StepPhase::Failed, "failed"),
            (StepPhase::Pending, "pending"),
        ];
        words.into_iter().filter_map(|(phase, word)| of(phase, word)).collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
pub(crate) mod tests;
