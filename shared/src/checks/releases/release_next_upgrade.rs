//! Check `release-next-upgrade`.

use super::each_of;
use crate::ask::expect::{ExpectedChart, Role};
use crate::checks::gathered::skipped;
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Finding, Level, Section};
use crate::model::inventory::Listed;
use crate::model::object::ObjectRef;
use crate::model::release::{KEEP, POLICY, ReleaseRecord};

/// The card.
pub static CARD: Card = Card {
    id: "release-next-upgrade",
    section: Section::Releases,
    title: "the next helm upgrade would delete nothing",
    level: Level::Warning,
    why: "helm deletes what stands in the release's manifest and not in the next one. A CRD that leaves the templates goes with every object of its kind (helm/helm#7279), also with --skip-crds.",
    fix: "Look whether what would go is meant to go. A CRD is kept by kubectl annotate crd NAME helm.sh/resource-policy=keep; kubectl mural upgrade --keep-crds does that first.",
};

/// What of each release's manifest is not in the chart that was named; CRDs without helm's mark are errors.
pub fn check(seen: &Seen<'_>) -> Checked {
    if seen.expect.app_chart.is_none() && seen.expect.crds_chart.is_none() {
        return skipped(&CARD, "no chart is named to compare with (--chart, --crds-chart)");
    }
    each_of(seen, &CARD, |role, record| {
        let chart = seen.expected(role)?;
        Some(leaving(seen, role, record, chart))
    })
}

fn leaving(seen: &Seen<'_>, role: Role, record: &ReleaseRecord, chart: &ExpectedChart) -> Vec<Finding> {
    let Ok(stored) = record.objects() else { return Vec::new() };
    let stored = stored.iter().filter_map(ObjectRef::of);
    let placed = |object: &ObjectRef| {
        let mut placed = object.clone();
        if placed.namespace == seen.namespace() {
            placed.namespace.clear();
        }
        placed
    };
    let next: Vec<ObjectRef> = chart.objects.iter().map(placed).collect();
    let gone = stored.filter(|object| !next.iter().any(|other| other.same_object(&placed(object))));
    gone.filter_map(|object| finding(seen, role, &object, chart)).collect()
}

fn finding(seen: &Seen<'_>, role: Role, object: &ObjectRef, chart: &ExpectedChart) -> Option<Finding> {
    let release = seen.releases().iter().find(|(other, _)| *other == role).map_or("", |(_, release)| release);
    let message = format!("helm upgrade {release} to {} would delete it: it is not in that chart", chart.version);
    if object.kind != "CustomResourceDefinition" {
        let hint = format!("helm get manifest {release} -n {}", seen.namespace());
        return Some(CARD.finding(object.to_string(), message, hint));
    }
    let live = seen.view.crds.as_ref().ok().and_then(|crds| crds.get(&object.name));
    if matches!(seen.named.crds, Listed::NotSeen(_)) || live.is_some_and(|crd| crd.annotation(POLICY) == Some("keep")) {
        return None;
    }
    let message = format!("{message}, and every object of its kind with it");
    let hint = format!("kubectl annotate crd {} {KEEP}", object.name);
    Some(Finding { level: Level::Error, ..CARD.finding(object.to_string(), message, hint) })
}
