//! Gives every step its meaning: one exhaustive `match` over [`Action`].
//!
//! Owns the steps that need only one call to kubectl or the API server; every other action has its own module. Input: a step and
//! the [`Run`]. Output: a text for the report, or a `Problem`. It decides nothing: whether a step may run is for the step guards.

use serde_json::Value;

use super::backup::restore::Restore;
use super::context::Run;
use super::{
    adopt_objects, clock_skew, final_check, flux, object_migration, step_guard, unlock, verify_release,
    verify_served_schema, wait_for_release as waits,
};
use crate::cluster::journal_secret;
use crate::model::crd::Crd;
use crate::model::release::{KEEP_ANNOTATION, RESOURCE_POLICY_ANNOTATION};
use crate::model::release_role::ReleaseRole;
use crate::plan::journal::without_runs;
use crate::plan::{Action, Step, decide};
use crate::prepare::plan_commands;
use crate::prepare::prepared::UpgradeWork;
use crate::prepare::rendered_charts::RenderedCharts;
use crate::problem::Problem;
use crate::report::upgrade_report::FinalCheck;

/// Runs a step and describes its result.
///
/// # Errors
/// The step failed, was stopped, or ran out of time.
pub async fn act(run: &Run<'_>, step: &Step, validate: &mut Option<FinalCheck>) -> Result<String, Problem> {
    match &step.action {
        Action::AddKeepAnnotation { names } => add_keep_annotation(run, names).await,
        Action::MigrateObjects { crds } => object_migration::migrate_objects(run, crds).await,
        Action::ApplyCrds { names } => apply_crds(run, names).await,
        Action::VerifyServedSchema { names } => verify_served_schema::verify_served_schema(run, names).await,
        Action::UnlockRelease { release, revision } => unlock::unlock_release(run, release, *revision).await,
        Action::AdoptObjects { release, apply_method, objects } => {
            adopt_objects::adopt_objects(run, release, *apply_method, objects).await
        }
        Action::RecordRelease { .. } => record_release(run).await,
        Action::UpgradeRelease { .. } => waits::upgrade_release(run, step).await,
        Action::SuspendHelmRelease { .. }
        | Action::UpdateSource { .. }
        | Action::AwaitHelmRelease { .. }
        | Action::AwaitArgoApplication { .. }
        | Action::ApplyManifests { .. }
        | Action::ResumeHelmRelease { .. } => flux::act(run, step).await,
        Action::RollbackRelease { release, revision, wait } => {
            waits::roll_back_release(run, step, release, *revision, *wait).await
        }
        Action::RestoreCrds { names } => apply_crds(run, names).await,
        Action::RestoreObjects { names } => restore_objects(run, names).await,
        Action::RemoveKeepAnnotation { names } => remove_keep_annotation(run, names).await,
        Action::DiscardRuns { runs } => set_runs_aside(run, runs).await,
        Action::Validate => {
            let last = final_check::run_final_check(run).await?;
            let verdict = final_check::judge_final_check(&last);
            *validate = Some(last);
            verdict
        }
    }
}

/// Annotates CRDs with keep, and verifies it on each live CRD: helm reads the annotation there.
async fn add_keep_annotation(run: &Run<'_>, names: &[String]) -> Result<String, Problem> {
    let marked = run.prepared.session.kubectl.annotate_keep(names, run.options.timeout, run.options.stop.clone()).await;
    marked.map_err(|error| {
        error
            .into_problem("not all CRDs could be annotated with keep")
            .with_hint("run the same command again: helm has not run, and nothing was deleted")
    })?;
    step_guard::check_keep_annotations(run.prepared, names).await?;
    Ok(format!("{0} of {0} CRDs are annotated with {KEEP_ANNOTATION}", names.len()))
}

