//! Stored objects that lose fields for good: the version in which they are stored next does not have them.

use crate::checks::crd_changes::CrdVerdict;
use crate::checks::crd_changes::object_evidence::LostField;
use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::task::Task;
use crate::model::text_format::format_count;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "field-loss",
    section: Section::Guards,
    title: "stored objects that lose no field",
    level: Level::Error,
    why: "The API server prunes a field that the next stored version does not have. The next write of the object, or a \
        migration, deletes it for good \
        (https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#field-pruning). \
        A rollback does not bring it back; the backup before the run has it.",
    fix: "Move the values to fields that the new version has, or use a chart whose schema keeps them. If the loss is \
        intended, set --allow-field-loss; --no-save cannot be set with it.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Fails for each CRD whose live objects lose fields, with the fields and the number of objects. With `--allow-field-loss` and a
/// backup, the findings are warnings, so that the plan still shows them.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let hint = context.backup.hint_for_loss().filter(|_| context.allowed.field_loss);
    let is_allowed = context.allowed.field_loss && hint.is_none();
    let level = if is_allowed { Level::Warning } else { CARD.level };
    let losing = context.verdicts.values().filter(|verdict| verdict.evidence.objects_losing_fields > 0);
    let build = |verdict| Finding { level, ..build_finding(verdict, hint.unwrap_or(CARD.fix)) };
    let findings: Vec<Finding> = losing.map(build).collect();
    let unread = context.verdicts.values().find_map(|verdict| verdict.evidence.unread_loss.as_ref());
    let looked_at = context.verdicts.values().map(|verdict| verdict.evidence.objects_checked).sum();
    let verdict = match unread.filter(|_| findings.is_empty() && !is_allowed) {
        Some(reason) => Verdict::Undetermined { reason: reason.clone() },
        None => Verdict::from_findings(findings),
    };
    CheckResult::new(&CARD, looked_at, verdict)
}

fn build_finding(verdict: &CrdVerdict, hint: &str) -> Finding {
    let evidence = &verdict.evidence;
    let message = describe_loss(evidence.objects_losing_fields, evidence.objects_checked, &evidence.list_lost_fields());
    CARD.finding(format!("CRD {}", verdict.name), message, hint)
}

/// `3 of 3 objects lose fields for good when they are stored as v1: spec.old (3 objects)`
#[must_use]
pub fn describe_loss(losing: usize, all: usize, fields: &[LostField]) -> String {
    let version = fields.first().map_or("", |lost| lost.version.as_str());
    let names: Vec<String> =
        fields.iter().map(|lost| format!("{} ({})", lost.field, format_count(lost.objects, "object"))).collect();
    let verb = if losing == 1 { "loses" } else { "lose" };
    format!(
        "{losing} of {} {verb} fields for good when stored as {version}: {}",
        format_count(all, "object"),
        names.join(", ")
    )
}
