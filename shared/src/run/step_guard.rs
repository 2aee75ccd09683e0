//! Step guards: read the live state again just before a step, and refuse the step if another client changed it.
//!
//! Owns what each action requires to be unchanged: an exhaustive `match`. Guards before the first write are in `guards/`. Input: a
//! step and the state that the plan was made from. Output: a refusal that names the changed object.

use std::collections::BTreeMap;

use super::step_guard_error::StepGuardError;
use crate::cluster::{crd_reader, view_reader};
use crate::model::crd::Crd;
use crate::model::release::RESOURCE_POLICY_ANNOTATION;
use crate::model::release_status::ReleaseStatus;
use crate::plan::{Action, Step};
use crate::prepare::prepared::Prepared;

/// Checks that the objects of a step are unchanged since the plan was made.
///
/// # Errors
/// A refusal that names the changed object.
pub async fn check_before_step(
    prepared: &Prepared,
    migrated: &BTreeMap<String, Crd>,
    step: &Step,
) -> Result<(), StepGuardError> {
    match &step.action {
        Action::AddKeepAnnotation { names } | Action::ApplyCrds { names } => {
            check_crds_unchanged(prepared, migrated, names).await
        }
        Action::MigrateObjects { crds } => {
            let names: Vec<String> = crds.iter().map(|migration| migration.name.clone()).collect();
            check_crds_unchanged(prepared, migrated, &names).await
        }
        Action::RestoreCrds { names } => check_crds_unchanged(prepared, migrated, names).await,
        // The annotation is removed even if an earlier step of this run changed the spec.
        Action::RemoveKeepAnnotation { names } => {
            check_crds_unchanged_by(prepared, migrated, names, |a, b| a.uid() == b.uid()).await
        }
        Action::UnlockRelease { release, .. } => check_release_unchanged(prepared, release).await,
        Action::RecordRelease { release }
        | Action::UpgradeRelease { release }
        | Action::RollbackRelease { release, .. } => {
            check_release_unchanged(prepared, release).await?;
            check_keep_annotations(prepared, prepared.work.removed_crds()).await
        }
        // The step reads its objects itself, and writes each only in the version that it read.
        Action::AdoptObjects { .. } => Ok(()),
        // The Flux steps check their own objects (`flux.rs`). A restored object is only overwritten in the version in which it
        // was read.
        Action::SuspendHelmRelease { .. }
        | Action::UpdateSource { .. }
        | Action::AwaitHelmRelease { .. }
        | Action::AwaitArgoApplication { .. }
        | Action::ApplyManifests { .. }
        | Action::ResumeHelmRelease { .. }
        | Action::RestoreObjects { .. }
        | Action::DiscardRuns { .. }
        | Action::VerifyServedSchema { .. }
        | Action::Validate => Ok(()),
    }
}

/// Checks, before anything is written, that all objects of all steps are unchanged: while this run waited for the lock, its holder
/// may have written.
///
/// # Errors
/// A refusal that names the changed object.
pub async fn check_all_unchanged(prepared: &Prepared) -> Result<(), StepGuardError> {
    let (mut crds, none) = (Vec::new(), BTreeMap::new());
    for step in &prepared.plan.steps {
        crds.extend(step.action.written_crds().iter().cloned());
        if let Some(release) = step.action.written_release() {
            check_release_unchanged(prepared, release).await?;
        }
    }
    if crds.is_empty() { Ok(()) } else { check_crds_unchanged(prepared, &none, &crds).await }
}

/// A CRD that this run's own migration changed counts as unchanged.
async fn check_crds_unchanged(
    prepared: &Prepared,
    migrated: &BTreeMap<String, Crd>,
    names: &[String],
) -> Result<(), StepGuardError> {
    check_crds_unchanged_by(prepared, migrated, names, is_same_crd).await
}

async fn check_crds_unchanged_by(
    prepared: &Prepared,
    migrated: &BTreeMap<String, Crd>,
    names: &[String],
    as_it_was: fn(&Crd, &Crd) -> bool,
) -> Result<(), StepGuardError> {
    let now = crd_reader::list_crds(&prepared.session.cluster)
        .await
        .map_err(|error| error.in_context(&prepared.session.cluster.context))?;
    let before = prepared.session.view.crds.as_ref().map_err(Clone::clone)?;
    for name in names {
        let (then, live) = (migrated.get(name).or_else(|| before.get(name)), now.iter().find(|crd| crd.name() == name));
        let same = match (then, live) {
            (None, None) => true,
            (Some(then), Some(live)) => as_it_was(then, live),
            (None, Some(_)) | (Some(_), None) => false,
        };
        if !same {
            return Err(StepGuardError::Changed { object: format!("CRD {name}") });
        }
    }
    Ok(())
}

/// The generation counts changes of the spec. The uid reveals a CRD that was deleted and created again. A storage migration only
/// changes the stored versions.
fn is_same_crd(then: &Crd, live: &Crd) -> bool {
    let same = then.uid() == live.uid() && generation(then.json()) == generation(live.json());
    same && then.stored_versions() == live.stored_versions()
}

/// Checks that CRDs that leave a release's manifest have the keep annotation. Otherwise helm deletes them with all their objects.
///
/// # Errors
/// A CRD lacks it, or the CRDs cannot be read.
pub async fn check_keep_annotations(prepared: &Prepared, names: &[String]) -> Result<(), StepGuardError> {
    if names.is_empty() {
        return Ok(());
    }
    let now = crd_reader::list_crds(&prepared.session.cluster)
        .await
        .map_err(|error| error.in_context(&prepared.session.cluster.context))?;
    let unannotated = now.iter().find(|crd| {
        names.iter().any(|name| name == crd.name()) && crd.annotation(RESOURCE_POLICY_ANNOTATION) != Some("keep")
    });
    match unannotated {
        None => Ok(()),
        Some(crd) => Err(StepGuardError::NotKept { name: crd.name().to_owned(), kind: crd.kind().to_owned() }),
    }
}

fn generation(crd: &serde_json::Value) -> Option<u64> {
    crd.pointer("/metadata/generation").and_then(serde_json::Value::as_u64)
}

async fn check_release_unchanged(prepared: &Prepared, release: &str) -> Result<(), StepGuardError> {
    let namespace = &prepared.session.installation.namespace;
    let now = view_reader::read_release_records(&prepared.session.cluster, namespace, release).await?;
    let then = prepared.session.view.newest_revision(release).map_err(Clone::clone)?;
    let same = match (then, now.last()) {
        (None, None) => true,
        // A pending revision may be marked failed by now: by our own step, or by the interrupted helm itself.
        (Some(then), Some(now)) => {
            then.revision == now.revision
                && (then.status == now.status || (then.status.is_in_progress() && now.status == ReleaseStatus::Failed))
        }
        (None, Some(_)) | (Some(_), None) => false,
    };
    if same { Ok(()) } else { Err(StepGuardError::Changed { object: format!("release {release}") }) }
}
