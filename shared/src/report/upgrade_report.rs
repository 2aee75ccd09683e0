//! The report of an upgrade: the plan, the outcome of each step, and the final check.
//!
//! Owns the values and the outcome of a plan that is not run. `run/` fills them; `upgrade_result.rs` and `upgrade_markdown.rs` render
//! them, and `-o json` prints them.

use jiff::Timestamp;
use serde::Serialize;

use super::validate::FindingDiff;
use crate::model::check::CheckResult;
use crate::model::release_status::ReleaseStatus;
use crate::model::text_format::truncate_to_seconds;
use crate::model::workload_availability::IncompleteRollout;
use crate::plan::repair::Issue;
use crate::plan::rollback_plan::RollbackPlan;
use crate::plan::{API_VERSION, Plan, PlanVerdict, StepId};
use crate::problem::Exit;

/// The outcome of one step.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepOutcome {
    /// The step.
    pub step: StepId,
    /// `done`, `failed` or `not-done`.
    pub state: StepState,
    /// The result, or the reason of the failure.
    pub detail: String,
    /// How long it took.
    pub seconds: f64,
}

/// The state of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    /// Done and verified.
    Done,
    /// Started, and failed.
    Failed,
    /// Not started.
    NotStarted,
}

/// The outcome of an upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// There was nothing to do.
    NothingToDo,
    /// There are changes, and only a plan was requested.
    Planned,
    /// A guard refused, or the operator did not confirm.
    Refused,
    /// A guard is undetermined.
    Undetermined,
    /// Done and verified.
    Succeeded,
    /// A step failed.
    Failed,
}

/// The final check: findings that the run brought, and those that existed before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FinalCheck {
    /// All checks.
    pub checks: Vec<CheckResult>,
    /// New, resolved and pre-existing findings.
    pub comparison: FindingDiff,
}

/// What a run that failed or was interrupted left.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StateAfterFailure {
    /// The command that continues the run, as words; empty if the same command does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub continue_command: Vec<String>,
    /// The releases that got a revision in the run.
    pub releases: Vec<ReleaseAfterFailure>,
    /// The rollouts that are not complete.
    pub incomplete_rollouts: Vec<IncompleteRollout>,
}

/// A release as a failed or interrupted run left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseAfterFailure {
    /// The release.
    pub release: String,
    /// Its newest revision.
    #[serde(flatten)]
    pub newest: NewestRevision,
}

/// The newest revision of a release after a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state", rename_all_fields = "camelCase")]
pub enum NewestRevision {
    /// helm wrote a revision in this run.
    Written {
        /// Its number.
        revision: u64,
        /// Its chart version.
        chart_version: String,
        /// Its status.
        status: ReleaseStatus,
        /// The newest revision before the run; none if the release was not installed.
        #[serde(skip_serializing_if = "Option::is_none")]
        revision_before: Option<u64>,
    },
    /// The records cannot be read.
    Unreadable {
        /// Why.
        reason: String,
    },
}

/// Which operation a report is about; it is the `kind` of the JSON document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ReportKind {
    /// An upgrade, or a saved plan that was applied.
    #[serde(rename = "UpgradeReport")]
    Upgrade,
    /// A rollback.
    #[serde(rename = "RollbackReport")]
    Rollback,
    /// A repair.
    #[serde(rename = "RepairReport")]
    Repair,
    /// CRDs alone (`helm mural crds apply`).
    CrdApply,
}

/// The report of an upgrade, a rollback, a repair or an apply of CRDs.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UpgradeReport {
    /// `mural/v1`
    pub api_version: &'static str,
    /// The operation.
    pub kind: ReportKind,
    /// The run's id, which is also the value of the release label `mural.dev/run`.
    pub run: String,
    /// The outcome.
    pub outcome: Outcome,
    /// The process exit code.
    pub exit_code: u8,
    /// The plan.
    pub plan: Plan,
    /// The outcome of each step.
    pub steps: Vec<StepOutcome>,
    /// What a rollback restores, what stays and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback_plan: Option<RollbackPlan>,
    /// The issues that a repair has found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub issues: Vec<Issue>,
    /// The final check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub final_check: Option<FinalCheck>,
    /// When the report was made, in whole seconds.
    pub created_at: Timestamp,
    /// The version of this program.
    pub tool_version: &'static str,
    /// The verdict on the plan.
    pub verdict: PlanVerdict,
    /// The command that performs exactly this plan, as words; empty unless the command ended with the plan.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub perform_command: Vec<String>,
    /// What a run that failed or was interrupted left; `None` after any other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_failure: Option<StateAfterFailure>,
    /// How long everything took.
    pub seconds: f64,
    /// How much of it the lock, the journal and the backup took.
    pub overhead_seconds: f64,
}

impl UpgradeReport {
    /// The next command for the operator, as words: it performs the plan, or continues the run. Empty if there is none.
    #[must_use]
    pub fn next_command(&self) -> &[String] {
        match &self.after_failure {
            Some(state) => &state.continue_command,
            None => &self.perform_command,
        }
    }

    /// The outcome of a plan before any confirmation or write; `None` if it has changes and no guard refuses.
    #[must_use]
    pub fn outcome_before_run(plan: &Plan) -> Option<(Outcome, Exit)> {
        if plan.is_refused() {
            Some((Outcome::Refused, Exit::Refused))
        } else if plan.is_undetermined() {
            Some((Outcome::Undetermined, Exit::ChecksFailed))
        } else {
            (!plan.has_changes()).then_some((Outcome::NothingToDo, Exit::Success))
        }
    }

    /// Builds the report of a plan that was not run.
    #[must_use]
    pub fn new(run: String, plan: Plan, (outcome, exit): (Outcome, Exit), seconds: f64, now: Timestamp) -> Self {
        Self {
            api_version: API_VERSION,
            kind: ReportKind::Upgrade,
            run,
            outcome,
            exit_code: exit.code(),
            created_at: truncate_to_seconds(now),
            tool_version: env!("CARGO_PKG_VERSION"),
            verdict: plan.verdict(),
            plan,
            steps: Vec::new(),
            rollback_plan: None,
            issues: Vec::new(),
            final_check: None,
            perform_command: Vec::new(),
            after_failure: None,
            seconds,
            overhead_seconds: 0.0,
        }
    }
}
