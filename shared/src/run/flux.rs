//! The Flux path's steps: hold, move a source, wait by evidence, let go. Everything is patched, nothing is applied.

mod wait;

use http::Method;
use serde_json::{Value, json};

use super::{Run, clock, guard};
use crate::cluster::flux::{path_of, read};
use crate::cluster::{ApiError, Cluster};
use crate::model::flux::{FluxObject, FluxRef, HELD_BY, HELM_RELEASE, REQUESTED_AT, RESET_AT};
use crate::plan::flux::Ways;
use crate::plan::{Action, Step};
use crate::prepare::flux_manifests;
use crate::problem::{Exit, Problem};
use crate::report::upgrade::{StepOutcome, StepState};

/// What a merge patch is called, and as whom kubectl patches: as on the vendor's page.
const MERGE: &str = "application/merge-patch+json";
const MANAGER: &str = "kubectl-patch";

/// Does a step of the Flux path.
///
/// # Errors
/// The object cannot be patched, does not get there, was stopped, or ran out of time.
pub(super) async fn act(run: &Run<'_>, step: &Step) -> Result<String, Problem> {
    match &step.action {
        Action::HoldRelease { helm_release } => hold(run, helm_release).await,
        Action::MoveSource { object, patch, artifact, wanted, .. } => {
            let asked = token(run, step);
            let mut patch = patch.clone();
            if object == artifact {
                patch["metadata"]["annotations"][REQUESTED_AT] = asked.as_str().into();
            }
            patched(run, object, &patch).await?;
            wait::source(run, step, artifact, wanted, &asked).await
        }
        Action::LetReleaseGo { helm_release, depends_on, values } => {
            let_go(run, step, helm_release, depends_on.as_ref(), *values).await
        }
        Action::AwaitRelease { crds, asks, helm_release, wanted } => {
            let asked = asks.then(|| token(run, step));
            if let Some(asked) = &asked {
                ask_to_reconcile(run, helm_release, asked).await?;
            }
            wait::release(run, step, helm_release, wanted.as_ref(), *crds, asked.as_deref()).await
        }
        Action::AwaitApplication { namespace, name, version, crds } => {
            wait::application(run, step, namespace, name, version, *crds).await
        }
        Action::ApplyManifests { objects, .. } => apply(run, objects).await,
        _ => Err(Problem::failed("no step of the Flux path")),
    }
}

async fn apply(run: &Run<'_>, objects: &[FluxRef]) -> Result<String, Problem> {
    let prepared = run.prepared;
    let all = flux_manifests::of(&prepared.manifests, objects);
    let applied =
        clock::kubectl(run).await.apply(&all, run.manner.timeout, run.leash, run.manner.at_once.clone()).await;
    applied.map_err(|error| {
        error
            .problem("the manifests could not all be applied")
            .hint("run the same command again: what is applied is not applied twice")
    })?;
    Ok(format!("{} applied", all.len()))
}

/// Another text for every step of every run: a request is one when its text is new.
fn token(run: &Run<'_>, step: &Step) -> String {
    format!("{} {}", run.prepared.turn.claim.run, step.id)
}

async fn hold(run: &Run<'_>, helm_release: &FluxRef) -> Result<String, Problem> {
    let id = &run.prepared.turn.claim.run;
    let patch = json!({"metadata": {"annotations": {HELD_BY: id}}, "spec": {"suspend": true}});
    patched(run, helm_release, &patch).await?;
    Ok(format!("{helm_release} is suspended until its CRDs are served"))
}

