//! CRDs that the API server would reject.

use crate::diff;
use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::dry_run::{CrdDryRunResult, DryRunRejection, RejectionKind};
use crate::model::rejection::Rejection;
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
    let findings: Vec<Finding> = context
        .forecasts
        .iter()
        .filter_map(|(name, answer)| match answer {
            CrdDryRunResult::Rejected(rejection) if rejection.kind() != RejectionKind::Forbidden => {
                Some(build_rejection_finding(name, rejection))
            }
            CrdDryRunResult::Rejected(_)
            | CrdDryRunResult::Accepted(_)
            | CrdDryRunResult::NotAsked(_)
            | CrdDryRunResult::NoAnswer(_) => None,
        })
        .collect();
    let verdict = match describe_missing_answers(context) {
        Some(reason) if findings.is_empty() => Verdict::Undetermined { reason },
        _ => Verdict::from_findings(findings),
    };
    CheckResult::new(&CARD, context.forecasts.len(), verdict)
}

/// How many CRDs the server did not judge, and why. A missing permission says nothing of the CRD; `permissions` reports it.
fn describe_missing_answers(context: &GuardContext<'_>) -> Option<String> {
    let mut missing = context.forecasts.iter().filter_map(|(name, answer)| match answer {
        CrdDryRunResult::NoAnswer(reason) => Some((name, reason)),
        CrdDryRunResult::Rejected(rejection) if rejection.kind() == RejectionKind::Forbidden => {
            Some((name, &rejection.message))
        }
        CrdDryRunResult::Accepted(_) | CrdDryRunResult::NotAsked(_) | CrdDryRunResult::Rejected(_) => None,
    });
    let (name, reason) = missing.next()?;
    let others = match missing.count() {
        0 => String::new(),
        count => format!(" (and {count} more)"),
    };
    Some(format!("no answer to the dry run of CRD {name}{others}: {reason}"))
}

fn predict_verdict(context: &GuardContext<'_>) -> Verdict {
    let live = match &context.view.crds {
        Ok(live) => live,
        Err(failure) => return Verdict::Undetermined { reason: failure.to_string() },
    };
    let pairs = context.forecasts.iter().filter_map(|(name, wanted)| Some((live.get(name)?, wanted.planned_crd()?)));
    let findings: Vec<Finding> = pairs
        .flat_map(|(old, new)| {
            diff::predict_update_rejections(old.json(), new.json()).into_iter().map(move |refusal| (old, refusal))
        })
        .map(|(old, refusal)| build_predicted_finding(old.name(), &refusal))
        .collect();
    if findings.is_empty() {
        return Verdict::Undetermined { reason: "--dry-run=client sends no dry-run requests".to_owned() };
    }
    Verdict::from_findings(findings)
}

fn build_rejection_finding(name: &str, rejection: &DryRunRejection) -> Finding {
    let hint = match rejection.kind() {
        RejectionKind::StoredVersion => MIGRATE_HINT,
        RejectionKind::ImmutableField
        | RejectionKind::Forbidden
        | RejectionKind::QuotaExceeded
        | RejectionKind::FieldConflict
        | RejectionKind::DuplicateItem
        | RejectionKind::Other => CARD.fix,
    };
    CARD.finding(format!("CRD {name}"), format!("the API server rejects it: {}", rejection.message), hint)
}

fn build_predicted_finding(name: &str, rejection: &Rejection) -> Finding {
    let hint = if rejection.field.starts_with("status.storedVersions") { MIGRATE_HINT } else { CARD.fix };
    CARD.finding(format!("CRD {name}"), format!("the API server would reject it: {rejection}"), hint)
}

const MIGRATE_HINT: &str = "set --migrate to migrate the objects that are stored in that version first";
