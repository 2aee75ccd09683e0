//! The journal: before each step what it is about to do, after it the result. It is a Secret in the cluster, so that anyone can
//! resume or roll back. It holds no values and nothing secret.

mod codec;
mod last_run;
pub mod resume_drift;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::recorded_state::{RecordedCrd, RecordedState};
use super::saved_plan::RecordedRequest;
use super::value_hash::digest_json;
use super::{API_VERSION, Action, CrdMigration, Step, StepId};
use crate::ask::join_command;
use crate::model::lease::HolderIdentity;
use crate::model::release_role::ReleaseRole;
pub use crate::model::task::Task;
use crate::model::text_format::format_count;

pub use last_run::summarize_last_run;

pub use codec::{
    JournalSnapshot, MAX_PACKED_BYTES, MAX_RUNS, SECRET_NAME, UnreadableRun, build_secret, parse_journal, without_runs,
};

/// The kind of a run's document.
const RUN_KIND: &str = "UpgradeRun";
/// The longest step result that is recorded, in characters.
const MAX_DETAIL_CHARS: usize = 600;

/// The state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// Running or interrupted: only the Lease shows which.
    Open,
    /// Done and verified.
    Done,
    /// A step failed.
    Failed,
    /// Stopped by Ctrl-C.
    Interrupted,
    /// A later run resumed it.
    Superseded,
    /// A later run rolled it back.
    RolledBack,
}

impl RunState {
    /// The state in a word or two.
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

/// The phase of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepPhase {
    /// Not started.
    Pending,
    /// Started: it may be done, half done, or not done.
    Running,
    /// Done and verified.
    Done,
    /// Started and failed.
    Failed,
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepEntry {
    /// Which step.
    pub id: StepId,
    /// The task of the run.
    pub title: String,
    /// The action, as data.
    #[serde(flatten)]
    pub action: Action,
    /// Its phase.
    pub phase: StepPhase,
    /// When it started, by the workstation's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// The result.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// The backup of a run, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupRef {
    /// The workstation's host name.
    pub host: String,
    /// The folder on that workstation.
    pub folder: String,
    /// The digest of the list of its files and their digests. A backup with another list was modified.
    pub digest: String,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// The number of CRDs in it.
    pub crd_count: u64,
    /// The number of custom resources in it.
    pub object_count: u64,
    /// The copy in the installation's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy: Option<BackupCopy>,
}

/// The copy of a backup in Secrets beside the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupCopy {
    /// The run that made it; it is part of the names of the Secrets.
    pub run: String,
    /// The number of Secrets.
    pub secrets: usize,
}

impl BackupRef {
    /// `1 CRD, 131 objects`
    #[must_use]
    pub fn summarize(&self) -> String {
        let count = |number: u64, one: &str| format_count(usize::try_from(number).unwrap_or(usize::MAX), one);
        match (self.crd_count, self.object_count) {
            (0, 0) => "no CRD and no object".to_owned(),
            (crds, objects) => format!("{}, {}", count(crds, "CRD"), count(objects, "object")),
        }
    }
}

/// A run, as the journal records it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunEntry {
    /// `mural/v1`
    pub api_version: String,
    /// `UpgradeRun`
    pub kind: String,
    /// The run's id; it starts with the start time.
    pub run: String,
    /// 1, 2, …: the order in which runs acquired the Lease. Clocks of workstations differ.
    #[serde(default)]
    pub number: u64,
    /// What the run does.
    pub task: Task,
    /// Its state.
    pub state: RunState,
    /// The run that resumed it or rolled it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<String>,
    /// Earlier runs that it resumes, oldest first; for a rollback, the runs that it rolls back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier_runs: Vec<String>,
    /// `namespace/release`
    pub installation: String,
    /// The user, as the API server authenticated it.
    pub user: String,
    /// `user@host, process 4711`
    pub process: String,
    /// The version of this program.
    pub program_version: String,
    /// The digest of the request and the steps; it covers no values.
    pub plan_digest: String,
    /// When it started, by the workstation's clock.
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// The request: charts by reference and digest, never values.
    pub request: RecordedRequest,
    /// The state before the first run of the chain; of the values only a keyed hash.
    pub recorded_state: RecordedState,
    /// The backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupRef>,
    /// The CRDs as this run, or a run that it resumes, left them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub crds_after_run: BTreeMap<String, RecordedCrd>,
    /// The revisions that the run wrote, by release.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub revisions: BTreeMap<String, u64>,
    /// The command that continues the run, as words. A value of `--set` is left out: the journal holds no values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub continue_command: Vec<String>,
    /// The steps, in order.
    pub steps: Vec<StepEntry>,
}