async fn let_go(
    run: &Run<'_>,
    step: &Step,
    helm_release: &FluxRef,
    depends_on: Option<&Value>,
    values: bool,
) -> Result<String, Problem> {
    let mut patch = release_patch();
    if let Some(depends_on) = depends_on {
        patch["spec"]["dependsOn"] = depends_on.clone();
    }
    let new = run.prepared.flux.app.as_ref().and_then(|app| app.values.as_ref()).filter(|_| values);
    patch["metadata"]["annotations"][REQUESTED_AT] = token(run, step).into();
    // Where the HelmRelease itself says the version, it gets it with this very patch.
    let place = run.prepared.flux.app.as_ref().and_then(|app| app.place.as_ref());
    if let Some((_, version)) = place.filter(|(object, _)| object == helm_release) {
        patch["spec"]["chart"] = version["spec"]["chart"].clone();
    }
    if let Some(new) = new {
        // A merge patch keeps what it does not name: what the old values had and the new ones have not is taken away by name.
        let old = read(&run.prepared.cluster, helm_release).await.map_err(|error| unpatched(helm_release, error))?;
        let old = old.and_then(|object| object.pointer("/spec/values").cloned()).unwrap_or(Value::Null);
        patch["spec"]["values"] = replacing(&old, new.reveal());
    }
    patched(run, helm_release, &patch).await?;
    Ok(format!("{helm_release} goes on"))
}

fn release_patch() -> Value {
    json!({"metadata": {"annotations": {HELD_BY: null}}, "spec": {"suspend": null}})
}

/// The merge patch that makes `old` into `new` (RFC 7386).
fn replacing(old: &Value, new: &Value) -> Value {
    let (Value::Object(was), Value::Object(is)) = (old, new) else { return new.clone() };
    let mut patch: serde_json::Map<String, Value> = is
        .iter()
        .map(|(key, value)| (key.clone(), was.get(key).map_or_else(|| value.clone(), |old| replacing(old, value))))
        .collect();
    patch.extend(was.keys().filter(|key| !is.contains_key(*key)).map(|key| (key.clone(), Value::Null)));
    Value::Object(patch)
}

/// Asks helm-controller to look now, and to forget the failures that it has counted: they were of another state.
async fn ask_to_reconcile(run: &Run<'_>, helm_release: &FluxRef, asked: &str) -> Result<(), Problem> {
    patched(run, helm_release, &json!({"metadata": {"annotations": {REQUESTED_AT: asked, RESET_AT: asked}}})).await
}

async fn patched(run: &Run<'_>, object: &FluxRef, patch: &Value) -> Result<(), Problem> {
    patch_object(&run.prepared.cluster, &run.prepared.flux, object, patch)
        .await
        .map_err(|error| unpatched(object, error))
}

/// Patches an object in the version in which it was read, and only the very object that was read: one that was made anew has another uid.
async fn patch_object(cluster: &Cluster, ways: &Ways, object: &FluxRef, patch: &Value) -> Result<(), ApiError> {
    let mut patch = patch.clone();
    let known = known(ways, object);
    if let Some(uid) = known.map(|known| known.0) {
        patch["metadata"]["uid"] = uid.into();
    }
    let path = path_of(object, known.map_or("", |known| known.1));
    let path = format!("{path}?fieldManager={MANAGER}");
    cluster.request(Method::PATCH, &path, Some((MERGE, &patch))).await.map(drop)
}

/// uid and apiVersion of an object as it was read.
fn known<'a>(ways: &'a Ways, object: &FluxRef) -> Option<(&'a str, &'a str)> {
    let found = ways.all().find_map(|way| way.read(object))?;
    Some((found.pointer("/metadata/uid")?.as_str()?, found["apiVersion"].as_str()?))
}

fn unpatched(object: &FluxRef, error: ApiError) -> Problem {
    let hint = match &error {
        ApiError::Refused { code: 403, .. } => {
            format!("are you allowed to? kubectl auth can-i patch {}", object.words())
        }
        ApiError::Refused { code: 409, .. } => {
            "it is another object than the one that was read: run the same command again".to_owned()
        }
        _ => "run the same command again: it goes on from what is there".to_owned(),
    };
    Problem::failed(format!("{object} could not be patched")).because(error).hint(hint)
}

