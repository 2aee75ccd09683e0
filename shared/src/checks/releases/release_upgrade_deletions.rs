//! Check `release-upgrade-deletions`.

use super::compare_each_release;
use crate::ask::expect::ExpectedChart;
use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::skipped_result;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::object::ObjectRef;
use crate::model::release::{KEEP_ANNOTATION, RESOURCE_POLICY_ANNOTATION, ReleaseRecord};
use crate::model::release_inventory::Availability;
use crate::model::release_role::ReleaseRole;

/// The card.
pub static CARD: Card = Card {
    id: "release-upgrade-deletions",
    section: Section::Releases,
    title: "the next helm upgrade would delete nothing",
    level: Level::Warning,
    why: "helm deletes what stands in the release's manifest and not in the next one. A CRD that leaves the templates goes with every object of its kind (helm/helm#7279), also with --skip-crds.",
    fix: "Look whether what would go is meant to go. A CRD is kept by kubectl annotate crd NAME helm.sh/resource-policy=keep; kubectl mural upgrade --keep-crds does that first.",
};

/// What of each release's manifest is not in the chart that was named; CRDs without helm's mark are errors.
pub fn check(context: &CheckContext<'_>) -> CheckResult {
    if context.expectations.app_chart.is_none() && context.expectations.crds_chart.is_none() {
        return skipped_result(&CARD, "no chart is named to compare with (--chart, --crds-chart)");
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
    let message = format!("helm upgrade {release} to {} would delete it: it is not in that chart", chart.version);
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
    let message = format!("{message}, and every object of its kind with it");
    let hint = format!("kubectl annotate crd {} {KEEP_ANNOTATION}", object.name);
    Some(Finding { level: Level::Error, ..CARD.finding(object.to_string(), message, hint) })
}
