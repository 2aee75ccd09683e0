//! Health check `workload-scaled`: requires every workload of the releases with at least one replica.

use super::{WORKLOAD_KINDS, check_each_workload};
use crate::checks::check_context::CheckContext;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Level, Section};
use crate::model::health_inputs::ReadScope;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "workload-scaled",
    section: Section::Workloads,
    title: "every workload of the releases with at least one replica",
    level: Level::Error,
    why: "A workload without replicas counts as ready but serves nothing. helm 3 does not restore a replica count \
        that the chart did not change.",
    fix: "Scale it to the replica count of the chart: kubectl scale KIND NAME --replicas COUNT. Other counts than \
        zero are not reported.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck =
    HealthCheck { card: &CARD, reads: &[ReadScope::OtherNamespaces], heals_with_time: false, run: check };

/// Whether a workload has no replicas though the manifest wants some.
fn check(context: &CheckContext<'_>) -> CheckResult {
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
        let message = format!("is scaled to 0, but the chart sets {wanted}");
        (is == 0 && *wanted > 0).then(|| CARD.finding(object.to_string(), message, hint))
    })
}
