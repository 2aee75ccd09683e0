//! The steps of a run through Flux: suspend, update a source, wait, resume.
//!
//! Owns the patches; nothing is applied, so no field of another manager is taken over. Waiting is in `wait_for_flux.rs`, the plan of
//! these steps in `plan/flux/`. Input: a step. Output: a text for the report, or a `Problem`.

mod flux_error;
mod wait_for_flux;

use http::Method;
use serde_json::{Value, json};

pub(super) use flux_error::FluxError;

use super::context::Run;
use super::step_guard_error::StepGuardError;
use super::{clock_skew, step_guard};
use crate::cluster::flux_reader::{api_path, read_object};
use crate::cluster::{ApiError, Cluster};
use crate::model::flux::{
    FluxObject, FluxRef, HELM_RELEASE_KIND, RECONCILE_REQUEST_ANNOTATION, RESET_REQUEST_ANNOTATION,
};
use crate::model::metadata_keys::SUSPENDED_BY_ANNOTATION;
use crate::model::release_role::ReleaseRole;
use crate::plan::{Action, Step, StepId};
use crate::prepare::handover;
use crate::prepare::prepared::Work;
use crate::problem::Exit;
use crate::report::upgrade_report::{StepOutcome, StepState};

/// The field manager of kubectl's patches, as in the commands of the vendor's upgrade guide.
const MERGE_PATCH_TYPE: &str = "application/merge-patch+json";
const KUBECTL_FIELD_MANAGER: &str = "kubectl-patch";

/// Runs a step of an upgrade through Flux.
///
/// # Errors
/// The object cannot be patched, does not reach the wanted state, was stopped, or ran out of time.
pub(super) async fn act(run: &Run<'_>, step: &Step) -> Result<String, FluxError> {
    match &step.action {
        Action::SuspendHelmRelease { helm_release } => suspend_release(run, helm_release).await,
        Action::UpdateSource { object, patch, artifact, target: wanted, .. } => {
            let token = request_token(run, step);
            let mut patch = patch.clone();
            if object == artifact {
                patch["metadata"]["annotations"][RECONCILE_REQUEST_ANNOTATION] = token.as_str().into();
            }
            apply_patch(run, object, &patch).await?;
            wait_for_flux::wait_for_source(run, step, artifact, wanted, &token).await
        }
        Action::ResumeHelmRelease { helm_release, depends_on, has_new_values: values } => {
            resume_release(run, step, helm_release, depends_on.as_ref(), *values).await
        }
        Action::AwaitHelmRelease { role, requests_reconcile, helm_release, target } => {
            let token = requests_reconcile.then(|| request_token(run, step));
            request_reconcile(run, helm_release, token.as_deref()).await?;
            wait_for_flux::wait_for_release(run, step, helm_release, target.as_ref(), *role, token.as_deref()).await
        }
        Action::AwaitArgoApplication { namespace, name, version, role } => {
            wait_for_flux::wait_for_application(run, step, namespace, name, version, *role).await
        }
        Action::ApplyManifests { objects, .. } => apply_manifests(run, objects).await,
        Action::AddKeepAnnotation { .. }
        | Action::MigrateObjects { .. }
        | Action::ApplyCrds { .. }
        | Action::VerifyServedSchema { .. }
        | Action::UnlockRelease { .. }
        | Action::AdoptObjects { .. }
        | Action::RecordRelease { .. }
        | Action::UpgradeRelease { .. }
        | Action::RollbackRelease { .. }
        | Action::RestoreCrds { .. }
        | Action::RestoreObjects { .. }
        | Action::RemoveKeepAnnotation { .. }
        | Action::DiscardRuns { .. }
        | Action::Validate => Err(FluxError::Internal("not a step of an upgrade through Flux")),
    }
}

async fn apply_manifests(run: &Run<'_>, objects: &[FluxRef]) -> Result<String, FluxError> {
    let prepared = run.prepared;
    let Some(manifests) = prepared.work.as_upgrade().and_then(|upgrade| upgrade.handover_manifests.as_ref()) else {
        return Err(FluxError::Internal("the plan applies manifests that it does not contain"));
    };
    let all = handover::select_manifests(manifests, objects);
    let applied = clock_skew::kubectl_with_fresh_cache(run)
        .await
        .apply(&all, run.options.timeout, run.process_guard, run.options.abort.clone())
        .await;
    applied.map_err(FluxError::Apply)?;
    Ok(format!("{} applied", all.len()))
}

/// A token that is unique for every step of every run: Flux handles a request only if its text is new.
fn request_token(run: &Run<'_>, step: &Step) -> String {
    format!("{} {}", run.prepared.session.lease_watcher.identity.run, step.id)
}

