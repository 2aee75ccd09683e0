//! The verdict on a plan in one line: may it run, what must the operator decide, or why is it refused.
//!
//! Input: a plan. Output: a value for the first line of every form of the plan. The guards decide; this only counts.

use serde::Serialize;

use super::{CrdDecision, ObjectChangeKind, Plan};
use crate::model::check::{CheckResult, Level, VerdictCounts};
use crate::model::text_format::format_count;

/// The verdict on a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "decision", rename_all_fields = "camelCase")]
pub enum PlanVerdict {
    /// Everything is as requested.
    NothingToDo,
    /// No guard objects, and a rollback restores everything.
    Safe {
        /// Guards that passed.
        passed: usize,
    },
    /// The operator must know something before the run.
    NeedsDecision {
        /// What to decide, in a few words each.
        reasons: Vec<String>,
    },
    /// A guard could not read its input.
    Undetermined {
        /// How many guards.
        guards: usize,
    },
    /// A guard refuses.
    Refused {
        /// How many findings refuse.
        reasons: usize,
    },
}

impl Plan {
    /// The verdict on this plan.
    #[must_use]
    pub fn verdict(&self) -> PlanVerdict {
        let counts = VerdictCounts::from_results(&self.guards);
        if self.is_refused() {
            let errors = self.guards.iter().flat_map(CheckResult::findings);
            return PlanVerdict::Refused { reasons: errors.filter(|finding| finding.level == Level::Error).count() };
        }
        if self.is_undetermined() {
            return PlanVerdict::Undetermined { guards: counts.undetermined };
        }
        if !self.has_changes() {
            return PlanVerdict::NothingToDo;
        }
        let reasons = self.list_decisions(counts.warnings);
        match reasons.is_empty() {
            true => PlanVerdict::Safe { passed: counts.passed },
            false => PlanVerdict::NeedsDecision { reasons },
        }
    }

    /// The plan without steps and changes if the records of a release cannot be read: they would be decided as if it were not
    /// installed. The guards stop such a run.
    #[must_use]
    pub fn without_guesses(self) -> Self {
        if self.find_unread_release().is_none() {
            return self;
        }
        let (steps, objects, values, unchanged_items) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { steps, objects, values, unchanged_items, ..self }
    }

    /// What the operator decides with "yes".
    fn list_decisions(&self, warnings: usize) -> Vec<String> {
        let count_crds = |decision| self.crds.iter().filter(|crd| crd.decision == decision).count();
        let deleted = self.objects.iter().filter(|object| object.change == ObjectChangeKind::Delete).count();
        let counted = [
            (warnings, format_count(warnings, "warning")),
            (count_crds(CrdDecision::Breaking), format_count(count_crds(CrdDecision::Breaking), "breaking CRD")),
            (count_crds(CrdDecision::Risky), format_count(count_crds(CrdDecision::Risky), "risky CRD")),
            (deleted, format!("helm deletes {}", format_count(deleted, "object"))),
        ];
        let limit = self.rollback_limit().and_then(|limit| self.steps.iter().position(|step| step.id == limit.step));
        let limit = limit.map(|at| format!("after step {} a rollback is only partial", at + 1));
        counted.into_iter().filter(|(count, _)| *count > 0).map(|(_, text)| text).chain(limit).collect()
    }
}

impl PlanVerdict {
    /// The verdict in one line, without a mark.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::NothingToDo => "nothing to do".to_owned(),
            Self::Safe { passed } => format!("safe to run: {} passed", format_count(*passed, "guard")),
            Self::NeedsDecision { reasons } => format!("needs your decision: {}", reasons.join(", ")),
            Self::Undetermined { guards } => {
                let who = format_count(*guards, "guard");
                format!("undetermined: {who} could not read the input; the end has the reason")
            }
            Self::Refused { reasons } => {
                format!("refused: {}; the end has each with its next step", format_count(*reasons, "reason"))
            }
        }
    }
}
