//! A saved plan, or a run that was cut off, goes on in the world that it was made for, or not at all.

use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};
use crate::plan::drift::DriftItem;

/// The card.
pub static CARD: Card = Card {
    id: "no-drift",
    section: Section::Guards,
    title: "the world is as the saved plan, or the interrupted run, left it",
    level: Level::Error,
    why: "A saved plan was read and agreed to, and so was the run that resume goes on from. What somebody else has moved since (a CRD, a release, a chart's bytes, the values) makes it another upgrade than the one agreed to.",
    fix: "Look who moved it and why. Then make a new plan with kubectl mural upgrade plan …, read it, and do that one.",
};

/// The guard; skipped where neither is followed.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    let verdict = match context.moved {
        None => Verdict::Skipped { reason: "no saved plan is followed".to_owned() },
        Some(Err(failure)) => Verdict::Undetermined { reason: failure.to_string() },
        Some(Ok(drift)) => {
            let finding = |item: &DriftItem| {
                let hint = if item.hint.is_empty() { CARD.fix } else { item.hint };
                CARD.finding(item.subject.clone(), item.change.clone(), hint)
            };
            Verdict::from_findings(drift.iter().map(finding).collect())
        }
    };
    CheckResult::new(&CARD, 1, verdict)
}
