//! Waivers that are still needed, and still hold.

use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};

/// The card.
pub static CARD: Card = Card {
    id: "waivers-current",
    section: Section::Guards,
    title: "every waiver is needed, and holds",
    level: Level::Warning,
    why: "An expired waiver waives nothing, so what it answered for is a finding again; one that waives nothing any more hides the next finding of its kind.",
    fix: "Take it out of the file, or look again and renew its day.",
};

/// The guard: what is wrong with the waivers of this run.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    let notes = context.waiver_notes;
    let findings = notes.iter().map(|note| CARD.finding(note.subject.clone(), note.message.clone(), CARD.fix));
    CheckResult::new(&CARD, notes.len(), Verdict::from_findings(findings.collect()))
}
