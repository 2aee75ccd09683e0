//! Objects of the application, and the namespace, that are being deleted: whatever is written to them disappears with them.

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::object::{ObjectRef, is_terminating};
use crate::model::task::Task;
use crate::plan::object_changes::select_release_objects;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "objects-not-terminating",
    section: Section::Guards,
    title: "a namespace and application objects that are not being deleted",
    level: Level::Error,
    why: "helm updates an object that is being deleted without an error. The object disappears when its last finalizer \
        is removed. A namespace that is being deleted accepts no new objects, not even the release record.",
    fix: "Wait until the deletion is complete. If it does not finish, find out what removes the finalizers.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade], check };

/// Fails if the namespace is terminating, and for each terminating object that the new chart still contains.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    match judge(context) {
        Ok((looked_at, findings)) => CheckResult::new(&CARD, looked_at, Verdict::from_findings(findings)),
        Err(reason) => CheckResult::new(&CARD, 0, Verdict::Undetermined { reason }),
    }
}

/// The number of objects that were checked, and the findings.
fn judge(context: &GuardContext<'_>) -> Result<(usize, Vec<Finding>), String> {
    let namespace = &context.view.cluster.namespace;
    if *context.policies.namespace_terminating.as_ref().map_err(ToString::to_string)? {
        let hint = format!("kubectl get namespace {namespace} -o yaml shows what the deletion waits for");
        return Ok((
            1,
            vec![CARD.finding(format!("namespace {namespace}"), "is being deleted with all its objects", hint)],
        ));
    }
    let (Some(application), Some(app)) = (context.application, &context.app_chart) else { return Ok((1, Vec::new())) };
    let (mut findings, mut unread) = (Vec::new(), None);
    let objects = select_release_objects(namespace, app.rendered);
    for (object, _) in &objects {
        match application.live_objects.get(object, namespace) {
            Ok(Some(live)) if is_terminating(live) => findings.push(build_finding(object, namespace)),
            Ok(_) => {}
            Err(failure) => unread = unread.or_else(|| Some(failure.to_string())),
        }
    }
    match unread {
        Some(reason) if findings.is_empty() => Err(reason),
        Some(_) | None => Ok((objects.len() + 1, findings)),
    }
}

fn build_finding(object: &ObjectRef, namespace: &str) -> Finding {
    let place = if object.namespace.is_empty() { namespace } else { &object.namespace };
    let (kind, name) = (object.kind.to_lowercase(), &object.name);
    let hint = format!(
        "kubectl get {kind} {name} --namespace {place} -o yaml shows the finalizers that the deletion waits for"
    );
    CARD.finding(object.to_string(), "is being deleted, and the new chart still contains it", hint)
}