/// The step guard: what is patched is still told what it was told when the plan was made.
///
/// # Errors
/// A refusal that names the object.
pub(super) async fn unmoved(run: &Run<'_>, step: &Step) -> Result<(), Problem> {
    let prepared = run.prepared;
    if matches!(step.action, Action::MoveSource { .. } | Action::ApplyManifests { .. }) {
        guard::kept(prepared, &prepared.leaving).await?;
    }
    let (Action::MoveSource { object, .. }
    | Action::HoldRelease { helm_release: object }
    | Action::LetReleaseGo { helm_release: object, .. }) = &step.action
    else {
        return Ok(());
    };
    let now = read(&prepared.cluster, object).await.map_err(|error| error.problem(&prepared.cluster.context))?;
    let then = prepared.flux.all().find_map(|way| way.read(object));
    // Where the HelmRelease itself says the version, our own patch has changed it by now.
    let by_us = matches!(step.action, Action::LetReleaseGo { .. } | Action::MoveSource { crds: false, .. })
        && object.kind == HELM_RELEASE
        && prepared.flux.all().any(|way| way.place.as_ref().is_some_and(|(place, _)| place == object));
    match (then, now) {
        (Some(_), Some(_)) if by_us => Ok(()),
        (Some(then), Some(now)) if same_spec(then, &now, &prepared.turn.claim.run) => Ok(()),
        (None, Some(_)) => Ok(()),
        _ => Err(guard::moved(&object.to_string())),
    }
}

/// Our own hold counts as what the plan was made for.
fn same_spec(then: &Value, now: &Value, run: &str) -> bool {
    let ours = now.pointer("/metadata/annotations").and_then(|all| all.get(HELD_BY)).is_some_and(|by| by == run);
    let plain = |object: &Value| {
        let mut spec = object["spec"].clone();
        if let Some(fields) = spec.as_object_mut().filter(|_| ours) {
            fields.remove("suspend");
        }
        (object.pointer("/metadata/uid").cloned(), spec)
    };
    plain(then) == plain(now)
}

/// After a failure: the hold is taken away where that changes nothing but the hold itself; else it stays, and is told.
pub(super) async fn after(run: &Run<'_>, outcomes: &[StepOutcome], exit: Exit) -> Option<String> {
    let done = |id: &str| outcomes.iter().any(|one| one.step == id && one.state == StepState::Done);
    let app = run.prepared.flux.app.as_ref()?;
    let held = (done("hold") || app.held().is_some()) && !done("go-on");
    if exit == Exit::Fine || !held {
        return None;
    }
    let helm_release = app.helm_release.named();
    let moved = done(&format!("{}-source", app.release)) || app.rewrites();
    let by_itself = app.moves_by_itself();
    if !moved && by_itself.is_none() {
        let released = patch_object(&run.prepared.cluster, &run.prepared.flux, &helm_release, &release_patch()).await;
        if released.is_ok() {
            return Some(format!("{helm_release} is no longer suspended"));
        }
    }
    let why = by_itself.unwrap_or_else(|| "half of its change is written".to_owned());
    Some(format!(
        "{helm_release} stays suspended, since it would go on without its CRDs ({why}). Run the same command again: it goes on and \
         lets it go. By hand: kubectl patch {} --type merge --patch '{{\"spec\":{{\"suspend\":false}}}}'",
        helm_release.words()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_patch_takes_away_what_the_new_values_have_not() {
        let (old, new) = (json!({"a": {"b": 1, "c": 2}, "d": 3}), json!({"a": {"b": 4}, "e": [1]}));
        assert_eq!(replacing(&old, &new), json!({"a": {"b": 4, "c": null}, "d": null, "e": [1]}));
        assert_eq!(replacing(&Value::Null, &new), new);
    }

    #[test]
    fn our_own_hold_is_no_move_of_the_world() {
        let then = json!({"metadata": {"uid": "u"}, "spec": {"interval": "1m"}});
        let held = json!({"metadata": {"uid": "u", "annotations": {HELD_BY: "run-1"}}, "spec": {"interval": "1m", "suspend": true}});
        assert!(same_spec(&then, &held, "run-1") && !same_spec(&then, &held, "run-2"));
        assert!(!same_spec(&then, &json!({"metadata": {"uid": "v"}, "spec": {"interval": "1m"}}), "run-1"));
    }
}
