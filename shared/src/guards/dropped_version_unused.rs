//! Versions that a CRD would lose although objects may still be stored in them.
//!
//! `status.storedVersions` is not a proof: a storage migration can trim it before it has rewritten any object.

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::crd::Crd;
use crate::model::migration::has_complete_stored_versions;
use crate::model::task::Task;
use crate::model::text_format::format_count;
use crate::plan::crd_migration;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "dropped-version-unused",
    section: Section::Guards,
    title: "proof that no object is stored in a version that the chart removes",
    level: Level::Error,
    why: "status.storedVersions is not a proof: on Kubernetes 1.37, a storage migration can trim it before it \
        rewrites any object. Objects that are stored in a removed version cannot be read. It is skipped if \
        only the API server has written the list.",
    fix: "Set --migrate: each object gets an empty patch, which changes only objects that are still stored in the \
        old version.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Fails for each live CRD with objects that would lose a version which was trimmed from `status.storedVersions`.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let live = match &context.view.crds {
        Ok(live) => live,
        Err(failure) => return CheckResult::new(&CARD, 0, Verdict::Undetermined { reason: failure.to_string() }),
    };
    if context.allowed.migrate {
        let reason = "--migrate verifies it before the CRD is applied".to_owned();
        return CheckResult::new(&CARD, 0, Verdict::Skipped { reason });
    }
    let pairs = context.planned_crds().filter_map(|next| Some((live.get(next.name())?, next)));
    let (mut findings, mut unsure, mut looked_at) = (Vec::new(), None, 0);
    for (now, next) in pairs {
        let Some(drops) = find_unverified_versions(now, next) else { continue };
        looked_at += 1;
        let evidence = context.verdicts.get(now.name()).map(|verdict| &verdict.evidence);
        match evidence.map(|evidence| (evidence.objects_checked, &evidence.undetermined)) {
            Some((0, None)) => {}
            Some((0, Some(reason))) => drop(unsure.get_or_insert_with(|| format!("CRD {}: {reason}", now.name()))),
            Some((objects, _)) => findings.push(build_finding(now, &drops, objects)),
            None => drop(unsure.get_or_insert_with(|| format!("CRD {}: its objects were not counted", now.name()))),
        }
    }
    let verdict = match unsure {
        Some(reason) if findings.is_empty() => Verdict::Undetermined { reason },
        _ => Verdict::from_findings(findings),
    };
    CheckResult::new(&CARD, looked_at, verdict)
}

/// Finds versions that the new CRD removes and that were trimmed from `status.storedVersions`. The API server itself rejects the
/// removal of a listed version, and a list that was never trimmed contains every version that was ever stored.
fn find_unverified_versions(now: &Crd, next: &Crd) -> Option<Vec<String>> {
    let migration = crd_migration::plan_migration(now, next).ok().flatten()?;
    (!migration.in_stored_versions && !migration.needs_transitional_crd && !has_complete_stored_versions(now))
        .then_some(migration.dropped_versions)
}

fn build_finding(now: &Crd, drops: &[String], objects: usize) -> Finding {
    let (name, drops) = (now.name(), drops.join(", "));
    let message = format!(
        "would lose {drops}, which was removed from status.storedVersions; {} may still be stored in it",
        format_count(objects, "object")
    );
    CARD.finding(format!("CRD {name}"), message, format!("set --migrate, or run first: helm mural crds migrate {name}"))
}
