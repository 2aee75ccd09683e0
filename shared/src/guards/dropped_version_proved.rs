//! A version that goes is proved to hold nothing, and not believed.

use crate::guards::context::Admission;
use crate::model::check::{Card, Checked, Finding, Level, Section, Verdict};
use crate::model::crd::Crd;
use crate::model::migration::never_trimmed;
use crate::plan::bridge;

/// The card.
pub static CARD: Card = Card {
    id: "dropped-version-proved",
    section: Section::Guards,
    title: "a version that goes is proved to hold no object",
    level: Level::Error,
    why: "status.storedVersions is a claim: a migration of the cluster's own can trim it before it has rewritten anything (seen on 1.37), and no read tells in which version an object is stored. Where nobody but the API server ever wrote the list (its managed fields tell), it names all that was ever stored, and nothing needs proving. Without the version such objects cannot be read any more.",
    fix: "Agree to the proof with --migrate: each object gets an empty patch, which changes it only where it was still stored in the old version.",
};

/// The guard: live CRDs that would lose a version that their status does not name, and that have objects.
#[must_use]
pub fn check(admission: &Admission<'_>) -> Checked {
    let live = match &admission.view.crds {
        Ok(live) => live,
        Err(not_seen) => return Checked::new(&CARD, 0, Verdict::Undetermined { reason: not_seen.to_string() }),
    };
    if admission.allowed.migrate {
        let reason = "--migrate proves it before the CRD is applied".to_owned();
        return Checked::new(&CARD, 0, Verdict::Skipped { reason });
    }
    let pairs = admission.planned().filter_map(|next| Some((live.get(next.name())?, next)));
    let (mut findings, mut unsure, mut looked_at) = (Vec::new(), None, 0);
    for (now, next) in pairs {
        let Some(drops) = unclaimed(now, next) else { continue };
        looked_at += 1;
        let evidence = admission.verdicts.get(now.name()).map(|verdict| &verdict.evidence);
        match evidence.map(|evidence| (evidence.looked_at, &evidence.undetermined)) {
            Some((0, None)) => {}
            Some((0, Some(reason))) => drop(unsure.get_or_insert_with(|| format!("CRD {}: {reason}", now.name()))),
            Some((objects, _)) => findings.push(finding(now, &drops, objects)),
            None => drop(unsure.get_or_insert_with(|| format!("CRD {}: its objects were not counted", now.name()))),
        }
    }
    let verdict = match unsure {
        Some(reason) if findings.is_empty() => Verdict::Undetermined { reason },
        _ => Verdict::from_findings(findings),
    };
    Checked::new(&CARD, looked_at, verdict)
}

/// Versions that go and that the CRD says nothing is stored in, after somebody took them from its list. Where it says that
/// something is, the server refuses by itself; a list that nobody trimmed names all that ever was stored.
fn unclaimed(now: &Crd, next: &Crd) -> Option<Vec<String>> {
    let migration = bridge::needed(now, next).ok().flatten()?;
    (!migration.claimed && !migration.bridge && !never_trimmed(now)).then_some(migration.drops)
}

fn finding(now: &Crd, drops: &[String], objects: usize) -> Finding {
    let (name, drops) = (now.name(), drops.join(", "));
    let message = format!(
        "would lose {drops}; somebody took it from storedVersions, and nothing proves that none of its {objects} objects is still stored so"
    );
    CARD.finding(format!("CRD {name}"), message, format!("--migrate, or first: helm mural crds migrate {name}"))
}
