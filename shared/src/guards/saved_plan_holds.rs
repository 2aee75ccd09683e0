//! A saved plan, or a run that was cut off, goes on in the world that it was made for, or not at all.

use crate::guards::context::Admission;
use crate::model::check::{Card, Checked, Level, Section, Verdict};
use crate::plan::drift::Moved;

/// The card.
pub static CARD: Card = Card {
    id: "saved-plan-holds",
    section: Section::Guards,
    title: "the world is as the saved plan, or the interrupted run, left it",
    level: Level::Error,
    why: "A saved plan was read and agreed to, and so was the run that resume goes on from. What somebody else has moved since (a CRD, a release, a chart's bytes, the values) makes it another upgrade than the one agreed to.",
    fix: "Look who moved it and why. Then make a new plan with kubectl mural upgrade plan …, read it, and do that one.",
};

/// The guard; skipped where neither is followed.
#[must_use]
pub fn check(admission: &Admission<'_>) -> Checked {
    let verdict = match admission.moved {
        None => Verdict::Skipped { reason: "no saved plan is followed".to_owned() },
        Some(Err(not_seen)) => Verdict::Undetermined { reason: not_seen.to_string() },
        Some(Ok(moved)) => {
            let finding = |moved: &Moved| {
                let hint = if moved.hint.is_empty() { CARD.fix } else { moved.hint };
                CARD.finding(moved.what.clone(), moved.how.clone(), hint)
            };
            Verdict::from_findings(moved.iter().map(finding).collect())
        }
    };
    Checked::new(&CARD, 1, verdict)
}
