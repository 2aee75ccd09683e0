//! An Argo CD Application (`argoproj.io/v1alpha1`): which releases it deploys, from which source, and which objects it tracks.
//!
//! Input is the raw object, as `cluster` lists it. Argo CD renders charts itself and keeps no helm release.

use serde_json::Value;

use super::object::ObjectRef;

/// The annotation with which Argo CD tracks an object: `APPLICATION:GROUP/KIND:NAMESPACE/NAME`
/// (<https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/>).
const TRACKING_ANNOTATION: &str = "/metadata/annotations/argocd.argoproj.io~1tracking-id";
/// The label with which Argo CD tracks an object by default before version 3.
const TRACKING_LABEL: &str = "/metadata/labels/app.kubernetes.io~1instance";
/// The cluster in which Argo CD runs, by name and by address.
const LOCAL_CLUSTER_NAME: &str = "in-cluster";
const LOCAL_CLUSTER_ADDRESS: &str = "https://kubernetes.default.svc";

/// Namespace and name.
#[must_use]
pub fn namespaced_name(application: &Value) -> Option<(String, String)> {
    let text = |pointer: &str| application.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    Some((text("/metadata/namespace").unwrap_or_default(), text("/metadata/name")?))
}

/// One source of an Application.
#[derive(Debug, Clone, Copy)]
pub struct ApplicationSource<'a> {
    /// The source itself.
    pub source: &'a Value,
    /// Its position in `spec.sources`; `None` for `spec.source`.
    pub position: Option<usize>,
}

impl ApplicationSource<'_> {
    /// Whether it renders objects. A source with `ref` alone only lends its values files.
    fn renders_objects(&self) -> bool {
        ["chart", "path", "helm"].iter().any(|field| !self.source[*field].is_null())
    }

    fn release_name(&self) -> Option<&str> {
        self.source.pointer("/helm/releaseName")?.as_str().filter(|name| !name.is_empty())
    }

    /// The chart's name, or the last part of the path in Git.
    fn chart_name(&self) -> &str {
        let path = self.source["chart"].as_str().or_else(|| self.source["path"].as_str()).unwrap_or_default();
        path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
    }

    /// Whether the version of the source is the version of a chart; of a Git repository it is a commit.
    #[must_use]
    pub fn is_chart(&self) -> bool {
        self.source["chart"].is_string()
    }
}

/// How surely an Application deploys a release, the surest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Match {
    /// By its helm release name (`Helm.ReleaseName` of Argo CD), and the chart has the same name.
    ReleaseAndChart,
    /// By its helm release name.
    Release,
    /// Only by the name of the chart: one Application can deploy both charts under one release name.
    Chart,
}

fn sources(application: &Value) -> Vec<ApplicationSource<'_>> {
    // `spec.sources` wins over `spec.source` (<https://argo-cd.readthedocs.io/en/stable/user-guide/multiple_sources/>).
    let several = application.pointer("/spec/sources").and_then(Value::as_array).filter(|all| !all.is_empty());
    match several {
        Some(all) => {
            all.iter().enumerate().map(|(at, source)| ApplicationSource { source, position: Some(at) }).collect()
        }
        None => {
            let source = application.pointer("/spec/source");
            source.map(|source| ApplicationSource { source, position: None }).into_iter().collect()
        }
    }
}

fn best_match<'a>(application: &'a Value, release: &str) -> Option<(Match, ApplicationSource<'a>)> {
    let all = sources(application);
    let rendering: Vec<_> = all.iter().filter(|source| source.renders_objects()).copied().collect();
    let candidates = if rendering.is_empty() { all } else { rendering };
    let is_application = application.pointer("/metadata/name").is_some_and(|name| name == release);
    let match_one = |source: &ApplicationSource<'_>| {
        let is_release = source.release_name().map_or(is_application, |name| name == release);
        match (is_release, source.chart_name() == release) {
            (true, true) => Some(Match::ReleaseAndChart),
            (true, false) => Some(Match::Release),
            (false, true) if source.release_name().is_none() => Some(Match::Chart),
            (false, _) => None,
        }
    };
    let matches = candidates.into_iter().filter_map(|source| Some((match_one(&source)?, source)));
    matches.min_by_key(|(how, _)| *how)
}

