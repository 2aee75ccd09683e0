//! Custom resources of the application chart whose kind and version no CRD serves after the CRD step.

use std::collections::BTreeSet;

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::crd::Crd;
use crate::model::object::ObjectRef;
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "application-crds-served",
    section: Section::Guards,
    title: "CRDs for every custom resource of the application chart",
    level: Level::Error,
    why: "helm fails at an object whose kind or version is not served. By then it has changed the objects before it.",
    fix: "Upgrade the CRD chart in the same run: set --crds VERSION.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade], check };

/// Fails for each custom resource of the rendered application that no live or planned CRD serves.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let Some(app) = &context.app_chart else {
        return CheckResult::new(&CARD, 0, Verdict::Skipped { reason: "the application is not upgraded".to_owned() });
    };
    let live = match &context.view.crds {
        Ok(live) => live,
        Err(failure) => return CheckResult::new(&CARD, 0, Verdict::Undetermined { reason: failure.to_string() }),
    };
    let planned: Vec<&Crd> = context.forecasts.values().filter_map(|answer| answer.as_ref().ok()).collect();
    let unplanned = live.values().filter(|crd| !context.forecasts.contains_key(crd.name()));
    let all: Vec<&Crd> = planned.into_iter().chain(unplanned).collect();
    let groups: BTreeSet<&str> = all.iter().map(|crd| crd.group()).collect();
    let objects: Vec<ObjectRef> = app.rendered.iter().filter_map(ObjectRef::from_manifest).collect();
    // A group that no CRD has is the API server's own or an aggregated one.
    let custom: Vec<&ObjectRef> = objects.iter().filter(|object| groups.contains(object.group())).collect();
    let findings = custom
        .iter()
        .filter(|object| !is_served(&all, object))
        .map(|object| build_finding(object, context.crds_chart.is_some()));
    CheckResult::new(&CARD, custom.len(), Verdict::from_findings(findings.collect()))
}

fn is_served(crds: &[&Crd], object: &ObjectRef) -> bool {
    crds.iter().any(|crd| {
        crd.group() == object.group()
            && crd.kind() == object.kind
            && crd.versions().any(|version| version.served && version.name == object.version())
    })
}

fn build_finding(object: &ObjectRef, crds_move: bool) -> Finding {
    let message = format!("needs {} in {}, which no CRD serves after the upgrade", object.kind, object.api_version);
    let hint = if crds_move { "use the CRD chart that belongs to this version of the application" } else { CARD.fix };
    CARD.finding(object.to_string(), message, hint)
}
