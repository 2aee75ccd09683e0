//! The API server's answer to a dry-run of each CRD, transitional CRDs included.

use std::collections::BTreeMap;

use crate::cluster::{Cluster, crd_dry_run};
use crate::model::crd::Crd;
use crate::model::dry_run::{CrdDryRunResult, DryRunRejection};
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
    let answers = crd_dry_run::dry_run_crds(cluster, &requests.collect::<Vec<_>>()).await.into_iter().map(
        |crd_dry_run::CrdForecast { name, answer }| {
            let narrowed = |crd: Crd| match of(&name) {
                Some(migration) => {
                    Crd::new(crd_migration::without_dropped_versions(crd.json().clone(), migration)).unwrap_or(crd)
                }
                None => crd,
            };
            let no_bridge =
                || live.get(&name).zip(wanted.get(&name)).and_then(|(a, b)| crd_migration::plan_migration(a, b).err());
            let answer = match (answer, no_bridge()) {
                (CrdDryRunResult::Rejected(rejection), Some(why)) if agreed => {
                    let message = format!("{}; {why}", rejection.message);
                    CrdDryRunResult::Rejected(DryRunRejection { message, ..rejection })
                }
                (answer, _) => answer.map_planned_crd(narrowed),
            };
            (name.clone(), answer)
        },
    );
    answers.collect()
}
