//! Argo CD: what to commit, and the progress of an Application. This program never patches one.

use serde_json::{Value, json};

use super::commit::{CommitFile, build_commit};
use super::progress::Progress;
use crate::model::argo_application::{find_release_source, namespaced_name};
use crate::model::flux::FluxRef;

/// The commit that makes the Application deploy this version of a release's chart; none if it deploys it already.
#[must_use]
pub fn build_application_commit(application: &Value, release: &str, version: &str) -> Option<CommitFile> {
    let (namespace, name) = namespaced_name(application)?;
    let found = find_release_source(application, release)?;
    if found.source["targetRevision"] == version {
        return None;
    }
    let object = FluxRef::new("Application", &namespace, &name);
    let Some(position) = found.position else {
        return Some(build_commit(object, application, &json!({"spec": {"source": {"targetRevision": version}}})));
    };
    let mut sources = application.pointer("/spec/sources")?.clone();
    sources[position]["targetRevision"] = version.into();
    Some(build_commit(object, application, &json!({"spec": {"sources": sources}})))
}

/// The Application's progress towards a version of a release's chart.
#[must_use]
pub fn assess_application(application: &Value, release: &str, version: &str) -> Progress {
    let text = |pointer: &str| application.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (sync, health) = (text("/status/sync/status"), text("/status/health/status"));
    let several = application.pointer("/status/sync/revisions").and_then(Value::as_array);
    let is_synced_to_version =
        text("/status/sync/revision") == version || several.is_some_and(|all| all.iter().any(|one| one == version));
    let phase = text("/status/operationState/phase");
    let message = text("/status/operationState/message");
    let is_targeted =
        find_release_source(application, release).is_some_and(|found| found.source["targetRevision"] == version);
    match (is_targeted, is_synced_to_version, sync, health) {
        (true, true, "Synced", "Healthy") => Progress::Done(format!("synced to {version} and healthy")),
        (false, ..) => Progress::Waiting(format!("its targetRevision is not {version} yet")),
        _ if ["Failed", "Error"].contains(&phase) => Progress::Failing(format!("its last sync {phase}: {message}")),
        (true, true, "Synced", "Degraded") => Progress::Failing("the Application is synced and Degraded".to_owned()),
        _ => Progress::Waiting(format!("sync is {sync}, health is {health}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::argo_application::find_application;

    fn application(revision: &str, synced: &str, sync: &str, health: &str) -> Value {
        json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "palette", "namespace": "argocd"},
            "spec": {"destination": {"namespace": "mural-system"},
                "source": {"repoURL": "public.ecr.aws/mural", "chart": "mural", "targetRevision": revision, "helm": {"releaseName": "mural"}}},
            "status": {"sync": {"status": sync, "revision": synced}, "health": {"status": health}, "operationState": {"phase": "Succeeded"}}})
    }

    #[test]
    fn an_application_is_known_by_the_release_that_it_makes() {
        let one = application("1.0.0", "1.0.0", "Synced", "Healthy");
        let deploys =
            |one: &Value, release: &str| find_application(std::slice::from_ref(one), release, "mural-system").is_some();
        assert!(deploys(&one, "mural") && !deploys(&one, "palette"));
        let mut several = one.clone();
        several["spec"]["sources"] = json!([{"repoURL": "git", "ref": "values"}, one["spec"]["source"]]);
        several["spec"].as_object_mut().unwrap().remove("source");
        assert!(deploys(&several, "mural"));
        let change = build_application_commit(&several, "mural", "1.1.0").unwrap();
        assert_eq!(change.manifest.reveal()["spec"]["sources"][1]["targetRevision"], "1.1.0");
    }

    #[test]
    fn only_the_revision_must_be_committed() {
        let change =
            build_application_commit(&application("1.0.0", "1.0.0", "Synced", "Healthy"), "mural", "1.1.0").unwrap();
        assert_eq!(change.changes, ["spec.source.targetRevision: 1.0.0 → 1.1.0"]);
        assert!(build_application_commit(&application("1.1.0", "", "", ""), "mural", "1.1.0").is_none());
    }

    #[test]
    fn synced_at_the_old_version_is_not_there() {
        let assess = |one: Value| assess_application(&one, "mural", "1.1.0");
        assert!(matches!(assess(application("1.0.0", "1.0.0", "Synced", "Healthy")), Progress::Waiting(_)));
        assert!(matches!(assess(application("1.1.0", "1.0.0", "OutOfSync", "Healthy")), Progress::Waiting(_)));
        assert!(matches!(assess(application("1.1.0", "1.1.0", "Synced", "Degraded")), Progress::Failing(_)));
        assert!(matches!(assess(application("1.1.0", "1.1.0", "Synced", "Healthy")), Progress::Done(_)));
        let mut failed = application("1.1.0", "1.0.0", "OutOfSync", "Healthy");
        failed["status"]["operationState"] = json!({"phase": "Failed", "message": "one or more objects failed"});
        assert!(matches!(assess(failed), Progress::Failing(text) if text.contains("objects failed")));
    }
}
