//! The bridge: the cluster's CRD plus the chart's storage version, over which objects leave a version that the chart drops.

use std::sync::PoisonError;
use std::time::Duration;

use http::Method;
use serde_json::json;

use super::Run;
use super::migrate::{Migrate, Route};
use crate::model::crd::Crd;
use crate::model::managed::FIELD_MANAGER;
use crate::plan::{Migration, bridge};
use crate::problem::Problem;
use crate::report::migrate::Migrated;

/// How long the cluster's own controller may take to begin; then we rewrite the objects.
const ACTS_WITHIN: Duration = Duration::from_secs(15);
/// How often the bridge is tried against others who write the CRD's status.
const TRIES: usize = 5;
/// Objects that a failure names.
const NAMED: usize = 3;

/// Moves the objects of each CRD, and remembers how the CRD was left.
pub(super) async fn migrate(run: &Run<'_>, migrations: &[Migration]) -> Result<String, Problem> {
    let cluster = &run.prepared.cluster;
    let stop = &run.manner.stop;
    let (route, acts_within, timeout) = (Route::Auto, ACTS_WITHIN, run.manner.timeout);
    let migrate = Migrate { cluster, route, acts_within, timeout, stop, emit: run.emit };
    let mut told = Vec::new();
    for migration in migrations {
        let name = &migration.name;
        let Some(wanted) = run.prepared.wanted.get(name) else { continue };
        if migration.bridge {
            build(run, migration, wanted).await?;
        }
        let keep: Vec<String> = wanted.versions().map(|version| version.name.to_owned()).collect();
        let migrated = migrate.crd(name, Some(&keep)).await?;
        if !migrated.well() {
            return Err(not_moved(&migrated));
        }
        told.push(format!("{name}: {}", migrated.sentence()));
        let left = read(run, name).await?;
        run.migrated.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), left);
    }
    Ok(told.join("\n"))
}

async fn read(run: &Run<'_>, name: &str) -> Result<Crd, Problem> {
    let cluster = &run.prepared.cluster;
    let crd = cluster.get(&path(name)).await.map_err(|error| error.problem(&cluster.context))?;
    Crd::new(crd).map_err(|_| Problem::failed(format!("the server answers with something else than CRD {name}")))
}

/// Makes the bridge on the CRD that the plan was made for, and on no other.
async fn build(run: &Run<'_>, migration: &Migration, wanted: &Crd) -> Result<(), Problem> {
    let name = &migration.name;
    let planned = run.prepared.view.crds.as_ref().ok().and_then(|crds| crds.get(name));
    let mut last = None;
    for _ in 0..TRIES {
        let live = read(run, name).await?;
        let of = |crd: &Crd, pointer: &str| crd.json().pointer(pointer).cloned();
        let moved = |planned: &Crd| {
            ["/metadata/uid", "/metadata/generation"].iter().any(|pointer| of(planned, pointer) != of(&live, pointer))
        };
        if planned.is_none_or(moved) {
            return Err(Problem::failed(format!("CRD {name} has changed since the plan was made"))
                .hint("run the same command again: a new plan is made from what is there now"));
        }
        let versions = bridge::versions(&live, wanted, &migration.to);
        let version = of(&live, "/metadata/resourceVersion");
        let patch = json!({"metadata": {"resourceVersion": version}, "spec": {"versions": versions}});
        let path = format!("{}?fieldManager={FIELD_MANAGER}&fieldValidation=Strict", path(name));
        let body = Some(("application/merge-patch+json", &patch));
        match run.prepared.cluster.request(Method::PATCH, &path, body).await {
            Ok(_) => return Ok(()),
            Err(error) if error.conflict() => last = Some(error),
            Err(error) => return Err(no_bridge(name).because(error)),
        }
    }
    Err(last.map_or_else(|| no_bridge(name), |error| no_bridge(name).because(error)))
}

fn no_bridge(name: &str) -> Problem {
    Problem::failed(format!("CRD {name} could not be given the chart's storage version beside its own"))
        .hint("nothing was moved; the CRD is as it was")
}

fn not_moved(migrated: &Migrated) -> Problem {
    let failures = migrated.failures.iter().take(NAMED);
    let named: Vec<String> = failures.map(|(object, reason)| format!("{object}: {reason}")).collect();
    let problem = Problem::failed(format!("{}: {}", migrated.name, migrated.sentence()));
    let problem = if named.is_empty() { problem } else { problem.because(named.join("\n")) };
    problem.hint(
        "the old version is still there, and nothing is lost: mend what is named, then run the same command again",
    )
}

fn path(name: &str) -> String {
    format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")
}