impl RunEntry {
    /// A run that is about to start.
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
            continue_command: Vec::new(),
            steps: steps.iter().map(planned).collect(),
        }
    }

    /// Resumes an earlier run: its recorded state, its backup and its results carry over.
    #[must_use]
    pub fn resume_from(mut self, earlier: &Self) -> Self {
        self.earlier_runs = earlier.run_ids();
        self.recorded_state.clone_from(&earlier.recorded_state);
        self.backup.clone_from(&earlier.backup);
        self.crds_after_run.clone_from(&earlier.crds_after_run);
        self.revisions.clone_from(&earlier.revisions);
        self
    }

    /// This run and all runs that it resumes, oldest first.
    #[must_use]
    pub fn run_ids(&self) -> Vec<String> {
        self.earlier_runs.iter().cloned().chain([self.run.clone()]).collect()
    }

    /// The command that continues the run, for a shell. A run of an older version has not recorded it.
    #[must_use]
    pub fn format_continue_command(&self) -> String {
        match (self.continue_command.is_empty(), self.task) {
            (false, _) => join_command(&self.continue_command),
            (true, Task::Rollback) => "kubectl mural upgrade rollback".to_owned(),
            (true, Task::Upgrade | Task::Repair | Task::ApplyCrds) => "kubectl mural upgrade resume".to_owned(),
        }
    }

    /// Whether a step is left to do.
    #[must_use]
    pub const fn is_unfinished(&self) -> bool {
        matches!(self.state, RunState::Open | RunState::Failed | RunState::Interrupted)
    }

    /// Whether it, or a run that it resumes, may have written something.
    #[must_use]
    pub fn has_written(&self) -> bool {
        !self.earlier_runs.is_empty()
            || self.steps.iter().any(|step| step.phase != StepPhase::Pending && step.action.is_write())
    }

    /// Records that a step is about to start.
    pub fn begin_step(&mut self, step: StepId, now: Timestamp) {
        self.update_step(step, |entry| (entry.phase, entry.started_at) = (StepPhase::Running, Some(now)));
    }

    /// Records the result of a step.
    pub fn end_step(&mut self, step: StepId, phase: StepPhase, detail: &str, now: Timestamp) {
        let detail: String = detail.chars().take(MAX_DETAIL_CHARS).collect();
        self.update_step(step, |entry| {
            // A step that a guard refused has not started.
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

    /// Records the end of the run.
    pub const fn end_run(&mut self, state: RunState, now: Timestamp) {
        (self.state, self.finished_at) = (state, Some(now));
    }

    /// Records that a later run supersedes it.
    pub fn supersede(&mut self, state: RunState, by: &str) {
        (self.state, self.superseded_by) = (state, Some(by.to_owned()));
    }

    fn started_steps(&self) -> impl Iterator<Item = &StepEntry> {
        self.steps.iter().filter(|step| step.phase != StepPhase::Pending)
    }

    /// The migrations that a step has started: their CRDs may be transitional CRDs.
    pub fn started_migrations(&self) -> impl Iterator<Item = &CrdMigration> {
        self.started_steps().flat_map(|step| step.action.migrations())
    }

    /// The CRDs whose objects a step has started to migrate.
    #[must_use]
    pub fn migrating_crds(&self) -> Vec<&str> {
        self.started_migrations().map(|migration| migration.name.as_str()).collect()
    }

    /// The CRDs that a step has started to annotate with keep.
    pub fn annotated_crds(&self) -> impl Iterator<Item = &String> {
        self.started_steps().flat_map(|step| step.action.annotated_crds())
    }

    /// Whether a step has verified that the API server serves this CRD.
    #[must_use]
    pub fn has_verified(&self, crd: &str) -> bool {
        self.steps
            .iter()
            .any(|step| step.phase == StepPhase::Done && step.action.verified_crds().iter().any(|name| name == crd))
    }

    /// Whether the run may have applied CRDs that no step has verified.
    #[must_use]
    pub fn has_unverified_crds(&self) -> bool {
        let open = self.steps.iter().any(|step| step.id == StepId::Served && step.phase != StepPhase::Done);
        let applied = self.steps.iter().find(|step| step.id == StepId::Crds);
        open && applied.is_none_or(|applied| applied.phase != StepPhase::Pending)
    }

    /// Whether the step that writes the application's release has failed.
    #[must_use]
    pub fn has_failed_release(&self) -> bool {
        let release = StepId::Release(ReleaseRole::App);
        self.steps.iter().any(|step| step.id == release && step.phase == StepPhase::Failed)
    }

    /// The steps that the cluster shows as done, and those that are left, given the steps that a new plan has.
    #[must_use]
    pub fn partition_steps(&self, now: &[Step]) -> (Vec<StepId>, Vec<StepId>) {
        let left: Vec<StepId> = now.iter().map(|step| step.id).collect();
        let written = self.steps.iter().filter(|step| step.action.is_write()).map(|step| step.id);
        (written.filter(|id| !left.contains(id)).collect(), left)
    }

    /// Its progress as a short line: `done crds, served; started mural; pending validate`.
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
