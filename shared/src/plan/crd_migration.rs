//! Plans the migration of stored objects out of the versions that a chart drops.
//!
//! If the cluster's CRD stores in a dropped version, the migration needs a transitional CRD: the cluster's CRD plus the chart's
//! storage version, which becomes the only storage version. After the migration the chart's own CRD replaces it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::model::crd::Crd;

/// A CRD whose objects are migrated before the chart's CRD is applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CrdMigration {
    /// The CRD.
    pub name: String,
    /// The versions that the chart drops.
    pub dropped_versions: Vec<String>,
    /// The storage version after the migration; the chart has it too.
    pub target_version: String,
    /// Whether the cluster's CRD stores in a version that the chart drops, so that the migration needs a transitional CRD.
    pub needs_transitional_crd: bool,
    /// Whether `status.storedVersions` names a dropped version. If not, the migration verifies that none is stored.
    pub in_stored_versions: bool,
}

/// Why objects cannot be migrated with a transitional CRD.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the chart drops the storage version {storage_version}, and the CRD's conversion webhook may not know {chart_storage_version}"
)]
pub struct MigrationError {
    /// The storage version of the cluster's CRD.
    pub storage_version: String,
    /// The chart's storage version.
    pub chart_storage_version: String,
}

/// The migration that a CRD needs before the chart's CRD replaces it; none if the chart drops no version.
///
/// # Errors
/// The migration needs a transitional CRD and the CRD converts by webhook: the running webhook belongs to the installed application.
pub fn plan_migration(live: &Crd, wanted: &Crd) -> Result<Option<CrdMigration>, MigrationError> {
    let stays = |name: &str| wanted.versions().any(|version| version.name == name);
    let stored = live.stored_versions();
    let mut dropped_versions: Vec<&str> =
        live.versions().map(|version| version.name).chain(stored.iter().copied()).collect();
    dropped_versions.retain(|name| !stays(name));
    dropped_versions.sort_unstable();
    dropped_versions.dedup();
    if dropped_versions.is_empty() {
        return Ok(None);
    }
    let needs_transitional_crd = !stays(live.storage_version());
    let target_version = if needs_transitional_crd { wanted.storage_version() } else { live.storage_version() };
    let by_webhook = |crd: &Crd| crd.json().pointer("/spec/conversion/strategy").is_some_and(|it| it == "Webhook");
    if needs_transitional_crd && (by_webhook(live) || by_webhook(wanted)) {
        return Err(MigrationError {
            storage_version: live.storage_version().to_owned(),
            chart_storage_version: target_version.to_owned(),
        });
    }
    Ok(Some(CrdMigration {
        name: live.name().to_owned(),
        in_stored_versions: stored.iter().any(|name| dropped_versions.contains(name)),
        dropped_versions: dropped_versions.into_iter().map(str::to_owned).collect(),
        target_version: target_version.to_owned(),
        needs_transitional_crd,
    }))
}

/// The migrations of a plan. A migration writes to every object, so there are none without the operator's consent.
#[must_use]
pub fn plan_migrations(
    live: &BTreeMap<String, Crd>,
    wanted: &BTreeMap<String, Crd>,
    agreed: bool,
) -> Vec<CrdMigration> {
    if !agreed {
        return Vec::new();
    }
    let pairs = wanted.iter().filter_map(|(name, wanted)| Some((live.get(name)?, wanted)));
    pairs.filter_map(|(live, wanted)| plan_migration(live, wanted).ok().flatten()).collect()
}

/// The versions of the transitional CRD: those of the cluster's CRD plus the chart's storage version, the only one that stores.
#[must_use]
pub fn build_transitional_versions(live: &Crd, wanted: &Crd, to: &str) -> Value {
    let of = |crd: &Crd| crd.json().pointer("/spec/versions").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut versions = of(live);
    if !versions.iter().any(|version| version["name"] == to) {
        versions.extend(of(wanted).into_iter().filter(|version| version["name"] == to));
    }
    for version in &mut versions {
        version["storage"] = json!(version["name"] == to);
    }
    Value::Array(versions)
}

/// Recovers the CRD from which a transitional CRD was made; `is` recognizes it. None if the live CRD is no such transitional CRD.
///
/// A transitional CRD differs in the version `to`, which may be new, and in which version stores. Both can be reverted exactly.
#[must_use]
pub fn recover_original_crd(live: &Crd, to: &str, is: impl Fn(&Value) -> bool) -> Option<Crd> {
    let names: Vec<&str> = live.versions().map(|version| version.name).collect();
    let with = |storage: &str, keeps_target: bool| {
        let mut document = live.json().clone();
        let versions = document.pointer_mut("/spec/versions")?.as_array_mut()?;
        versions.retain(|version| keeps_target || version["name"] != to);
        versions.iter_mut().for_each(|version| version["storage"] = json!(version["name"] == storage));
        is(&document["spec"]).then_some(document)
    };
    let mut candidates = names.iter().filter(|name| **name != to).flat_map(|name| [(*name, false), (*name, true)]);
    let document = candidates.find_map(|(storage, kept)| with(storage, kept))?;
    Crd::new(document).ok()
}

/// The chart's CRD for a dry-run before the migration: it still has the dropped versions, not served.
#[must_use]
pub fn with_dropped_versions(live: &Crd, wanted: &Crd, migration: &CrdMigration) -> Value {
    let mut widened = wanted.json().clone();
    let of_live = live.json().pointer("/spec/versions").and_then(Value::as_array).into_iter().flatten();
    let dropped = of_live.filter(|version| migration.dropped_versions.iter().any(|name| version["name"] == *name));
    if let Some(versions) = widened.pointer_mut("/spec/versions").and_then(Value::as_array_mut) {
        versions.extend(dropped.cloned().map(|mut version| {
            version["served"] = json!(false);
            version["storage"] = json!(false);
            version
        }));
    }
    widened
}

