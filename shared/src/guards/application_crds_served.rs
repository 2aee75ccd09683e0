//! Objects of the application chart whose kind and version the API server does not serve after the CRD step.

use std::collections::BTreeSet;

use crate::guards::Guard;
use crate::guards::context::{ChartFacts, GuardContext};
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::crd::Crd;
use crate::model::manifest::release_objects;
use crate::model::object::ObjectRef;
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "application-crds-served",
    section: Section::Guards,
    title: "served kinds for every object of the application chart",
    level: Level::Error,
    why: "helm fails with 'no matches for kind' if the kind or version of an object is not served. By then the CRDs are \
        new and the application is old.",
    fix: "Upgrade the CRD chart in the same run: set --crds VERSION.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade], check };

/// Fails for each object of the rendered application that the API server does not serve: a custom resource that no live or planned
/// CRD serves, and an object of a group without a CRD that discovery does not list.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let Some(app) = &context.app_chart else {
        return CheckResult::new(&CARD, 0, Verdict::Skipped { reason: "the application is not upgraded".to_owned() });
    };
    let live = match &context.view.crds {
        Ok(live) => live,
        Err(failure) => return CheckResult::new(&CARD, 0, Verdict::Undetermined { reason: failure.to_string() }),
    };
    let planned: Vec<&Crd> = context.planned_crds().collect();
    let unplanned = live.values().filter(|crd| !context.forecasts.contains_key(crd.name()));
    let all: Vec<&Crd> = planned.into_iter().chain(unplanned).collect();
    let groups: BTreeSet<&str> = all.iter().map(|crd| crd.group()).collect();
    let objects: Vec<ObjectRef> = app.rendered.iter().filter_map(ObjectRef::from_unnamed_manifest).collect();
    let is_missing = |object: &&ObjectRef| groups.contains(object.group()) && !is_served(&all, object);
    // Without an answer for its CRD, nothing is known of a kind.
    let custom = objects.iter().filter(is_missing).filter(|object| !has_unplanned_crd(context, object.group()));
    let mut findings: Vec<Finding> =
        custom.map(|object| build_crd_finding(object, context.crds_chart.is_some())).collect();
    // A group that no CRD has is built in, aggregated, or not served at all.
    let discovered = list_undiscovered(context, app, &groups);
    findings.extend(discovered.iter().flatten().map(|object| build_kind_finding(context, object)));
    let verdict = match discovered {
        Err(reason) if findings.is_empty() => Verdict::Undetermined { reason },
        Ok(_) | Err(_) => Verdict::from_findings(findings),
    };
    CheckResult::new(&CARD, objects.len(), verdict)
}

fn is_served(crds: &[&Crd], object: &ObjectRef) -> bool {
    crds.iter().any(|crd| {
        crd.group() == object.group()
            && crd.kind() == object.kind
            && crd.versions().any(|version| version.served && version.name == object.version())
    })
}

/// Objects of groups without a CRD that discovery does not list. helm resolves these kinds before it writes anything
/// (<https://github.com/helm/helm/blob/v3.17.2/pkg/action/upgrade.go>, `performUpgrade`). Hooks are left out: some of them never run
/// in an upgrade, and an earlier hook can install the CRD of a later one.
fn list_undiscovered(
    context: &GuardContext<'_>,
    app: &ChartFacts<'_>,
    groups: &BTreeSet<&str>,
) -> Result<Vec<ObjectRef>, String> {
    let objects = release_objects(app.rendered).filter_map(ObjectRef::from_unnamed_manifest);
    let others: Vec<ObjectRef> = objects
        .filter(|object| !groups.contains(object.group()) && !has_unplanned_crd(context, object.group()))
        .collect();
    let Some(application) = context.application.filter(|_| !others.is_empty()) else { return Ok(Vec::new()) };
    let kinds = application.kinds.as_ref().map_err(ToString::to_string)?;
    let undiscovered: Vec<ObjectRef> = others.into_iter().filter(|object| kinds.get(object).is_none()).collect();
    match undiscovered.iter().find(|object| kinds.is_stale(&object.api_version)) {
        Some(object) => {
            Err(format!("the API server of {} does not answer, so its kinds are unknown", object.api_version))
        }
        None => Ok(undiscovered),
    }
}

/// Whether the API server rejects a planned CRD of this group, or does not answer. Another guard reports it.
fn has_unplanned_crd(context: &GuardContext<'_>, group: &str) -> bool {
    let of_group = |name: &str| name.split_once('.').is_some_and(|(_, other)| other == group);
    context.forecasts.iter().any(|(name, answer)| answer.planned_crd().is_none() && of_group(name))
}

fn build_crd_finding(object: &ObjectRef, crds_move: bool) -> Finding {
    let message = format!("needs {} in {}, which no CRD serves after the upgrade", object.kind, object.api_version);
    let hint = if crds_move { "use the CRD chart that belongs to this version of the application" } else { CARD.fix };
    CARD.finding(object.to_string(), message, hint)
}

fn build_kind_finding(context: &GuardContext<'_>, object: &ObjectRef) -> Finding {
    let (kind, api_version) = (&object.kind, &object.api_version);
    let message = format!("needs {kind} in {api_version}, which the API server does not serve and no chart installs");
    let hint = if object.is_built_in() {
        format!("use a chart that supports Kubernetes {}", context.view.cluster.version)
    } else {
        format!("install the CRD of {kind} in {api_version} first, or turn this object off in the values of the chart")
    };
    CARD.finding(object.to_string(), message, hint)
}
