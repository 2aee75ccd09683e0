//! Step guards: just before a step, the live state is read again. Who moved the world meanwhile is named, and the step is not begun.

use std::collections::BTreeMap;

use crate::cluster::{crd_reader, view_reader};
use crate::model::cluster_view::ReadFailure;
use crate::model::crd::Crd;
use crate::model::release::{KEEP_ANNOTATION, RESOURCE_POLICY_ANNOTATION};
use crate::model::release_status::ReleaseStatus;
use crate::plan::{Action, Step};
use crate::prepare::prepared::Prepared;
use crate::problem::{Exit, Problem};

/// Looks whether the world is still the one that the plan was made for.
///
/// # Errors
/// A refusal that names what moved.
pub async fn check_before_step(
    prepared: &Prepared,
    migrated: &BTreeMap<String, Crd>,
    step: &Step,
) -> Result<(), Problem> {
    match &step.action {
        Action::AddKeepAnnotation { names } | Action::ApplyCrds { names } => {
            check_crds_unchanged(prepared, migrated, names).await
        }
        Action::MigrateObjects { crds } => {
            let names: Vec<String> = crds.iter().map(|migration| migration.name.clone()).collect();
            check_crds_unchanged(prepared, migrated, &names).await
        }
        Action::RestoreCrds { names } => check_crds_unchanged(prepared, migrated, names).await,
        // An annotation is taken away, whatever a step before it has made of the spec.
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
        // Flux's objects are looked at again by the Flux path itself; an object is written over only where its version is
        // the one that was looked at.
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

/// Looks, before anything is written, whether all that the steps write is as it was: a lock that had to be waited for is one
/// under which somebody else may have written.
///
/// # Errors
/// A refusal that names what moved.
pub async fn check_all_unchanged(prepared: &Prepared) -> Result<(), Problem> {
    let (mut crds, none) = (Vec::new(), BTreeMap::new());
    for step in &prepared.plan.steps {
        crds.extend(step.action.written_crds().iter().cloned());
        if let Some(release) = step.action.written_release() {
            check_release_unchanged(prepared, release).await?;
        }
    }
    if crds.is_empty() { Ok(()) } else { check_crds_unchanged(prepared, &none, &crds).await }
}

/// What our own migration left behind counts as what the plan was made for.
async fn check_crds_unchanged(
    prepared: &Prepared,
    migrated: &BTreeMap<String, Crd>,
    names: &[String],
) -> Result<(), Problem> {
    check_crds_unchanged_by(prepared, migrated, names, is_same_crd).await
}

async fn check_crds_unchanged_by(
    prepared: &Prepared,
    migrated: &BTreeMap<String, Crd>,
    names: &[String],
    as_it_was: fn(&Crd, &Crd) -> bool,
) -> Result<(), Problem> {
    let now = crd_reader::list_crds(&prepared.session.cluster)
        .await
        .map_err(|error| error.into_problem(&prepared.session.cluster.context))?;
    let before = prepared.session.view.crds.as_ref().map_err(unreadable_problem)?;
    for name in names {
        let (then, live) = (migrated.get(name).or_else(|| before.get(name)), now.iter().find(|crd| crd.name() == name));
        let same = match (then, live) {
            (None, None) => true,
            (Some(then), Some(live)) => as_it_was(then, live),
            (None, Some(_)) | (Some(_), None) => false,
        };
        if !same {
            return Err(changed_problem(&format!("CRD {name}")));
        }
    }
    Ok(())
}

/// The generation counts changes of the spec; the uid tells a CRD that was deleted and made anew; a storage migration changes
/// the stored versions alone.
fn is_same_crd(then: &Crd, live: &Crd) -> bool {
    let same = then.uid() == live.uid() && generation(then.json()) == generation(live.json());
    same && then.stored_versions() == live.stored_versions()
}

/// Looks whether CRDs that leave a release's manifest bear helm's mark: without it, helm deletes them and every object of their kinds.
///
/// # Errors
/// One of them bears it no longer, or they cannot be read.
pub async fn check_keep_annotations(prepared: &Prepared, names: &[String]) -> Result<(), Problem> {
    if names.is_empty() {
        return Ok(());
    }
    let now = crd_reader::list_crds(&prepared.session.cluster)
        .await
        .map_err(|error| error.into_problem(&prepared.session.cluster.context))?;
    let unannotated = now.iter().find(|crd| {
        names.iter().any(|name| name == crd.name()) && crd.annotation(RESOURCE_POLICY_ANNOTATION) != Some("keep")
    });
    let Some(unannotated) = unannotated else { return Ok(()) };
    let text = format!(
        "CRD {} does not bear {KEEP_ANNOTATION}: helm would delete it, and every {}",
        unannotated.name(),
        unannotated.kind()
    );
    Err(Problem::new(Exit::Refused, text).with_hint(format!(
        "kubectl annotate crd {} {KEEP_ANNOTATION}; then run the same command again",
        unannotated.name()
    )))
}

fn generation(crd: &serde_json::Value) -> Option<u64> {
    crd.pointer("/metadata/generation").and_then(serde_json::Value::as_u64)
}

async fn check_release_unchanged(prepared: &Prepared, release: &str) -> Result<(), Problem> {
    let namespace = &prepared.session.installation.namespace;
    let now = view_reader::read_release_records(&prepared.session.cluster, namespace, release)
        .await
        .map_err(|failure| unreadable_problem(&failure))?;
    let then = prepared.session.view.newest_revision(release).map_err(unreadable_problem)?;
    let same = match (then, now.last()) {
        (None, None) => true,
        // What was pending may be marked failed by now: by our own step, or by the helm that was cut off, with its last breath.
        (Some(then), Some(now)) => {
            then.revision == now.revision
                && (then.status == now.status || (then.status.is_in_progress() && now.status == ReleaseStatus::Failed))
        }
        (None, Some(_)) | (Some(_), None) => false,
    };
    if same { Ok(()) } else { Err(changed_problem(&format!("release {release}"))) }
}

fn unreadable_problem(failure: &ReadFailure) -> Problem {
    Problem::new(Exit::ChecksFailed, failure.to_string())
}

/// Somebody else has changed it.
pub(super) fn changed_problem(what: &str) -> Problem {
    Problem::new(Exit::Refused, format!("{what} is not as it was when the plan was made: somebody else has changed it"))
        .with_hint("look who it was, then run the same command again: a new plan is made from what is there now")
}
