//! The one place that gives a step its meaning.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Run, guard, judge, ready, unlock};
use crate::cluster::{served, wait};
use crate::diff;
use crate::model::crd::Crd;
use crate::model::release::KEEP;
use crate::plan::{Action, Step, decide};
use crate::problem::{Exit, Problem};
use crate::report::upgrade::LastLook;

/// The longest that new schemas may take to be served: seconds on one API server, more where there are several.
const SERVED_WITHIN: Duration = Duration::from_secs(120);
/// Between two looks at whether they are.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Does a step. The text says what came of it.
///
/// # Errors
/// The step failed, was stopped, or ran out of time.
pub async fn act(run: &Run<'_>, step: &Step, validate: &mut Option<LastLook>) -> Result<String, Problem> {
    match &step.action {
        Action::KeepCrds { names } => keep(run, names).await,
        Action::ApplyCrds { names } => apply(run, names).await,
        Action::ProveServed { names } => prove(run, names).await,
        Action::UnlockRelease { release, revision } => unlock::unlock(run, release, *revision).await,
        Action::RecordRelease { .. } => record(run).await,
        Action::UpgradeRelease { .. } => ready::upgrade(run, step).await,
        Action::Validate => {
            let last = ready::validate(run).await?;
            let verdict = ready::verdict(&last);
            *validate = Some(last);
            verdict
        }
    }
}

/// Marks CRDs, and looks whether the mark is on each: helm will ask the live object.
async fn keep(run: &Run<'_>, names: &[String]) -> Result<String, Problem> {
    let marked = run.prepared.kubectl.keep(names, run.manner.timeout, run.manner.stop.clone()).await;
    marked.map_err(|error| {
        error
            .problem("the CRDs could not all be marked to be kept")
            .hint("nothing is deleted: helm has written nothing yet. Run the same command again")
    })?;
    guard::kept(run.prepared, names).await?;
    Ok(format!("{0} of {0} bear {KEEP}", names.len()))
}

async fn apply(run: &Run<'_>, names: &[String]) -> Result<String, Problem> {
    let wanted = &run.prepared.wanted;
    let objects: Vec<&Value> = names.iter().filter_map(|name| wanted.get(name)).map(Crd::json).collect();
    let applied = run.prepared.kubectl.apply(&objects, run.manner.timeout, run.leash, run.manner.at_once.clone()).await;
    applied.map_err(|error| {
        error
            .problem("the CRDs could not all be applied")
            .hint("run the same command again: what is applied is not applied twice")
    })?;
    Ok(format!("{} applied", objects.len()))
}

/// Established alone proves nothing after an update: the served schema does.
async fn prove(run: &Run<'_>, names: &[String]) -> Result<String, Problem> {
    let began = Instant::now();
    loop {
        let missing = unproved(run, names).await?;
        let Some(first) = missing.first() else {
            return Ok(format!("{0} of {0} established and served with the chart's schema", names.len()));
        };
        if run.manner.stop.asked() {
            return Err(Problem::new(Exit::Interrupted, "stopped by Ctrl-C while proving the CRDs")
                .hint("run the same command again: it proves them again"));
        }
        if began.elapsed() >= SERVED_WITHIN.min(run.manner.timeout) {
            let text =
                format!("{} of {} CRDs are not served as the chart has them: {first}", missing.len(), names.len());
            return Err(Problem::new(Exit::OutOfTime, text)
                .hint("kubectl get crd; then look at the conditions of the one that is named"));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// What is not proved yet, in words.
async fn unproved(run: &Run<'_>, names: &[String]) -> Result<Vec<String>, Problem> {
    let cluster = &run.prepared.cluster;
    let failed = |error: crate::cluster::ApiError| error.problem(&cluster.context);
    let live = wait::crds(cluster).await.map_err(failed)?;
    let mut missing = Vec::new();
    let mut standing = Vec::new();
    for name in names {
        match live.iter().find(|crd| crd.name() == name) {
            None => missing.push(format!("CRD {name} is not there")),
            Some(crd) => match ["Established", "NamesAccepted"].into_iter().find(|condition| !crd.has(condition)) {
                Some(condition) => missing.push(format!("CRD {name} is not {condition}")),
                None => standing.push(crd),
            },
        }
    }
    if missing.is_empty() {
        missing = unserved(run, &standing).await?;
    }
    Ok(missing)
}

async fn unserved(run: &Run<'_>, crds: &[&Crd]) -> Result<Vec<String>, Problem> {
    let cluster = &run.prepared.cluster;
    let paths: BTreeSet<String> = served::paths(crds);
    let documents = served::documents(cluster, &paths).await.map_err(|error| error.problem(&cluster.context))?;
    let mut missing = Vec::new();
    for crd in crds {
        // The chart's own schema, not the live object's: that is what was asked for.
        let chart = run.prepared.wanted.get(crd.name()).unwrap_or(crd);
        for version in chart.versions().filter(|version| version.served) {
            let path = format!("apis/{}/{}", chart.group(), version.name);
            let definition = documents
                .get(&path)
                .and_then(|document| served::definition(document, chart.group(), version.name, chart.kind()));
            match (definition, version.schema) {
                (None, _) => missing.push(format!("{} of CRD {} is not served", version.name, crd.name())),
                (Some(definition), Some(schema)) => {
                    if let Err(paths) = diff::served_schema_matches(schema, definition) {
                        let first = paths.first().map_or_else(String::new, |path| format!(" at {path}"));
                        missing.push(format!(
                            "{} of CRD {} is served with another schema{first}",
                            version.name,
                            crd.name()
                        ));
                    }
                }
                (Some(_), None) => {}
            }
        }
    }
    Ok(missing)
}

async fn record(run: &Run<'_>) -> Result<String, Problem> {
    let prepared = run.prepared;
    let Some(side) = &prepared.crds else { return Err(Problem::failed("the plan records a chart that does not move")) };
    let (description, label) = (decide::description(&side.fetched.digest), judge::label(&prepared.turn.claim.run));
    let upgrade = judge::upgrade(&prepared.ask, side, true, &description, &label);
    let written = prepared.helm.upgrade(&upgrade, run.leash, run.manner.at_once.clone()).await;
    written.map_err(|error| {
        error.problem(format!("helm could not record {} {}", upgrade.release, side.fetched.chart.version))
    })?;
    Ok(format!("{} {}", upgrade.release, side.fetched.chart.version))
}
