//! An Argo CD Application as it is read: which release it deploys, and from which source (`argoproj.io/v1alpha1`).

use serde_json::Value;

/// Namespace and name.
#[must_use]
pub fn namespaced_name(application: &Value) -> Option<(String, String)> {
    let text = |pointer: &str| application.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    Some((text("/metadata/namespace").unwrap_or_default(), text("/metadata/name")?))
}

/// The source that is a chart: `spec.source`, or the one of `spec.sources`.
#[must_use]
pub fn find_chart_source(application: &Value) -> Option<(&Value, String)> {
    let is_chart = |source: &&Value| source["chart"].is_string() || source["helm"].is_object();
    let several = application.pointer("/spec/sources").and_then(Value::as_array);
    let of_several = several.and_then(|all| {
        let at = all.iter().position(|source| is_chart(&source))?;
        Some((&all[at], format!("/spec/sources/{at}")))
    });
    of_several.or_else(|| Some((application.pointer("/spec/source")?, "/spec/source".to_owned())))
}

/// Whether it deploys this release into this namespace: by its helm release name, else by its own name (argocd `Helm.ReleaseName`).
#[must_use]
pub fn deploys_release(application: &Value, release: &str, namespace: &str) -> bool {
    let text = |pointer: &str| application.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let given = find_chart_source(application).and_then(|(source, _)| source.pointer("/helm/releaseName")?.as_str());
    let makes = given.filter(|name| !name.is_empty()).unwrap_or_else(|| text("/metadata/name"));
    makes == release && text("/spec/destination/namespace") == namespace
}
