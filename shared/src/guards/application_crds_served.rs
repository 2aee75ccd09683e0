//! Every kind that the application's chart makes an object of is served when its turn comes.

use std::collections::BTreeSet;

use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::crd::Crd;
use crate::model::object::ObjectRef;

/// The card.
pub static CARD: Card = Card {
    id: "application-crds-served",
    section: Section::Guards,
    title: "the CRDs that the application needs come before it",
    level: Level::Error,
    why: "helm fails half-way on an object whose kind or version is not served, and has by then changed the objects before it.",
    fix: "Upgrade the CRD chart in the same run: name its version with --crds.",
};

/// The guard: custom resources of the application's forecast against the CRDs as they will be after the CRD step.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    let Some(app) = &context.app_chart else {
        return CheckResult::new(&CARD, 0, Verdict::Skipped { reason: "the application stays where it is".to_owned() });
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
    let message = format!("needs {} in {}, which no CRD will serve", object.kind, object.api_version);
    let hint = if crds_move {
        "the two charts do not fit: ask for the CRD chart that belongs to this version"
    } else {
        CARD.fix
    };
    CARD.finding(object.to_string(), message, hint)
}
