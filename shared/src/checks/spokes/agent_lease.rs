//! Health check `agent-lease`: requires a current Lease from the agent of every managed cluster.

use jiff::{SignedDuration, Timestamp};
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
    id: "agent-lease",
    section: Section::Spokes,
    title: "a current Lease from the agent of every managed cluster",
    level: Level::Error,
    why: "The agent on a spoke renews a Lease on the hub. If it stops, the cluster still shows available for five \
        Lease durations, and its work is not done.",
    fix: "Check the klusterlet agents on the spoke (namespace open-cluster-management-agent) and the network path to \
        the API server of the hub, port 6443.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck =
    HealthCheck { card: &CARD, reads: &[ReadScope::ManagedClusters], heals_with_time: true, run: check };

/// Default Lease duration of a ManagedCluster in seconds (`leaseDurationSeconds` in
/// <https://github.com/open-cluster-management-io/api/blob/main/cluster/v1/types.go>).
const DEFAULT_LEASE_SECONDS: i64 = 60;
/// Number of missed renewals after which the hub sets a cluster to unknown
/// (<https://github.com/open-cluster-management-io/ocm/tree/main/pkg/registration/hub/lease>).
const MAX_MISSED_RENEWALS: i64 = 5;
/// Name of the Lease in the namespace of the cluster.
const LEASE_NAME: &str = "managed-cluster-lease";

/// Checks that the Lease of each joined cluster was renewed within [`MAX_MISSED_RENEWALS`] Lease durations.
fn check(context: &CheckContext<'_>) -> CheckResult {
    let mut result = CheckResultBuilder::new(&CARD);
    let clusters = list_or_skip(&mut result, "ManagedCluster", &context.health_inputs.managed_clusters.clusters);
    if clusters.is_empty() {
        return result.build();
    }
    let leases = match &context.health_inputs.managed_clusters.leases {
        Ok(leases) => leases.as_deref().unwrap_or_default(),
        Err(failure) => {
            result.record_failure(failure);
            return result.build();
        }
    };
    for cluster in clusters {
        // One that has not joined has no agent yet, and `managed-cluster-available` says so.
        if find_condition(cluster, "ManagedClusterJoined").is_some_and(|joined| joined.status == "True") {
            result.record(judge(cluster, leases, context.now));
        } else {
            result.record_skip("no managed cluster has joined");
        }
    }
    result.build()
}

fn judge(cluster: &Value, leases: &[Value], now: Timestamp) -> Option<Finding> {
    let name = str_at(cluster, "/metadata/name");
    let fail = |message: String| {
        let hint = format!("kubectl -n {name} get lease {LEASE_NAME} --output yaml");
        Some(CARD.finding(format!("ManagedCluster {name}"), message, hint))
    };
    let is_agent_lease =
        |lease: &&Value| str_at(lease, "/metadata/namespace") == name && str_at(lease, "/metadata/name") == LEASE_NAME;
    let Some(lease) = leases.iter().find(is_agent_lease) else { return fail("its agent has no Lease".to_owned()) };
    let Ok(renewed) = str_at(lease, "/spec/renewTime").parse::<Timestamp>() else {
        return fail("its agent has never renewed its Lease".to_owned());
    };
    let seconds =
        cluster.pointer("/spec/leaseDurationSeconds").and_then(Value::as_i64).unwrap_or(DEFAULT_LEASE_SECONDS).max(1);
    let allowed = SignedDuration::from_secs(seconds.saturating_mul(MAX_MISSED_RENEWALS));
    (now.duration_since(renewed) > allowed)
        .then(|| {
            fail(format!(
                "its agent last renewed its Lease at {renewed}, more than {MAX_MISSED_RENEWALS} × {seconds} s ago"
            ))
        })
        .flatten()
}
