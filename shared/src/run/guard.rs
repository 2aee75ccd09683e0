//! Step guards: just before a step, the live state is read again. Who moved the world meanwhile is named, and the step is not begun.

use super::prepare::Prepared;
use crate::cluster::{look, wait};
use crate::model::pending::UNLOCKED;
use crate::model::view::NotSeen;
use crate::plan::{Action, Step};
use crate::problem::{Exit, Problem};

/// Looks whether the world is still the one that the plan was made for.
///
/// # Errors
/// A refusal that names what moved.
pub async fn before(prepared: &Prepared, step: &Step) -> Result<(), Problem> {
    match &step.action {
        Action::ApplyCrds { names } => crds_unmoved(prepared, names).await,
        Action::UnlockRelease { release, .. }
        | Action::RecordRelease { release }
        | Action::UpgradeRelease { release } => release_unmoved(prepared, release).await,
        Action::ProveServed { .. } | Action::Validate => Ok(()),
    }
}

async fn crds_unmoved(prepared: &Prepared, names: &[String]) -> Result<(), Problem> {
    let now = wait::crds(&prepared.cluster).await.map_err(|error| error.problem(&prepared.cluster.context))?;
    let before = prepared.view.crds.as_ref().map_err(unseen)?;
    for name in names {
        let (then, live) = (before.get(name), now.iter().find(|crd| crd.name() == name));
        let same = match (then, live) {
            (None, None) => true,
            // The generation counts changes of the spec; the uid tells a CRD that was deleted and made anew.
            (Some(then), Some(live)) => then.uid() == live.uid() && generation(then.json()) == generation(live.json()),
            (None, Some(_)) | (Some(_), None) => false,
        };
        if !same {
            return Err(moved(&format!("CRD {name}")));
        }
    }
    Ok(())
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

fn moved(what: &str) -> Problem {
    Problem::new(Exit::Refused, format!("{what} is not as it was when the plan was made: somebody else has changed it"))
        .hint("look who it was, then run the same command again: a new plan is made from what is there now")
}
