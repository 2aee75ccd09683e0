//! Fields of another field manager that a server-side helm would refuse to write.

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::task::Task;
use crate::plan::adoption::FieldConflict;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "helm-field-conflicts",
    section: Section::Guards,
    title: "objects of the CRD chart whose fields no other field manager owns",
    level: Level::Error,
    why: "helm 4 applies on the server (https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts). It \
        fails at a field that another manager owns and that the chart changes. Fields that kubectl applied are taken over by \
        the plan, because the vendor's upgrade guide applies the CRDs with kubectl.",
    fix: "Remove the field from the other manager, or take it over with --force-conflicts.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade], check };

/// Fails for each object of which the server's dry run of helm's apply reports a conflict that no step of the plan solves.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    if !context.server_dry_run {
        let reason = "--dry-run=client sends no dry-run requests".to_owned();
        return CheckResult::new(&CARD, 0, Verdict::Undetermined { reason });
    }
    let checked = context.adoptions.len();
    let verdict = match context.field_conflicts {
        Err(failure) => Verdict::Undetermined { reason: failure.to_string() },
        Ok(conflicts) => Verdict::from_findings(conflicts.iter().map(build_finding).collect()),
    };
    CheckResult::new(&CARD, checked, verdict)
}

fn build_finding(conflict: &FieldConflict) -> Finding {
    let owners: Vec<String> =
        conflict.fields.iter().map(|(manager, fields)| format!("{manager} owns {}", fields.join(", "))).collect();
    let message = format!("{}: helm would refuse to write {}", owners.join("; "), conflict.release);
    let place = if conflict.object.namespace.is_empty() { "" } else { " --namespace NAMESPACE" };
    let hint = format!(
        "kubectl get {} {}{} --show-managed-fields --output yaml shows the owner; take the field over with --force-conflicts",
        conflict.object.kind.to_lowercase(),
        conflict.object.name,
        place.replace("NAMESPACE", &conflict.object.namespace)
    );
    CARD.finding(conflict.object.to_string(), message, hint)
}
