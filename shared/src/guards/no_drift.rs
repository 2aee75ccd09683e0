//! Changes of the cluster, charts or values since a saved plan or an interrupted run.

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};
use crate::model::task::Task;
use crate::plan::drift::DriftItem;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "no-drift",
    section: Section::Guards,
    title: "a cluster that is unchanged since the saved plan or the interrupted run",
    level: Level::Error,
    why: "You approved the saved plan for a known state. If a CRD, a release, a chart or the values changed since \
        then, the same plan has other effects.",
    fix: "Find out what changed the cluster. Then create and read a new plan: kubectl mural upgrade plan …",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Fails for each change. Skipped without a saved plan or an interrupted run.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let verdict = match context.drift {
        None => Verdict::Skipped { reason: "no saved plan or interrupted run to compare with".to_owned() },
        Some(Err(failure)) => Verdict::Undetermined { reason: failure.to_string() },
        Some(Ok(drift)) => {
            let finding = |item: &DriftItem| {
                let hint = if item.hint.is_empty() { CARD.fix } else { item.hint };
                CARD.finding(item.subject.to_string(), item.change.clone(), hint)
            };
            Verdict::from_findings(drift.iter().map(finding).collect())
        }
    };
    CheckResult::new(&CARD, 1, verdict)
}