/// The source from which an Application deploys a release.
#[must_use]
pub fn find_release_source<'a>(application: &'a Value, release: &str) -> Option<ApplicationSource<'a>> {
    best_match(application, release).map(|(_, source)| source)
}

/// The Application that deploys a release into a namespace of this cluster.
#[must_use]
pub fn find_application<'a>(applications: &'a [Value], release: &str, namespace: &str) -> Option<&'a Value> {
    let is_here = |application: &&Value| {
        let text = |pointer: &str| application.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (name, server) = (text("/spec/destination/name"), text("/spec/destination/server"));
        text("/spec/destination/namespace") == namespace
            && (name.is_empty() || name == LOCAL_CLUSTER_NAME)
            && (server.is_empty() || server.starts_with(LOCAL_CLUSTER_ADDRESS))
    };
    let matches = applications.iter().filter(is_here);
    let matches = matches.filter_map(|application| Some((best_match(application, release)?.0, application)));
    matches.min_by_key(|(how, _)| *how).map(|(_, application)| application)
}

/// Whether a live object is one of the Application's own: by annotation, or by the label, which charts set to the release name.
#[must_use]
pub fn is_tracked(object: &Value, application: &str, release: &str) -> bool {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    match text(TRACKING_ANNOTATION).and_then(|id| id.split(':').next()) {
        // An Application outside of Argo CD's own namespace is tracked as `NAMESPACE_APPLICATION`.
        Some(id) => id == application || id.rsplit('_').next() == Some(application),
        None => text(TRACKING_LABEL).is_some_and(|label| label == application || label == release),
    }
}

/// The objects that the Application lists in its status: what its newest comparison has rendered, hooks left out.
#[must_use]
pub fn list_resources(application: &Value) -> Vec<ObjectRef> {
    let all = application.pointer("/status/resources").and_then(Value::as_array).into_iter().flatten();
    let kept = all.filter(|resource| resource["hook"] != true && resource["requiresPruning"] != true);
    kept.filter_map(|resource| {
        let text = |key: &str| resource[key].as_str().unwrap_or_default();
        let api_version = match text("group") {
            "" => text("version").to_owned(),
            group => format!("{group}/{}", text("version")),
        };
        let (kind, name) = (resource["kind"].as_str()?.to_owned(), resource["name"].as_str()?.to_owned());
        Some(ObjectRef { api_version, kind, namespace: text("namespace").to_owned(), name })
    })
    .collect()
}

/// The version of a release's chart, as its Application has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationVersion {
    /// `targetRevision`: a version, a range, or a revision in Git.
    pub target: String,
    /// The chart version of the last sync; `None` if there was none, or if the chart comes from Git.
    pub synced: Option<String>,
    /// `status.sync.status`: `Synced`, `OutOfSync`, `Unknown`; empty if Argo CD has not compared it yet.
    pub sync_status: String,
}

