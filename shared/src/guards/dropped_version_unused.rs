//! A version that goes is proved to hold nothing, and not believed.

use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::crd::Crd;
use crate::model::migration::has_complete_stored_versions;
use crate::plan::crd_migration;

/// The card.
pub static CARD: Card = Card {
    id: "dropped-version-unused",
    section: Section::Guards,
    title: "a version that goes is proved to hold no object",
    level: Level::Error,
    why: "status.storedVersions is a claim: a migration of the cluster's own can trim it before it has rewritten anything (seen on 1.37), and no read tells in which version an object is stored. Where nobody but the API server ever wrote the list (its managed fields tell), it names all that was ever stored, and nothing needs proving. Without the version such objects cannot be read any more.",
    fix: "Agree to the proof with --migrate: each object gets an empty patch, which changes it only where it was still stored in the old version.",
};

/// The guard: live CRDs that would lose a version that their status does not name, and that have objects.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    let live = match &context.view.crds {
        Ok(live) => live,
        Err(failure) => return CheckResult::new(&CARD, 0, Verdict::Undetermined { reason: failure.to_string() }),
    };
    if context.allowed.migrate {
        let reason = "--migrate proves it before the CRD is applied".to_owned();
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

/// Versions that go and that the CRD says nothing is stored in, after somebody took them from its list. Where it says that
/// something is, the server refuses by itself; a list that nobody trimmed names all that ever was stored.
fn find_unverified_versions(now: &Crd, next: &Crd) -> Option<Vec<String>> {
    let migration = crd_migration::plan_migration(now, next).ok().flatten()?;
    (!migration.in_stored_versions && !migration.needs_transitional_crd && !has_complete_stored_versions(now))
        .then_some(migration.dropped_versions)
}

fn build_finding(now: &Crd, drops: &[String], objects: usize) -> Finding {
    let (name, drops) = (now.name(), drops.join(", "));
    let message = format!(
        "would lose {drops}; somebody took it from storedVersions, and nothing proves that none of its {objects} objects is still stored so"
    );
    CARD.finding(format!("CRD {name}"), message, format!("--migrate, or first: helm mural crds migrate {name}"))
}
