//! Check `agent-lease`.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{known, text};
use crate::checks::gathered::Gathered;
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Finding, Level, Section};
use crate::model::object::condition;

/// The card.
pub static CARD: Card = Card {
    id: "agent-lease",
    section: Section::Spokes,
    title: "the agent of every managed cluster renews its lease",
    level: Level::Error,
    why: "The agent on a spoke renews a Lease on the hub. When it stops, the cluster still says available until the hub notices, five lease times later; work sent in between is not done.",
    fix: "Look at the klusterlet's agents on the spoke (namespace open-cluster-management-agent) and at the way from there to the hub's API server, port 6443.",
};

/// What a ManagedCluster asks for where it says nothing (open-cluster-management.io/api `LeaseDurationSeconds`).
const LEASE_SECONDS: i64 = 60;
/// So many missed leases and the hub calls a cluster unknown (open-cluster-management.io/ocm `pkg/registration/hub/lease`).
const MISSED: i64 = 5;
/// Its name in the cluster's own namespace.
const LEASE: &str = "managed-cluster-lease";

/// Whether the lease of each cluster that has joined is younger than five lease times.
pub fn check(seen: &Seen<'_>) -> Checked {
    let mut gathered = Gathered::new(&CARD);
    let clusters = known(&mut gathered, "ManagedCluster", &seen.vitals.spokes.clusters);
    if clusters.is_empty() {
        return gathered.checked();
    }
    let leases = match &seen.vitals.spokes.leases {
        Ok(leases) => leases.as_deref().unwrap_or_default(),
        Err(not_seen) => {
            gathered.not_seen(not_seen);
            return gathered.checked();
        }
    };
    for cluster in clusters {
        // One that has not joined has no agent yet, and `managed-cluster-available` says so.
        if condition(cluster, "ManagedClusterJoined").is_some_and(|joined| joined.status == "True") {
            gathered.looked(judge(cluster, leases, seen.now));
        } else {
            gathered.skipped("no managed cluster has joined");
        }
    }
    gathered.checked()
}

fn judge(cluster: &Value, leases: &[Value], now: Timestamp) -> Option<Finding> {
    let name = text(cluster, "/metadata/name");
    let told = |message: String| {
        let hint = format!("kubectl -n {name} get lease {LEASE} --output yaml");
        Some(CARD.finding(format!("ManagedCluster {name}"), message, hint))
    };
    let own = |lease: &&Value| text(lease, "/metadata/namespace") == name && text(lease, "/metadata/name") == LEASE;
    let Some(lease) = leases.iter().find(own) else { return told("its agent has no lease".to_owned()) };
    let Ok(renewed) = text(lease, "/spec/renewTime").parse::<Timestamp>() else {
        return told("its agent has never renewed its lease".to_owned());
    };
    let seconds = cluster.pointer("/spec/leaseDurationSeconds").and_then(Value::as_i64).unwrap_or(LEASE_SECONDS).max(1);
    let allowed = SignedDuration::from_secs(seconds.saturating_mul(MISSED));
    (now.duration_since(renewed) > allowed)
        .then(|| {
            told(format!("its agent renewed its lease last at {renewed}, more than {MISSED} times {seconds} s ago"))
        })
        .flatten()
}