/// Reads which version of a release's chart an Application has.
#[must_use]
pub fn read_version(application: &Value, release: &str) -> Option<ApplicationVersion> {
    let source = find_release_source(application, release)?;
    let pointer = source
        .position
        .map_or_else(|| "/status/sync/revision".to_owned(), |position| format!("/status/sync/revisions/{position}"));
    let text = |pointer: &str| application.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    Some(ApplicationVersion {
        target: source.source["targetRevision"].as_str().unwrap_or_default().to_owned(),
        synced: text(&pointer).filter(|_| source.is_chart()).map(str::to_owned),
        sync_status: text("/status/sync/status").unwrap_or_default().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn application(name: &str, destination: &Value, sources: &Value) -> Value {
        json!({"metadata": {"name": name, "namespace": "argocd"}, "spec": {"destination": destination, "sources": sources},
            "status": {"sync": {"status": "Synced", "revisions": ["0.9.0", "2.0.0", "abc"]}}})
    }

    fn local() -> Value {
        json!({"name": "in-cluster", "namespace": "ai-hub"})
    }

    fn both_charts() -> Value {
        json!([{"chart": "mural/pai-crds", "targetRevision": "0.9.0"}, {"chart": "pai", "targetRevision": "2.x"},
            {"repoURL": "https://git.example.com/values", "ref": "values"}])
    }

    #[test]
    fn one_application_can_deploy_both_charts() {
        let all = [application("pai", &local(), &both_charts())];
        for (release, position) in [("pai-crds", 0), ("pai", 1)] {
            let found = find_application(&all, release, "ai-hub").unwrap();
            assert_eq!(find_release_source(found, release).unwrap().position, Some(position), "{release}");
        }
        assert_eq!(find_application(&all, "other", "ai-hub"), None);
        assert_eq!(find_application(&all, "pai", "elsewhere"), None);
        let version = read_version(&all[0], "pai").unwrap();
        assert_eq!((version.target.as_str(), version.synced.as_deref()), ("2.x", Some("2.0.0")));
    }

    #[test]
    fn the_release_name_decides_before_the_name_of_a_chart() {
        let by_chart = application("other", &local(), &json!([{"chart": "pai"}]));
        let by_release = application("app", &local(), &json!([{"path": "charts/x", "helm": {"releaseName": "pai"}}]));
        let all = [by_chart, by_release];
        assert_eq!(find_application(&all, "pai", "ai-hub").unwrap()["metadata"]["name"], "app");
        assert_eq!(read_version(&all[1], "pai").unwrap().synced, None, "a commit is no version");
    }

    #[test]
    fn an_application_for_another_cluster_owns_nothing_here() {
        for destination in [
            json!({"name": "edge-1", "namespace": "ai-hub"}),
            json!({"server": "https://edge-1.example.com", "namespace": "ai-hub"}),
        ] {
            assert_eq!(find_application(&[application("pai", &destination, &both_charts())], "pai", "ai-hub"), None);
        }
        let here = json!({"server": "https://kubernetes.default.svc", "namespace": "ai-hub"});
        assert!(find_application(&[application("pai", &here, &both_charts())], "pai", "ai-hub").is_some());
    }

    #[test]
    fn the_annotation_tracks_before_the_label() {
        let object =
            |labels: Value, annotations: Value| json!({"metadata": {"labels": labels, "annotations": annotations}});
        let label = |name: &str| json!({"app.kubernetes.io/instance": name});
        let id = |text: &str| json!({"argocd.argoproj.io/tracking-id": text});
        assert!(is_tracked(&object(label("palette"), json!({})), "palette", "pai"));
        assert!(is_tracked(&object(label("pai"), json!({})), "palette", "pai"));
        assert!(!is_tracked(&object(label("other"), json!({})), "palette", "pai"));
        assert!(is_tracked(&object(label("x"), id("palette:apps/Deployment:ai-hub/web")), "palette", "pai"));
        assert!(is_tracked(&object(json!({}), id("teams_palette:apps/Deployment:ai-hub/web")), "palette", "pai"));
        assert!(!is_tracked(&object(label("pai"), id("other:apps/Deployment:ai-hub/web")), "palette", "pai"));
    }

    #[test]
    fn the_status_lists_objects_without_hooks() {
        let mut one = application("pai", &local(), &both_charts());
        one["status"]["resources"] = json!([{"group": "apps", "version": "v1", "kind": "Deployment", "namespace": "ai-hub", "name": "web"},
            {"version": "v1", "kind": "Service", "namespace": "ai-hub", "name": "web"},
            {"group": "batch", "version": "v1", "kind": "Job", "namespace": "ai-hub", "name": "before", "hook": true}]);
        let all: Vec<String> = list_resources(&one).iter().map(ToString::to_string).collect();
        assert_eq!(all, ["Deployment ai-hub/web", "Service ai-hub/web"]);
    }
}
