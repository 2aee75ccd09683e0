//! Live custom resources that a CRD change makes invalid, or that lose fields to pruning.

use crate::checks::crd_changes::{AffectedParty, CrdFinding, CrdVerdict, checks};
use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::task::Task;
use crate::model::text_format::format_count;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "live-objects-fit",
    section: Section::Guards,
    title: "live objects that are valid under the new CRDs",
    level: Level::Error,
    why: "An object that is invalid under the new schema can be read, but its invalid fields block writes. A field \
        that leaves the schema is pruned from every read, and deleted by the next write.",
    fix: "List the objects and change them: helm mural crds check CHART. Or accept the finding in \
        .mural-waivers.yaml (--waivers).",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Fails for each CRD with affected live objects, by the verdicts of the CRD-change checks. Waived findings do not count.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let (mut findings, mut unsure) = (Vec::new(), None);
    for verdict in context.verdicts.values() {
        let open: Vec<&CrdFinding> = verdict.findings.iter().filter(|finding| is_open_object_error(finding)).collect();
        if open.is_empty() {
            continue;
        }
        if count_affected(verdict) > 0 {
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

/// The number of objects that become invalid or lose fields of a served version. The loss of stored fields has a guard of its own.
const fn count_affected(verdict: &CrdVerdict) -> usize {
    verdict.evidence.objects_affected.saturating_sub(verdict.evidence.objects_only_losing_fields)
}

/// Whether a finding breaks stored objects and is not waived.
fn is_open_object_error(finding: &CrdFinding) -> bool {
    let of_objects = || checks().any(|check| check.card.id == finding.check && check.affects == AffectedParty::Objects);
    finding.level == Level::Error && finding.waiver_reason.is_none() && of_objects()
}

fn build_finding(verdict: &CrdVerdict, open: &[&CrdFinding]) -> Finding {
    let evidence = &verdict.evidence;
    let first = evidence.objects.first().map(|one| {
        let error = one.errors.first().map(|error| format!("{}: {}", error.path, error.message));
        let lost = (!one.pruned.is_empty()).then(|| format!("loses {}", one.pruned.join(", ")));
        let why: Vec<String> = error.into_iter().chain(lost).collect();
        format!("; for example {} in {}: {}", one.object, one.version, why.join("; "))
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
        "affects {} of {} ({}){}",
        count_affected(verdict),
        format_count(evidence.objects_checked, "object"),
        places.join(", "),
        first.unwrap_or_default()
    );
    CARD.finding(format!("CRD {}", verdict.name), message, CARD.fix)
}
