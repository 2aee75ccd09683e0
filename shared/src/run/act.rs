//! The one place that gives a step its meaning.

use serde_json::Value;

use super::keep::restore::Restore;
use super::{Run, bridge, clock, flux, guard, prove, ready, released, unlock, wait as waits};
use crate::cluster::journal;
use crate::model::crd::Crd;
use crate::model::release::{KEEP, POLICY};
use crate::plan::journal::without;
use crate::plan::{Action, Step, decide};
use crate::prepare::judge;
use crate::problem::Problem;
use crate::report::upgrade::LastLook;

/// Does a step. The text says what came of it.
///
/// # Errors
/// The step failed, was stopped, or ran out of time.
pub async fn act(run: &Run<'_>, step: &Step, validate: &mut Option<LastLook>) -> Result<String, Problem> {
    match &step.action {
        Action::KeepCrds { names } => keep(run, names).await,
        Action::MigrateObjects { crds } => bridge::migrate(run, crds).await,
        Action::ApplyCrds { names } => apply(run, names).await,
        Action::ProveServed { names } => prove::prove(run, names).await,
        Action::UnlockRelease { release, revision } => unlock::unlock(run, release, *revision).await,
        Action::RecordRelease { .. } => record(run).await,
        Action::UpgradeRelease { .. } => waits::upgrade(run, step).await,
        Action::HoldRelease { .. }
        | Action::MoveSource { .. }
        | Action::AwaitRelease { .. }
        | Action::AwaitApplication { .. }
        | Action::ApplyManifests { .. }
        | Action::LetReleaseGo { .. } => flux::act(run, step).await,
        Action::RollbackRelease { release, revision, wait } => {
            waits::rollback(run, step, release, *revision, *wait).await
        }
        Action::RestoreCrds { names } => apply(run, names).await,
        Action::RestoreObjects { names } => objects(run, names).await,
        Action::UnkeepCrds { names } => unkeep(run, names).await,
        Action::ForgetRuns { runs } => forget(run, runs).await,
        Action::Validate => {
            let last = ready::settled(run).await?;
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

async fn unkeep(run: &Run<'_>, names: &[String]) -> Result<String, Problem> {
    let taken = run.prepared.kubectl.unkeep(names, run.manner.timeout, run.manner.stop.clone()).await;
    taken.map_err(|error| error.problem("the mark could not be taken from all CRDs"))?;
    Ok(format!("{} CRDs bear {POLICY} no more", names.len()))
}

/// Saved objects in place of those that are there; the CRDs themselves are not written.
async fn objects(run: &Run<'_>, names: &[String]) -> Result<String, Problem> {
    let prepared = run.prepared;
    let folder = prepared.back.as_ref().and_then(|undone| undone.folder.as_deref());
    let folder = folder.ok_or_else(|| Problem::failed("there is no saved copy on this workstation"))?;
    let restore = Restore::prepare(&prepared.cluster, folder, true).await?.objects_of(names);
    let report = restore.run(false, &run.manner.stop, run.emit).await?;
    match report.failures.first() {
        None => Ok(report.sentence()),
        Some(first) => Err(Problem::failed(format!("{} objects could not be written back", report.failures.len()))
            .because(format!("{}: {}", first.object, first.reason))
            .hint("kubectl mural upgrade rollback --overwrite goes on: what is written back is not written twice")),
    }
}

/// Sets runs in the journal aside that nobody can read.
async fn forget(run: &Run<'_>, runs: &[String]) -> Result<String, Problem> {
    let (cluster, namespace) = (&run.prepared.cluster, &run.prepared.ask.installation.namespace);
    let failed = |error| Problem::failed("the journal could not be written").because(error);
    if let Some(before) = journal::read(cluster, namespace).await.map_err(failed)? {
        journal::write(cluster, namespace, &without(&before, runs)).await.map_err(failed)?;
    }
    Ok(format!("{} runs set aside", runs.len()))
}

async fn apply(run: &Run<'_>, names: &[String]) -> Result<String, Problem> {
    let wanted = &run.prepared.wanted;
    let objects: Vec<&Value> = names.iter().filter_map(|name| wanted.get(name)).map(Crd::json).collect();
    let applied = run.prepared.kubectl.apply(&objects, run.manner.timeout, run.leash, run.manner.at_once.clone()).await;
    let again = "run the same command again: what is applied is not applied twice";
    let applied = applied.map_err(|error| error.problem("the CRDs could not all be applied").hint(again))?;
    if applied != objects.len() {
        let text = format!("kubectl says that it is done, and names {applied} of {} CRDs", objects.len());
        return Err(Problem::failed(text).hint("call kubectl by hand, and see what it does there").hint(again));
    }
    Ok(format!("{applied} applied"))
}

async fn record(run: &Run<'_>) -> Result<String, Problem> {
    let prepared = run.prepared;
    let Some(side) = &prepared.crds else { return Err(Problem::failed("the plan records a chart that does not move")) };
    let (description, label) = (decide::description(&side.fetched.digest), judge::label(&prepared.turn.claim.run));
    let upgrade = judge::upgrade(&prepared.ask, side, true, &description, &label);
    let helm = clock::helm(run).await;
    let written = helm.upgrade(&upgrade, run.leash, run.manner.at_once.clone()).await;
    written.map_err(|error| {
        error.problem(format!("helm could not record {} {}", upgrade.release, side.fetched.chart.version))
    })?;
    released::proved(run, &upgrade, &side.fetched.chart.version).await?;
    Ok(format!("{} {}", upgrade.release, side.fetched.chart.version))
}