async fn suspend_release(run: &Run<'_>, helm_release: &FluxRef) -> Result<String, FluxError> {
    let id = &run.prepared.session.lease_watcher.identity.run;
    let patch = json!({"metadata": {"annotations": {SUSPENDED_BY_ANNOTATION: id}}, "spec": {"suspend": true}});
    apply_patch(run, helm_release, &patch).await?;
    Ok(format!("{helm_release} is suspended until its CRDs are served"))
}

async fn resume_release(
    run: &Run<'_>,
    step: &Step,
    helm_release: &FluxRef,
    depends_on: Option<&Value>,
    values: bool,
) -> Result<String, FluxError> {
    let mut patch = resume_patch();
    if let Some(depends_on) = depends_on {
        patch["spec"]["dependsOn"] = depends_on.clone();
    }
    let new = run.prepared.work.app_route().and_then(|app| app.values.as_ref()).filter(|_| values);
    patch["metadata"]["annotations"][RECONCILE_REQUEST_ANNOTATION] = request_token(run, step).into();
    // If the HelmRelease itself contains the version, this same patch changes it.
    let version_patch = run.prepared.work.app_route().and_then(|app| app.version_patch.as_ref());
    if let Some((_, version)) = version_patch.filter(|(object, _)| object == helm_release) {
        patch["spec"]["chart"] = version["spec"]["chart"].clone();
    }
    if let Some(new) = new {
        // A merge patch keeps fields that it does not contain: values that the new request lacks must be removed by name.
        let old = read_object(&run.prepared.session.cluster, helm_release)
            .await
            .map_err(|error| patch_error(helm_release, error))?;
        let old = old.and_then(|object| object.pointer("/spec/values").cloned()).unwrap_or(Value::Null);
        patch["spec"]["values"] = build_merge_patch(&old, new.reveal());
    }
    apply_patch(run, helm_release, &patch).await?;
    Ok(format!("{helm_release} is resumed"))
}

fn resume_patch() -> Value {
    json!({"metadata": {"annotations": {SUSPENDED_BY_ANNOTATION: null}}, "spec": {"suspend": null}})
}

/// The merge patch that turns `old` into `new` (RFC 7386).
fn build_merge_patch(old: &Value, new: &Value) -> Value {
    let (Value::Object(was), Value::Object(is)) = (old, new) else { return new.clone() };
    let mut patch: serde_json::Map<String, Value> = is
        .iter()
        .map(|(key, value)| {
            (key.clone(), was.get(key).map_or_else(|| value.clone(), |old| build_merge_patch(old, value)))
        })
        .collect();
    patch.extend(was.keys().filter(|key| !is.contains_key(*key)).map(|key| (key.clone(), Value::Null)));
    Value::Object(patch)
}

/// Asks helm-controller to reconcile now and to reset its failure counter, which counted failures of an earlier state.
async fn request_reconcile(run: &Run<'_>, helm_release: &FluxRef, token: Option<&str>) -> Result<(), FluxError> {
    let Some(token) = token else { return Ok(()) };
    apply_patch(
        run,
        helm_release,
        &json!({"metadata": {"annotations": {RECONCILE_REQUEST_ANNOTATION: token, RESET_REQUEST_ANNOTATION: token}}}),
    )
    .await
}

async fn apply_patch(run: &Run<'_>, object: &FluxRef, patch: &Value) -> Result<(), FluxError> {
    patch_object(&run.prepared.session.cluster, &run.prepared.work, object, patch)
        .await
        .map_err(|error| patch_error(object, error))
}

/// Patches exactly the object that was read, in the version in which it was read. An object that was deleted and created again has another uid.
async fn patch_object(cluster: &Cluster, work: &Work, object: &FluxRef, patch: &Value) -> Result<(), ApiError> {
    let mut patch = patch.clone();
    let known = uid_and_api_version(work, object);
    if let Some(uid) = known.map(|known| known.0) {
        patch["metadata"]["uid"] = uid.into();
    }
    let path = api_path(object, known.map_or("", |known| known.1));
    let path = format!("{path}?fieldManager={KUBECTL_FIELD_MANAGER}");
    cluster.request(Method::PATCH, &path, Some((MERGE_PATCH_TYPE, &patch))).await.map(drop)
}

/// uid and apiVersion of an object as it was read.
fn uid_and_api_version<'a>(work: &'a Work, object: &FluxRef) -> Option<(&'a str, &'a str)> {
    let found = work.flux_routes().find_map(|route| route.find_object(object))?;
    Some((found.pointer("/metadata/uid")?.as_str()?, found["apiVersion"].as_str()?))
}

