//! A saved plan, or a run that was cut off, goes on in the world that it was made for, or not at all.

use super::Admission;
use crate::checks::{Card, Checked, Level, Section, Verdict};

/// The card.
pub static CARD: Card = Card {
    id: "saved-plan-holds",
    section: Section::Guards,
    title: "the world is as the saved plan, or the interrupted run, left it",
    level: Level::Error,
    why: "A saved plan was read and agreed to, and so was the run that resume goes on from. What somebody else has moved since (a CRD, a release, a chart's bytes, the values) makes it another upgrade than the one agreed to.",
    fix: "Look who moved it and why. Then make a new plan with kubectl mural upgrade plan …, read it, and do that one.",
};

/// One thing that is not as it was when a plan was saved, or a run cut off.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moved {
    /// `CRD pools.small.example.com`, `release mural`, `values`
    pub what: String,
    /// How it is other than it was.
    pub how: String,
    /// What to do about it; empty where the card says it.
    pub hint: &'static str,
}

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
