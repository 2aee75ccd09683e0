//! The API server's answer to a dry-run of each CRD, transitional CRDs included.

use std::collections::BTreeMap;

use crate::cluster::{ApiError, Cluster, crd_dry_run};
use crate::model::crd::Crd;
use crate::model::dry_run::CrdDryRunResult;
use crate::plan::crd_migration;

/// Dry-runs each CRD of a plan as it is after its objects are migrated out of the dropped versions.
pub(crate) async fn forecast_crds(
    cluster: &Cluster,
    live: &BTreeMap<String, Crd>,
    wanted: &BTreeMap<String, Crd>,
    agreed: bool,
) -> BTreeMap<String, CrdDryRunResult> {
    let migrations = crd_migration::plan_migrations(live, wanted, agreed);
    let of = |name: &str| migrations.iter().find(|migration| migration.name == name);
    let requests = wanted.iter().map(|(name, crd)| match (of(name), live.get(name)) {
        (Some(migration), Some(live)) => {
            Crd::new(crd_migration::with_dropped_versions(live, crd, migration)).unwrap_or_else(|_| crd.clone())
        }
        _ => crd.clone(),
    });
    let answers = crd_dry_run::dry_run_crds(cluster, &requests.collect::<Vec<_>>()).await.into_iter().map(|one| {
        let narrowed = |crd: Crd| match of(&one.name) {
            Some(migration) => {
                Crd::new(crd_migration::without_dropped_versions(crd.json().clone(), migration)).unwrap_or(crd)
            }
            None => crd,
        };
        let no_bridge = || {
            live.get(&one.name).zip(wanted.get(&one.name)).and_then(|(a, b)| crd_migration::plan_migration(a, b).err())
        };
        let words = |error: ApiError| match no_bridge() {
            Some(why) if agreed => format!("{error}; {why}"),
            _ => error.to_string(),
        };
        (one.name.clone(), one.answer.map(narrowed).map_err(words))
    });
    answers.collect()
}
