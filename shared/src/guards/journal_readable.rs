//! The journal of earlier runs can be read: who cannot read it would write over what is to be gone on from.

use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};
use crate::plan::journal::{SECRET_NAME, UnreadableRun};

/// The card.
pub static CARD: Card = Card {
    id: "journal-readable",
    section: Section::Guards,
    title: "the journal of earlier runs can be read",
    level: Level::Error,
    why: "The journal says what an interrupted run has done and what it saved. A version that cannot read it would take a half-done upgrade for none, and go on from the wrong place.",
    fix: "Use the version that wrote it, or a newer one. What is damaged is set aside by kubectl mural upgrade repair.",
};

/// The guard: every run in the journal is one that this version knows.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    let (verdict, count) = match context.journal {
        Err(failure) => (Verdict::Undetermined { reason: failure.to_string() }, 1),
        Ok(journal) => {
            let finding = |unread: &UnreadableRun| {
                let hint = if unread.from_newer_version { NEWER_FORMAT_HINT } else { DAMAGED_ENTRY_HINT };
                let subject = format!("run {} in Secret {}/{SECRET_NAME}", unread.run, context.view.cluster.namespace);
                CARD.finding(subject, unread.reason.clone(), hint)
            };
            let findings = journal.unreadable_runs.iter().map(finding).collect();
            (Verdict::from_findings(findings), journal.runs.len() + journal.unreadable_runs.len())
        }
    };
    CheckResult::new(&CARD, count.max(1), verdict)
}

const NEWER_FORMAT_HINT: &str =
    "use the version that wrote it, or a newer one: kubectl mural version says which this is";
const DAMAGED_ENTRY_HINT: &str =
    "kubectl mural upgrade repair shows it and sets it aside; releases and CRDs are not touched by that";
