//! The report of an upgrade: the plan, the outcome of each step, and the final check.

use serde::Serialize;

use super::validate::FindingDiff;
use crate::model::check::CheckResult;
use crate::plan::repair::Issue;
use crate::plan::rollback_plan::RollbackPlan;
use crate::plan::{API_VERSION, Plan, StepId};
use crate::problem::Exit;

/// How one step ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepOutcome {
    /// Which step.
    pub step: StepId,
    /// `done`, `failed` or `not-done`.
    pub state: StepState,
    /// What came of it.
    pub detail: String,
    /// How long it took.
    pub seconds: f64,
}

/// How far a step came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    /// Done and verified.
    Done,
    /// Begun, and not done.
    Failed,
    /// Not begun.
    NotStarted,
}

/// How an upgrade ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// There was nothing to do.
    NothingToDo,
    /// There is something to do, and it was only asked what.
    Planned,
    /// A guard refused, or the person at the terminal did.
    Refused,
    /// A guard could not look.
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
    /// Every check.
    pub checks: Vec<CheckResult>,
    /// New, resolved and pre-existing findings.
    pub comparison: FindingDiff,
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

/// The whole answer.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UpgradeReport {
    /// `mural/v1`
    pub api_version: &'static str,
    /// Which operation it is about.
    pub kind: ReportKind,
    /// The run's id: the release label `mural.dev/run` carries it.
    pub run: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The process exit code.
    pub exit_code: u8,
    /// What was planned.
    pub plan: Plan,
    /// What was done.
    pub steps: Vec<StepOutcome>,
    /// What a rollback restores, and what stays and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback_plan: Option<RollbackPlan>,
    /// The issues that a repair has found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub issues: Vec<Issue>,
    /// The final check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub final_check: Option<FinalCheck>,
    /// How long everything took.
    pub seconds: f64,
    /// How much of it was for the lock, the journal and the backup.
    pub overhead_seconds: f64,
}

impl UpgradeReport {
    /// How a plan ends by itself, before anything is asked or written; `None` where there is something to do and nothing against it.
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

    /// A report of a plan that was not run.
    #[must_use]
    pub const fn new(run: String, plan: Plan, outcome: Outcome, exit: Exit, seconds: f64) -> Self {
        Self {
            api_version: API_VERSION,
            kind: ReportKind::Upgrade,
            run,
            outcome,
            exit_code: exit.code(),
            plan,
            steps: Vec::new(),
            rollback_plan: None,
            issues: Vec::new(),
            final_check: None,
            seconds,
            overhead_seconds: 0.0,
        }
    }
}
