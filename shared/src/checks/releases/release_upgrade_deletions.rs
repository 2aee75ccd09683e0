//! Health check `release-upgrade-deletions`: requires a next helm upgrade that deletes nothing.

use super::compare_each_release;
use crate::ask::expect::ExpectedChart;
use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::skipped_result;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::object::ObjectRef;
use crate::model::release::{KEEP_ANNOTATION, RESOURCE_POLICY_ANNOTATION, ReleaseRecord};
use crate::model::release_inventory::Availability;
use crate::model::release_role::ReleaseRole;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "release-upgrade-deletions",
    section: Section::Releases,
    title: "a next helm upgrade that deletes nothing",
    level: Level::Warning,
    why: "helm deletes objects that are in the current manifest and not in the next one. A CRD that leaves the \
        templates is deleted with every object of its kind, even with --skip-crds \
        (https://github.com/helm/helm/issues/7279).",
    fix: "Verify that the objects may be deleted. Keep a CRD with kubectl annotate crd NAME \
        helm.sh/resource-policy=keep, or with kubectl mural upgrade --keep-crds.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck = HealthCheck { card: &CARD, reads: &[], heals_with_time: false, run: check };

/// Reports objects of each manifest that the given chart does not contain; CRDs without the keep annotation are errors.
fn check(context: &CheckContext<'_>) -> CheckResult {
    if context.expectations.app_chart.is_none() && context.expectations.crds_chart.is_none() {
        return skipped_result(&CARD, "no chart to compare with (set --chart or --crds-chart)");
    }
    compare_each_release(context, &CARD, |role, record| {
        let chart = context.expected_chart(role)?;
        Some(find_deleted_objects(context, role, record, chart))
    })
}

fn find_deleted_objects(
    context: &CheckContext<'_>,
    role: ReleaseRole,
    record: &ReleaseRecord,
    chart: &ExpectedChart,
) -> Vec<Finding> {
    let Ok(stored) = record.manifest_objects() else { return Vec::new() };
    let stored = stored.iter().filter_map(ObjectRef::from_manifest);
    let placed = |object: &ObjectRef| {
        let mut placed = object.clone();
        if placed.namespace == context.namespace() {
            placed.namespace.clear();
        }
        placed
    };
    let next: Vec<ObjectRef> = chart.objects.iter().map(placed).collect();
    let gone = stored.filter(|object| !next.iter().any(|other| other.is_same_object(&placed(object))));
    gone.filter_map(|object| build_finding(context, role, &object, chart)).collect()
}

fn build_finding(
    context: &CheckContext<'_>,
    role: ReleaseRole,
    object: &ObjectRef,
    chart: &ExpectedChart,
) -> Option<Finding> {
    let release = context.releases().iter().find(|(other, _)| *other == role).map_or("", |(_, release)| release);
    let message =
        format!("helm upgrade {release} to {} would delete it: that chart does not contain it", chart.version);
    if object.kind != "CustomResourceDefinition" {
        let hint = format!("helm get manifest {release} -n {}", context.namespace());
        return Some(CARD.finding(object.to_string(), message, hint));
    }
    let live = context.view.crds.as_ref().ok().and_then(|crds| crds.get(&object.name));
    if matches!(context.inventory.crds, Availability::Unreadable(_))
        || live.is_some_and(|crd| crd.annotation(RESOURCE_POLICY_ANNOTATION) == Some("keep"))
    {
        return None;
    }
    let message = format!("{message}. Every object of its kind is deleted too");
    let hint = format!("kubectl annotate crd {} {KEEP_ANNOTATION}", object.name);
    Some(Finding { level: Level::Error, ..CARD.finding(object.to_string(), message, hint) })
}
