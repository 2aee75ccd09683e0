//! Check `managed-cluster-available`.

use serde_json::Value;

use super::{known, text};
use crate::checks::gathered::Gathered;
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Finding, Level, Section};
use crate::model::object::condition;

/// The card.
pub static CARD: Card = Card {
    id: "managed-cluster-available",
    section: Section::Spokes,
    title: "every managed cluster has joined and is available",
    level: Level::Error,
    why: "A spoke that is not available gets none of the hub's changes: what runs there runs on as it was, and nobody sees it from here.",
    fix: "Look at the cluster's conditions here, and at the klusterlet's agents there (namespace open-cluster-management-agent). One that was never accepted: clusteradm accept --clusters NAME.",
};

/// Whether each ManagedCluster is accepted, joined and available (open-cluster-management.io/api `cluster/v1`).
pub fn check(seen: &Seen<'_>) -> Checked {
    let mut gathered = Gathered::new(&CARD);
    for cluster in known(&mut gathered, "ManagedCluster", &seen.vitals.spokes.clusters) {
        gathered.looked(judge(cluster));
    }
    gathered.checked()
}

fn judge(cluster: &Value) -> Option<Finding> {
    let name = text(cluster, "/metadata/name");
    let told = |message: String, hint: String| Some(CARD.finding(format!("ManagedCluster {name}"), message, hint));
    if cluster.pointer("/spec/hubAcceptsClient") != Some(&Value::Bool(true)) {
        return told("the hub has not accepted it".to_owned(), format!("clusteradm accept --clusters {name}"));
    }
    let describe = || format!("kubectl describe managedcluster {name}");
    for (kind, what) in
        [("ManagedClusterJoined", "has not joined"), ("ManagedClusterConditionAvailable", "is not available")]
    {
        match condition(cluster, kind) {
            Some(found) if found.status == "True" => {}
            Some(found) => {
                return told(format!("{what}: {} ({}) {}", found.status, found.reason, found.message), describe());
            }
            None => return told(format!("{what}: it has no condition {kind} yet"), describe()),
        }
    }
    None
}
