//! Journal entries of earlier runs that this version cannot read and would otherwise overwrite.

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};
use crate::model::task::Task;
use crate::plan::journal::{SECRET_NAME, UnreadableRun};

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "journal-readable",
    section: Section::Guards,
    title: "a readable journal of earlier runs",
    level: Level::Error,
    why: "The journal records the steps and the backup of an interrupted run. Without it, the upgrade would continue \
        from the wrong step.",
    fix: "Use the version that wrote the journal, or a newer one. Set a damaged journal aside: kubectl mural upgrade \
        repair",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::Rollback], check };

/// Fails for each entry that is damaged or from a newer version.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
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

const NEWER_FORMAT_HINT: &str = "use the version that wrote it, or a newer one; this version: kubectl mural version";
const DAMAGED_ENTRY_HINT: &str =
    "run kubectl mural upgrade repair to show it and set it aside; releases and CRDs do not change";