async fn remove_keep_annotation(run: &Run<'_>, names: &[String]) -> Result<String, Problem> {
    let taken =
        run.prepared.session.kubectl.remove_keep_annotation(names, run.options.timeout, run.options.stop.clone()).await;
    taken.map_err(|error| error.into_problem("the keep annotation could not be removed from all CRDs"))?;
    Ok(format!("{RESOURCE_POLICY_ANNOTATION} removed from {} CRDs", names.len()))
}

/// Overwrites custom resources with those of the backup. The CRDs themselves are not written.
async fn restore_objects(run: &Run<'_>, names: &[String]) -> Result<String, Problem> {
    let prepared = run.prepared;
    let folder = prepared.work.rollback_target().and_then(|undone| undone.backup_dir.as_deref());
    let folder = folder.ok_or_else(|| Problem::failure("this workstation has no backup of the run"))?;
    let restore = Restore::prepare(&prepared.session.cluster, folder, true).await?.only_objects_of(names);
    let report = restore.run(false, &run.options.stop, run.emit).await?;
    match report.failures.first() {
        None => Ok(report.summarize()),
        Some(first) => Err(Problem::failure(format!("{} objects could not be restored", report.failures.len()))
            .with_source(format!("{}: {}", first.object, first.reason))
            .with_hint(
                "kubectl mural upgrade rollback --overwrite continues: objects that are restored already are not written again",
            )),
    }
}

/// Removes runs that cannot be parsed from the journal.
async fn set_runs_aside(run: &Run<'_>, runs: &[String]) -> Result<String, Problem> {
    let (cluster, namespace) = (&run.prepared.session.cluster, &run.prepared.session.installation.namespace);
    let failed = |error| Problem::failure("the journal could not be written").with_source(error);
    if let Some(before) = journal_secret::read_secret(cluster, namespace).await.map_err(failed)? {
        journal_secret::write_secret(cluster, namespace, &without_runs(&before, runs)).await.map_err(failed)?;
    }
    Ok(format!("{} runs removed from the journal", runs.len()))
}

async fn apply_crds(run: &Run<'_>, names: &[String]) -> Result<String, Problem> {
    let wanted = run.prepared.work.crds();
    let objects: Vec<&Value> = names.iter().filter_map(|name| wanted.get(name)).map(Crd::json).collect();
    let applied = run
        .prepared
        .session
        .kubectl
        .apply(&objects, run.options.timeout, run.process_guard, run.options.abort.clone())
        .await;
    let again = "run the same command again: CRDs that are applied already do not change";
    let applied = applied.map_err(|error| error.into_problem("not all CRDs could be applied").with_hint(again))?;
    if applied != objects.len() {
        let text = format!("kubectl succeeded, but reports {applied} of {} CRDs as applied", objects.len());
        return Err(Problem::failure(text)
            .with_hint("kubectl get crd: compare the list with the plan, and check whether kubectl is a wrapper script")
            .with_hint(again));
    }
    Ok(format!("{applied} applied"))
}

async fn record_release(run: &Run<'_>) -> Result<String, Problem> {
    let prepared = run.prepared;
    let Some(UpgradeWork { ask, charts: RenderedCharts { crds: Some(rendered_chart), .. }, .. }) =
        prepared.work.as_upgrade()
    else {
        return Err(Problem::failure("internal error: the plan records a release without a CRD chart"));
    };
    let (description, label) = (
        decide::build_description(&rendered_chart.fetched.digest),
        plan_commands::run_label(&prepared.session.lease_watcher.identity.run),
    );
    let upgrade = plan_commands::build_helm_upgrade(ask, rendered_chart, ReleaseRole::Crds, &description, &label);
    let helm = clock_skew::helm_with_fresh_cache(run).await;
    let written = helm.upgrade(&upgrade, run.process_guard, run.options.abort.clone()).await;
    written.map_err(|error| {
        error
            .into_problem(format!("helm could not record {} {}", upgrade.release, rendered_chart.fetched.chart.version))
    })?;
    verify_release::verify_upgraded(run, &upgrade, &rendered_chart.fetched.chart.version).await?;
    Ok(format!("{} {}", upgrade.release, rendered_chart.fetched.chart.version))
}
