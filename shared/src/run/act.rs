//! Gives every step its meaning: one exhaustive `match` over [`Action`].
//!
//! Owns the steps that need only one call to kubectl or the API server; every other action has its own module. Input: a step and
//! the [`Run`]. Output: a text for the report, or a `Problem`. It decides nothing: whether a step may run is for the step guards.

use serde_json::Value;

use super::action_error::ActionError;
use super::backup::restore::Restore;
use super::context::Run;
use super::release_error::ReleaseError;
use super::{
    adopt_objects, clock_skew, final_check, flux, object_migration, step_guard, unlock, verify_release,
    verify_served_schema, wait_for_release as waits,
};
use crate::cluster::journal_secret;
use crate::model::crd::Crd;
use crate::model::release::{KEEP_ANNOTATION, RESOURCE_POLICY_ANNOTATION};
use crate::model::release_role::ReleaseRole;
use crate::model::text_format::format_count;
use crate::plan::journal::without_runs;
use crate::plan::{Action, Step, decide};
use crate::prepare::plan_commands;
use crate::prepare::prepared::UpgradeWork;
use crate::prepare::rendered_charts::RenderedCharts;
use crate::problem::{Cause, Problem};
use crate::report::upgrade_report::FinalCheck;

/// Runs a step and describes its result.
///
/// # Errors
/// The step failed, was stopped, or ran out of time.
pub async fn act(run: &Run<'_>, step: &Step, validate: &mut Option<FinalCheck>) -> Result<String, Problem> {
    match &step.action {
        Action::AddKeepAnnotation { names } => add_keep_annotation(run, names).await,
        Action::MigrateObjects { crds } => Ok(object_migration::migrate_objects(run, crds).await?),
        Action::ApplyCrds { names } => apply_crds(run, names).await,
        Action::VerifyServedSchema { names } => Ok(verify_served_schema::verify_served_schema(run, names).await?),
        Action::UnlockRelease { release, revision } => Ok(unlock::unlock_release(run, release, *revision).await?),
        Action::AdoptObjects { release, apply_method, objects } => {
            Ok(adopt_objects::adopt_objects(run, release, *apply_method, objects).await?)
        }
        Action::RecordRelease { .. } => record_release(run).await,
        Action::UpgradeRelease { .. } => Ok(waits::upgrade_release(run, step).await?),
        Action::SuspendHelmRelease { .. }
        | Action::UpdateSource { .. }
        | Action::AwaitHelmRelease { .. }
        | Action::AwaitArgoApplication { .. }
        | Action::ApplyManifests { .. }
        | Action::ResumeHelmRelease { .. } => Ok(flux::act(run, step).await?),
        Action::RollbackRelease { release, revision, wait } => {
            Ok(waits::roll_back_release(run, step, release, *revision, *wait).await?)
        }
        Action::RestoreCrds { names } => restore_crds(run, names).await,
        Action::RestoreObjects { names } => restore_objects(run, names).await,
        Action::RemoveKeepAnnotation { names } => remove_keep_annotation(run, names).await,
        Action::DiscardRuns { runs } => set_runs_aside(run, runs).await,
        Action::Validate => {
            let last = final_check::run_final_check(run).await?;
            let verdict = final_check::judge_final_check(&last);
            *validate = Some(last);
            Ok(verdict?)
        }
    }
}

/// Annotates CRDs with keep, and verifies it on each live CRD: helm reads the annotation there.
async fn add_keep_annotation(run: &Run<'_>, names: &[String]) -> Result<String, Problem> {
    let marked = run.prepared.session.kubectl.annotate_keep(names, run.options.timeout, run.options.stop.clone()).await;
    marked.map_err(ActionError::Annotate)?;
    step_guard::check_keep_annotations(run.prepared, names).await?;
    Ok(format!("{} annotated with {KEEP_ANNOTATION}", format_count(names.len(), "CRD")))
}

async fn remove_keep_annotation(run: &Run<'_>, names: &[String]) -> Result<String, Problem> {
    let taken =
        run.prepared.session.kubectl.remove_keep_annotation(names, run.options.timeout, run.options.stop.clone()).await;
    taken.map_err(ActionError::RemoveAnnotation)?;
    Ok(format!("{RESOURCE_POLICY_ANNOTATION} removed from {}", format_count(names.len(), "CRD")))
}

/// Overwrites custom resources with those of the backup. The CRDs themselves are not written.
async fn restore_objects(run: &Run<'_>, names: &[String]) -> Result<String, Problem> {
    let prepared = run.prepared;
    let folder = prepared.work.rollback_target().and_then(|undone| undone.backup_dir.as_deref());
    let folder = folder.ok_or(ActionError::NoBackup)?;
    let restore = Restore::prepare(&prepared.session.cluster, folder, true).await?.only_objects_of(names);
    let report = restore.run(false, &run.options.stop, run.emit).await?;
    match report.failures.first() {
        None => Ok(report.summarize()),
        Some(first) => {
            let first_failure = Cause::new(format!("{}: {}", first.object, first.reason));
            Err(ActionError::NotRestored { count: report.failures.len(), first_failure }.into())
        }
    }
}

/// Removes runs that cannot be parsed from the journal.
async fn set_runs_aside(run: &Run<'_>, runs: &[String]) -> Result<String, Problem> {
    let (cluster, namespace) = (&run.prepared.session.cluster, &run.prepared.session.installation.namespace);
    if let Some(before) = journal_secret::read_secret(cluster, namespace).await.map_err(ActionError::Journal)? {
        journal_secret::write_secret(cluster, namespace, &without_runs(&before, runs))
            .await
            .map_err(ActionError::Journal)?;
    }
    Ok(format!("{} removed from the journal", format_count(runs.len(), "run")))
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
    let applied = applied.map_err(ActionError::Apply)?;
    if applied != objects.len() {
        return Err(ActionError::NotAllApplied { applied, wanted: objects.len() }.into());
    }
    Ok(format!("{} applied", format_count(applied, "CRD")))
}

/// Applies CRDs of the backup as kubectl, then gives the fields back to the helm that writes them on the server: its next upgrade
/// would meet a conflict otherwise.
async fn restore_crds(run: &Run<'_>, names: &[String]) -> Result<String, Problem> {
    let applied = apply_crds(run, names).await?;
    adopt_objects::return_crds_to_helm(run, names).await?;
    Ok(applied)
}

async fn record_release(run: &Run<'_>) -> Result<String, Problem> {
    let prepared = run.prepared;
    let Some(UpgradeWork { ask, charts: RenderedCharts { crds: Some(rendered_chart), .. }, .. }) =
        prepared.work.as_upgrade()
    else {
        return Err(ActionError::NoChart.into());
    };
    let (description, label) = (
        decide::build_description(&rendered_chart.fetched.digest),
        plan_commands::run_label(&prepared.session.lease_watcher.identity.run),
    );
    let upgrade = plan_commands::build_helm_upgrade(ask, rendered_chart, ReleaseRole::Crds, &description, &label);
    let helm = clock_skew::helm_with_fresh_cache(run).await;
    let written = helm.upgrade(&upgrade, run.process_guard, run.options.abort.clone()).await;
    let version = &rendered_chart.fetched.chart.version;
    written.map_err(|error| ReleaseError::Record {
        release: upgrade.release.to_owned(),
        version: version.to_string(),
        error,
    })?;
    verify_release::verify_upgraded(run, &upgrade, version).await?;
    Ok(format!("{} {version}", upgrade.release))
}
