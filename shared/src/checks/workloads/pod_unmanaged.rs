//! Health check `pod-unmanaged`: requires only pods that belong to a release in the namespace.

use std::collections::BTreeMap;

use super::{list_namespace_workloads, pod_owner, release_objects};
use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::CheckResultBuilder;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Level, Section};
use crate::model::health_inputs::ReadScope;
use crate::model::text_format::format_count;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "pod-unmanaged",
    section: Section::Workloads,
    title: "only pods that belong to a release in the namespace",
    level: Level::Info,
    why: "The upgrade neither changes nor checks a pod without an owner in the releases. It can be a remnant of an \
        older version, or belong to another controller.",
    fix: "Find its owner, and delete it if an older version left it: kubectl describe pod NAME",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck =
    HealthCheck { card: &CARD, reads: &[ReadScope::OtherNamespaces], heals_with_time: false, run: check };

/// Reports pods in the namespace whose top owner is in no release and no hook; one finding per owner.
fn check(context: &CheckContext<'_>) -> CheckResult {
    if let Err(answer) = release_objects(context, &CARD) {
        return answer;
    }
    let mut result = CheckResultBuilder::new(&CARD);
    for namespace_workloads in list_namespace_workloads(context, &mut result)
        .iter()
        .filter(|namespace_workloads| namespace_workloads.namespace == context.namespace())
    {
        let pods = match namespace_workloads.pods {
            Ok(pods) => pods,
            Err(failure) => {
                result.record_failure(failure);
                continue;
            }
        };
        let mut others: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for owner in pods.iter().map(|pod| pod_owner::find_top_owner(pod, namespace_workloads.live_objects)) {
            if pod_owner::has_object(
                &namespace_workloads.release_objects,
                owner.0,
                owner.1,
                &namespace_workloads.namespace,
            ) {
                result.record(None);
            } else {
                *others.entry(owner).or_default() += 1;
            }
        }
        for ((kind, name), pods) in others {
            let message = format!("has {} in this namespace but is in no release", format_count(pods, "pod"));
            let hint = format!("kubectl -n {} describe {} {name}", namespace_workloads.namespace, kind.to_lowercase());
            let subject = format!("{kind} {}/{name}", namespace_workloads.namespace);
            result.record_many(pods, [CARD.finding(subject, message, hint)]);
        }
    }
    result.record_skip("the namespace has no pods");
    result.build()
}