/// The API server's answer for the widened CRD without the dropped versions: the CRD after the upgrade.
#[must_use]
pub fn without_dropped_versions(mut merged: Value, migration: &CrdMigration) -> Value {
    if let Some(versions) = merged.pointer_mut("/spec/versions").and_then(Value::as_array_mut) {
        versions.retain(|version| !migration.dropped_versions.iter().any(|name| version["name"] == *name));
    }
    if let Some(stored) = merged.pointer_mut("/status/storedVersions").and_then(Value::as_array_mut) {
        stored.retain(|version| !migration.dropped_versions.iter().any(|name| version == name));
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crd(versions: &[&str], storage: &str, stored: &[&str]) -> Crd {
        let one = |name: &&str| json!({"name": name, "served": true, "storage": *name == storage, "schema": {"openAPIV3Schema": {"type": "object"}}});
        Crd::new(json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "hubs.a.b"},
            "spec": {"group": "a.b", "versions": versions.iter().map(one).collect::<Vec<_>>()}, "status": {"storedVersions": stored}}))
        .unwrap()
    }

    fn names(versions: &Value) -> Vec<(&str, bool)> {
        let all = versions.as_array().unwrap().iter();
        all.map(|version| (version["name"].as_str().unwrap(), version["storage"] == true)).collect()
    }

    #[test]
    fn a_bridge_is_made_only_where_the_storage_version_goes() {
        let live = crd(&["v1alpha1"], "v1alpha1", &["v1alpha1"]);
        let wanted = crd(&["v1"], "v1", &[]);
        let found = plan_migration(&live, &wanted).unwrap().unwrap();
        assert!(
            found.needs_transitional_crd
                && found.in_stored_versions
                && found.target_version == "v1"
                && found.dropped_versions == ["v1alpha1"]
        );
        assert_eq!(names(&build_transitional_versions(&live, &wanted, "v1")), [("v1alpha1", false), ("v1", true)]);
        // The cluster already stores a version that the chart has.
        let live = crd(&["v1alpha1", "v1"], "v1", &["v1alpha1", "v1"]);
        let found = plan_migration(&live, &crd(&["v1", "v2"], "v2", &[])).unwrap().unwrap();
        assert!(!found.needs_transitional_crd && found.target_version == "v1");
        assert_eq!(plan_migration(&live, &crd(&["v1alpha1", "v1", "v2"], "v2", &[])), Ok(None));
    }

    #[test]
    fn the_crd_before_a_transitional_crd_is_recovered_exactly() {
        let old = crd(&["v1alpha1", "v1beta1"], "v1alpha1", &["v1alpha1"]);
        let transitional_crd = |live: &Crd, to: &str| {
            let mut transitional = live.json().clone();
            transitional["spec"]["versions"] = build_transitional_versions(live, &crd(&["v1"], "v1", &[]), to);
            Crd::new(transitional).unwrap()
        };
        for to in ["v1", "v1beta1"] {
            let transitional = transitional_crd(&old, to);
            let found = recover_original_crd(&transitional, to, |spec| *spec == old.json()["spec"]).unwrap();
            assert_eq!(found.json()["spec"], old.json()["spec"]);
            let migration = plan_migration(&transitional, &found).unwrap();
            assert_eq!(migration.is_some(), to == "v1", "a version that was there before drops nothing");
        }
        let others = crd(&["v1alpha1", "v2"], "v2", &[]);
        assert_eq!(recover_original_crd(&others, "v1", |spec| *spec == old.json()["spec"]), None);
    }

    #[test]
    fn objects_are_moved_only_where_it_was_agreed_to() {
        let wanted = BTreeMap::from([("hubs.a.b".to_owned(), crd(&["v1"], "v1", &[]))]);
        // The second case: storedVersions does not name v1alpha1. The migration verifies it.
        for stored in [&["v1alpha1", "v1"][..], &["v1"]] {
            let live = BTreeMap::from([("hubs.a.b".to_owned(), crd(&["v1alpha1", "v1"], "v1", stored))]);
            assert_eq!(
                (plan_migrations(&live, &wanted, false).len(), plan_migrations(&live, &wanted, true).len()),
                (0, 1)
            );
        }
    }

    #[test]
    fn nothing_is_moved_through_a_webhook_that_may_not_know_the_version() {
        let mut live = crd(&["v1alpha1"], "v1alpha1", &["v1alpha1"]).json().clone();
        live["spec"]["conversion"] = json!({"strategy": "Webhook"});
        let (live, wanted) = (Crd::new(live).unwrap(), crd(&["v1"], "v1", &[]));
        assert!(plan_migration(&live, &wanted).unwrap_err().to_string().contains("webhook may not know v1"));
    }

    #[test]
    fn the_server_judges_what_it_would_refuse_for_the_stored_version_alone() {
        let (live, wanted) = (crd(&["v1alpha1"], "v1alpha1", &["v1alpha1"]), crd(&["v1"], "v1", &[]));
        let migration = plan_migration(&live, &wanted).unwrap().unwrap();
        let widened = with_dropped_versions(&live, &wanted, &migration);
        assert_eq!(names(&widened["spec"]["versions"]), [("v1", true), ("v1alpha1", false)]);
        assert_eq!(names(&without_dropped_versions(widened, &migration)["spec"]["versions"]), [("v1", true)]);
    }
}
