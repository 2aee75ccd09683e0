//! CRDs that the API server would reject.

use crate::diff;
use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "crds-dry-run",
    section: Section::Guards,
    title: "CRDs that the API server accepts",
    level: Level::Error,
    why: "If the API server rejects one CRD, the cluster has both new and old CRDs.",
    fix: "Fix the field in the message. To remove a stored version, migrate its objects first with --migrate.",
};

/// The tasks that it applies to.
pub const GUARD: Guard =
    Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::Rollback, Task::Repair, Task::ApplyCrds], check };

/// Fails for each CRD that the server-side dry run rejects: it runs the same validation as the write. Without a dry run, the
/// known rules of the API server can still fail the guard, but it never passes.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    if !context.server_dry_run {
        return CheckResult::new(&CARD, context.forecasts.len(), predict_verdict(context));
    }
    let refused = context.forecasts.iter().filter_map(|(name, answer)| Some((name, answer.as_ref().err()?)));
    let findings = refused.map(|(name, words)| build_finding(name, "the API server rejects it", words));
    CheckResult::new(&CARD, context.forecasts.len(), Verdict::from_findings(findings.collect()))
}

fn predict_verdict(context: &GuardContext<'_>) -> Verdict {
    let live = match &context.view.crds {
        Ok(live) => live,
        Err(failure) => return Verdict::Undetermined { reason: failure.to_string() },
    };
    let pairs = context.forecasts.iter().filter_map(|(name, wanted)| Some((live.get(name)?, wanted.as_ref().ok()?)));
    let findings: Vec<Finding> = pairs
        .flat_map(|(old, new)| {
            diff::predict_update_rejections(old.json(), new.json()).into_iter().map(move |refusal| (old, refusal))
        })
        .map(|(old, refusal)| build_finding(old.name(), "the API server would reject it", &refusal.to_string()))
        .collect();
    if findings.is_empty() {
        return Verdict::Undetermined { reason: "--dry-run=client sends no dry-run requests".to_owned() };
    }
    Verdict::from_findings(findings)
}

fn build_finding(name: &str, says: &str, words: &str) -> Finding {
    let hint = if words.contains("storedVersions") {
        "set --migrate to migrate the objects that are stored in that version first"
    } else {
        CARD.fix
    };
    CARD.finding(format!("CRD {name}"), format!("{says}: {words}"), hint)
}