fn patch_error(object: &FluxRef, error: ApiError) -> FluxError {
    FluxError::Patch { object: object.clone(), error: Box::new(error) }
}

/// The step guard: the object has the same spec as when the plan was made.
///
/// # Errors
/// A refusal that names the object.
pub(super) async fn check_unchanged(run: &Run<'_>, step: &Step) -> Result<(), FluxError> {
    let prepared = run.prepared;
    if step.action.moves_flux_chart() {
        step_guard::check_keep_annotations(prepared, prepared.work.removed_crds()).await?;
    }
    let Some(object) = step.action.patched_object() else { return Ok(()) };
    let now = read_object(&prepared.session.cluster, object)
        .await
        .map_err(|error| error.in_context(&prepared.session.cluster.context))?;
    let then = prepared.work.flux_routes().find_map(|route| route.find_object(object));
    // If the HelmRelease itself contains the version, our own patch has changed it by now.
    let by_us = step.action.follows_own_patch()
        && object.kind == HELM_RELEASE_KIND
        && prepared
            .work
            .flux_routes()
            .any(|route| route.version_patch.as_ref().is_some_and(|(patched_object, _)| patched_object == object));
    match (then, now) {
        (Some(_), Some(_)) if by_us => Ok(()),
        (Some(then), Some(now)) if has_same_spec(then, &now, &prepared.session.lease_watcher.identity.run) => Ok(()),
        (None, Some(_)) => Ok(()),
        _ => Err(StepGuardError::Changed { object: object.to_string() }.into()),
    }
}

/// A HelmRelease that this run suspended counts as unchanged.
fn has_same_spec(then: &Value, now: &Value, run: &str) -> bool {
    let ours = now
        .pointer("/metadata/annotations")
        .and_then(|all| all.get(SUSPENDED_BY_ANNOTATION))
        .is_some_and(|by| by == run);
    let plain = |object: &Value| {
        let mut spec = object["spec"].clone();
        if let Some(fields) = spec.as_object_mut().filter(|_| ours) {
            fields.remove("suspend");
        }
        (object.pointer("/metadata/uid").cloned(), spec)
    };
    plain(then) == plain(now)
}

/// After a failure: resumes the HelmRelease if that changes nothing else; otherwise it stays suspended, with a note.
pub(super) async fn resume_after_failure(run: &Run<'_>, outcomes: &[StepOutcome], exit: Exit) -> Option<String> {
    let done = |id: StepId| outcomes.iter().any(|one| one.step == id && one.state == StepState::Done);
    let app = run.prepared.work.app_route()?;
    let is_suspended = (done(StepId::Suspend) || app.suspended_by_run().is_some()) && !done(StepId::Resume);
    if exit == Exit::Success || !is_suspended {
        return None;
    }
    let helm_release = app.helm_release.object_ref();
    let is_source_changed = done(StepId::Source(ReleaseRole::App)) || app.needs_release_patch();
    let by_itself = app.floating_reason();
    if !is_source_changed && by_itself.is_none() {
        let released =
            patch_object(&run.prepared.session.cluster, &run.prepared.work, &helm_release, &resume_patch()).await;
        if released.is_ok() {
            return Some(format!("{helm_release} is no longer suspended"));
        }
    }
    let why = by_itself.unwrap_or_else(|| "its change is only partly written".to_owned());
    Some(format!(
        "{helm_release} stays suspended, because helm-controller would upgrade it without its CRDs ({why}). Run the same command again: it continues and \
         resumes the HelmRelease. By hand: kubectl patch {} --type merge --patch '{{\"spec\":{{\"suspend\":false}}}}'",
        helm_release.to_kubectl_args()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_patch_removes_values_that_the_new_request_lacks() {
        let (old, new) = (json!({"a": {"b": 1, "c": 2}, "d": 3}), json!({"a": {"b": 4}, "e": [1]}));
        assert_eq!(build_merge_patch(&old, &new), json!({"a": {"b": 4, "c": null}, "d": null, "e": [1]}));
        assert_eq!(build_merge_patch(&Value::Null, &new), new);
    }

    #[test]
    fn a_release_that_this_run_suspended_counts_as_unchanged() {
        let then = json!({"metadata": {"uid": "u"}, "spec": {"interval": "1m"}});
        let suspended = json!({"metadata": {"uid": "u", "annotations": {SUSPENDED_BY_ANNOTATION: "run-1"}}, "spec": {"interval": "1m", "suspend": true}});
        assert!(has_same_spec(&then, &suspended, "run-1") && !has_same_spec(&then, &suspended, "run-2"));
        assert!(!has_same_spec(&then, &json!({"metadata": {"uid": "v"}, "spec": {"interval": "1m"}}), "run-1"));
    }
}
