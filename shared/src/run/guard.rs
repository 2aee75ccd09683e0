//! Step guards: just before a step, the live state is read again. Who moved the world meanwhile is named, and the step is not begun.

use std::collections::BTreeMap;

use crate::cluster::{look, wait};
use crate::model::crd::Crd;
use crate::model::pending::UNLOCKED;
use crate::model::release::{KEEP, POLICY};
use crate::model::view::NotSeen;
use crate::plan::{Action, Step};
use crate::prepare::Prepared;
use crate::problem::{Exit, Problem};

/// Looks whether the world is still the one that the plan was made for.
///
/// # Errors
/// A refusal that names what moved.
pub async fn before(prepared: &Prepared, migrated: &BTreeMap<String, Crd>, step: &Step) -> Result<(), Problem> {
    match &step.action {
        Action::KeepCrds { names } | Action::ApplyCrds { names } => crds_unmoved(prepared, migrated, names).await,
        Action::MigrateObjects { crds } => {
            let names: Vec<String> = crds.iter().map(|migration| migration.name.clone()).collect();
            crds_unmoved(prepared, migrated, &names).await
        }
        Action::RestoreCrds { names } => crds_unmoved(prepared, migrated, names).await,
        // An annotation is taken away, whatever a step before it has made of the spec.
        Action::UnkeepCrds { names } => crds_unmoved_by(prepared, migrated, names, |a, b| a.uid() == b.uid()).await,
        Action::UnlockRelease { release, .. } => release_unmoved(prepared, release).await,
        Action::RecordRelease { release }
        | Action::UpgradeRelease { release }
        | Action::RollbackRelease { release, .. } => {
            release_unmoved(prepared, release).await?;
            kept(prepared, &prepared.leaving).await
        }
        // Flux's objects are looked at again by the Flux path itself; an object is written over only where its version is
        // the one that was looked at.
        Action::HoldRelease { .. }
        | Action::MoveSource { .. }
        | Action::AwaitRelease { .. }
        | Action::AwaitApplication { .. }
        | Action::ApplyManifests { .. }
        | Action::LetReleaseGo { .. }
        | Action::RestoreObjects { .. }
        | Action::ForgetRuns { .. }
        | Action::ProveServed { .. }
        | Action::Validate => Ok(()),
    }
}

/// Looks, before anything is written, whether all that the steps write is as it was: a lock that had to be waited for is one
/// under which somebody else may have written.
///
/// # Errors
/// A refusal that names what moved.
pub async fn still(prepared: &Prepared) -> Result<(), Problem> {
    let (mut crds, none) = (Vec::new(), BTreeMap::new());
    for step in &prepared.plan.steps {
        match &step.action {
            Action::KeepCrds { names }
            | Action::ApplyCrds { names }
            | Action::RestoreCrds { names }
            | Action::UnkeepCrds { names } => crds.extend(names.iter().cloned()),
            Action::UnlockRelease { release, .. }
            | Action::RecordRelease { release }
            | Action::UpgradeRelease { release }
            | Action::RollbackRelease { release, .. } => release_unmoved(prepared, release).await?,
            _ => {}
        }
    }
    if crds.is_empty() { Ok(()) } else { crds_unmoved(prepared, &none, &crds).await }
}

/// What our own migration left behind counts as what the plan was made for.
async fn crds_unmoved(prepared: &Prepared, migrated: &BTreeMap<String, Crd>, names: &[String]) -> Result<(), Problem> {
    crds_unmoved_by(prepared, migrated, names, same_crd).await
}

async fn crds_unmoved_by(
    prepared: &Prepared,
    migrated: &BTreeMap<String, Crd>,
    names: &[String],
    as_it_was: fn(&Crd, &Crd) -> bool,
) -> Result<(), Problem> {
    let now = wait::crds(&prepared.cluster).await.map_err(|error| error.problem(&prepared.cluster.context))?;
    let before = prepared.view.crds.as_ref().map_err(unseen)?;
    for name in names {
        let (then, live) = (migrated.get(name).or_else(|| before.get(name)), now.iter().find(|crd| crd.name() == name));
        let same = match (then, live) {
            (None, None) => true,
            (Some(then), Some(live)) => as_it_was(then, live),
            (None, Some(_)) | (Some(_), None) => false,
        };
        if !same {
            return Err(moved(&format!("CRD {name}")));
        }
    }
    Ok(())
}

/// The generation counts changes of the spec; the uid tells a CRD that was deleted and made anew; a storage migration changes
/// the stored versions alone.
fn same_crd(then: &Crd, live: &Crd) -> bool {
    let same = then.uid() == live.uid() && generation(then.json()) == generation(live.json());
    same && then.stored_versions() == live.stored_versions()
}

/// Looks whether CRDs that leave a release's manifest bear helm's mark: without it, helm deletes them and every object of their kinds.
///
/// # Errors
/// One of them bears it no longer, or they cannot be read.
pub async fn kept(prepared: &Prepared, names: &[String]) -> Result<(), Problem> {
    if names.is_empty() {
        return Ok(());
    }
    let now = wait::crds(&prepared.cluster).await.map_err(|error| error.problem(&prepared.cluster.context))?;
    let bare =
        now.iter().find(|crd| names.iter().any(|name| name == crd.name()) && crd.annotation(POLICY) != Some("keep"));
    let Some(bare) = bare else { return Ok(()) };
    let text = format!("CRD {} does not bear {KEEP}: helm would delete it, and every {}", bare.name(), bare.kind());
    Err(Problem::new(Exit::Refused, text)
        .hint(format!("kubectl annotate crd {} {KEEP}; then run the same command again", bare.name())))
}

fn generation(crd: &serde_json::Value) -> Option<u64> {
    crd.pointer("/metadata/generation").and_then(serde_json::Value::as_u64)
}

async fn release_unmoved(prepared: &Prepared, release: &str) -> Result<(), Problem> {
    let namespace = &prepared.ask.installation.namespace;
    let now = look::releases(&prepared.cluster, namespace, release).await.map_err(|not_seen| unseen(&not_seen))?;
    let then = prepared.view.newest(release).map_err(unseen)?;
    let same = match (then, now.last()) {
        (None, None) => true,
        // What was pending may be marked failed by now: by our own step, or by the helm that was cut off, with its last breath.
        (Some(then), Some(now)) => {
            then.revision == now.revision && (then.status == now.status || (then.pending() && now.status == UNLOCKED))
        }
        (None, Some(_)) | (Some(_), None) => false,
    };
    if same { Ok(()) } else { Err(moved(&format!("release {release}"))) }
}

fn unseen(not_seen: &NotSeen) -> Problem {
    Problem::new(Exit::ChecksFailed, not_seen.to_string())
}

/// Somebody else has changed it.
pub(super) fn moved(what: &str) -> Problem {
    Problem::new(Exit::Refused, format!("{what} is not as it was when the plan was made: somebody else has changed it"))
        .hint("look who it was, then run the same command again: a new plan is made from what is there now")
}
