//! CRDs that are being deleted while the charts still need them.

use std::collections::BTreeSet;

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::crd::Crd;
use crate::model::object::{ObjectRef, is_terminating};
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "crds-not-terminating",
    section: Section::Guards,
    title: "CRDs of the charts that are not being deleted",
    level: Level::Error,
    why: "A CRD with a deletionTimestamp accepts updates, but it disappears with all its objects as soon as its last \
        finalizer is removed. Until then the API server rejects new objects of its kind.",
    fix: "Save the remaining objects, let the deletion finish, then apply the CRD again and restore the objects.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Fails for each terminating CRD that a chart contains or whose kind the application uses.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let live = match &context.view.crds {
        Ok(live) => live,
        Err(failure) => return CheckResult::new(&CARD, 0, Verdict::Undetermined { reason: failure.to_string() }),
    };
    let objects = context.app_chart.iter().flat_map(|facts| facts.rendered);
    let used: BTreeSet<(String, String)> = objects
        .filter_map(ObjectRef::from_unnamed_manifest)
        .map(|object| (object.group().to_owned(), object.kind))
        .collect();
    let needed: Vec<&Crd> = live
        .values()
        .filter(|crd| {
            context.forecasts.contains_key(crd.name())
                || used.contains(&(crd.group().to_owned(), crd.kind().to_owned()))
        })
        .collect();
    let findings = needed.iter().filter(|crd| is_terminating(crd.json())).map(|crd| build_finding(crd));
    CheckResult::new(&CARD, needed.len(), Verdict::from_findings(findings.collect()))
}

fn build_finding(crd: &Crd) -> Finding {
    let name = crd.name();
    let hint = format!("kubectl get {name} --all-namespaces -o yaml saves its objects and shows their finalizers");
    CARD.finding(format!("CRD {name}"), "is being deleted with all its objects", hint)
}
