//! The journal of earlier runs can be read: who cannot read it would write over what is to be gone on from.

use crate::guards::context::Admission;
use crate::model::check::{Card, Checked, Level, Section, Verdict};
use crate::plan::journal::{SECRET, Unread};

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
pub fn check(admission: &Admission<'_>) -> Checked {
    let (verdict, count) = match admission.journal {
        Err(not_seen) => (Verdict::Undetermined { reason: not_seen.to_string() }, 1),
        Ok(journal) => {
            let finding = |unread: &Unread| {
                let hint = if unread.newer { NEWER } else { DAMAGED };
                let subject = format!("run {} in Secret {}/{SECRET}", unread.run, admission.view.hub.namespace);
                CARD.finding(subject, unread.reason.clone(), hint)
            };
            let findings = journal.unread.iter().map(finding).collect();
            (Verdict::from_findings(findings), journal.runs.len() + journal.unread.len())
        }
    };
    Checked::new(&CARD, count.max(1), verdict)
}

const NEWER: &str = "use the version that wrote it, or a newer one: kubectl mural version says which this is";
const DAMAGED: &str =
    "kubectl mural upgrade repair shows it and sets it aside; releases and CRDs are not touched by that";
