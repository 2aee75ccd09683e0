//! Waivers that are expired or match no finding.

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "waivers-current",
    section: Section::Guards,
    title: "waivers that are used and not expired",
    level: Level::Warning,
    why: "An expired waiver has no effect. An unused waiver would hide the next finding of its kind.",
    fix: "Remove the waiver from the file, or review it and set a new expiry date.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Reports each expired and each unused waiver.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let notes = context.waiver_notes;
    let findings = notes.iter().map(|note| CARD.finding(note.subject.clone(), note.message.clone(), CARD.fix));
    CheckResult::new(&CARD, notes.len(), Verdict::from_findings(findings.collect()))
}
