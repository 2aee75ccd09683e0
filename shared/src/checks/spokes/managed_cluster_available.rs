//! Health check `managed-cluster-available`: requires every managed cluster accepted, joined and available.

use serde_json::Value;

use super::{list_or_skip, str_at};
use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::CheckResultBuilder;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::health_inputs::ReadScope;
use crate::model::object::find_condition;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "managed-cluster-available",
    section: Section::Spokes,
    title: "every managed cluster accepted, joined and available",
    level: Level::Error,
    why: "A spoke that is not available gets no changes from the hub. Its workloads keep running, but the hub does \
        not see them.",
    fix: "Read its conditions with kubectl describe managedcluster NAME, and check the klusterlet agents on the \
        spoke (namespace open-cluster-management-agent). Accept a new cluster with clusteradm accept --clusters \
        NAME.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck =
    HealthCheck { card: &CARD, reads: &[ReadScope::ManagedClusters], heals_with_time: true, run: check };

/// Checks that each ManagedCluster is accepted, joined and available, by the conditions in
/// <https://github.com/open-cluster-management-io/api/blob/main/cluster/v1/types.go>.
fn check(context: &CheckContext<'_>) -> CheckResult {
    let mut result = CheckResultBuilder::new(&CARD);
    for cluster in list_or_skip(&mut result, "ManagedCluster", &context.health_inputs.managed_clusters.clusters) {
        result.record(judge(cluster));
    }
    result.build()
}

fn judge(cluster: &Value) -> Option<Finding> {
    let name = str_at(cluster, "/metadata/name");
    let fail = |message: String, hint: String| Some(CARD.finding(format!("ManagedCluster {name}"), message, hint));
    if cluster.pointer("/spec/hubAcceptsClient") != Some(&Value::Bool(true)) {
        return fail("the hub has not accepted it".to_owned(), format!("clusteradm accept --clusters {name}"));
    }
    let describe = || format!("kubectl describe managedcluster {name}");
    for (kind, what) in
        [("ManagedClusterJoined", "has not joined"), ("ManagedClusterConditionAvailable", "is not available")]
    {
        match find_condition(cluster, kind) {
            Some(found) if found.status == "True" => {}
            Some(found) => {
                return fail(format!("{what}: {} ({}) {}", found.status, found.reason, found.message), describe());
            }
            None => return fail(format!("{what}: the condition {kind} is not set yet"), describe()),
        }
    }
    None
}
