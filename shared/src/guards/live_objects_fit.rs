//! The live objects fit the CRDs that come.

use crate::checks::crd_changes::{AffectedParty, CrdFinding, CrdVerdict, checks};
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};

/// The card.
pub static CARD: Card = Card {
    id: "live-objects-fit",
    section: Section::Guards,
    title: "the live objects fit the new CRDs",
    level: Level::Error,
    why: "An object that the new schema refuses can be read and no longer be changed where it is wrong; a field that the schema no longer names is gone from every read at once, and for good with the next write.",
    fix: "Mend the objects, or answer for the finding in .mural-waivers.yaml (--waivers); helm mural crds check CHART tells all of them.",
};

/// The guard: every live object of a CRD whose change could hurt it, judged by the old and by the new schema.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    let (mut findings, mut unsure) = (Vec::new(), None);
    for verdict in context.verdicts.values() {
        let open: Vec<&CrdFinding> = verdict.findings.iter().filter(|finding| is_open_object_error(finding)).collect();
        if open.is_empty() {
            continue;
        }
        if verdict.evidence.objects_affected > 0 {
            findings.push(build_finding(verdict, &open));
        } else if let Some(reason) = &verdict.evidence.undetermined {
            unsure.get_or_insert_with(|| format!("CRD {}: {reason}", verdict.name));
        }
    }
    let looked_at = context.verdicts.values().map(|verdict| verdict.evidence.objects_checked).sum();
    let verdict = match unsure {
        Some(reason) if findings.is_empty() => Verdict::Undetermined { reason },
        _ => Verdict::from_findings(findings),
    };
    CheckResult::new(&CARD, looked_at, verdict)
}

/// What breaks for objects, and nobody answers for.
fn is_open_object_error(finding: &CrdFinding) -> bool {
    let of_objects = || checks().any(|check| check.card.id == finding.check && check.affects == AffectedParty::Objects);
    finding.level == Level::Error && finding.waiver_reason.is_none() && of_objects()
}

fn build_finding(verdict: &CrdVerdict, open: &[&CrdFinding]) -> Finding {
    let evidence = &verdict.evidence;
    let first = evidence.objects.first().map(|one| {
        let error = one.errors.first().map(|error| format!("{}: {}", error.path, error.message));
        let why = error.unwrap_or_else(|| format!("loses {}", one.pruned.join(", ")));
        format!("; first {} in {}, {why}", one.object, one.version)
    });
    let places: Vec<String> = open
        .iter()
        .take(3)
        .map(|finding| {
            let path = finding.path.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{} {path}", finding.check).trim_end().to_owned()
        })
        .collect();
    let message = format!(
        "{} of {} objects are hurt ({}){}",
        evidence.objects_affected,
        evidence.objects_checked,
        places.join(", "),
        first.unwrap_or_default()
    );
    CARD.finding(format!("CRD {}", verdict.name), message, CARD.fix)
}
