//! Check `workload-scaled`.

use super::{WORKLOAD_KINDS, check_each_workload};
use crate::checks::check_context::CheckContext;
use crate::model::check::{Card, CheckResult, Level, Section};

/// The card.
pub static CARD: Card = Card {
    id: "workload-scaled",
    section: Section::Workloads,
    title: "no workload of the releases is scaled to zero",
    level: Level::Error,
    why: "A workload without replicas is ready by every rule, and nobody answers. Somebody scaled it down in an incident or before a restore, and helm does not put it back: to helm 3 a number that the chart did not change is nobody's business.",
    fix: "Scale it up again, to what the chart says. Another number than zero may be meant, and is not told here.",
};

/// Whether a workload has no replicas though the manifest wants some.
pub fn check(context: &CheckContext<'_>) -> CheckResult {
    check_each_workload(context, &CARD, &WORKLOAD_KINDS[..2], |object, live| {
        let is = live?.pointer("/spec/replicas")?.as_u64()?;
        let mut named = context.inventory.replicas.iter();
        let (_, wanted) = named.find(|(one, _)| {
            let same_place = one.namespace.is_empty() || one.namespace == object.namespace;
            one.kind == object.kind && one.name == object.name && same_place
        })?;
        let hint = format!(
            "kubectl -n {} scale {} {} --replicas={wanted}",
            object.namespace,
            object.kind.to_lowercase(),
            object.name
        );
        let message = format!("is scaled to 0, the chart wants {wanted}");
        (is == 0 && *wanted > 0).then(|| CARD.finding(object.to_string(), message, hint))
    })
}
