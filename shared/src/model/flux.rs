//! Flux's objects as they are read: HelmReleases, what they take their charts from, and the controllers.
//!
//! Source: fluxcd/helm-controller `api/v2`, fluxcd/source-controller `api/v1`.

mod helm_release;
mod source;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use helm_release::{
    ChartOrigin, CrdPolicy, Dependency, HELM_RELEASE_KIND, HelmRelease, Remediation, Snapshot, ValuesReference,
};
pub use source::{Artifact, EffectiveRef, FluxSource, SourceKind, SourceVerification, is_exact_version, range_allows};

use super::metadata_keys::SUSPENDED_BY_ANNOTATION;
use super::observed::Observed;

/// Asks a controller to look at an object now, with any new text (fluxcd/pkg `apis/meta`, `ReconcileRequestAnnotation`).
pub const RECONCILE_REQUEST_ANNOTATION: &str = "reconcile.fluxcd.io/requestedAt";
/// Asks helm-controller to forget the failures that it has counted, with the text of [`REQUESTED_AT`] (`api/v2`, `ResetRequestAnnotation`).
pub const RESET_REQUEST_ANNOTATION: &str = "reconcile.fluxcd.io/resetAt";
/// A Kustomization's labels on everything that it applies (kustomize-controller).
const KUSTOMIZE_LABEL_PREFIX: &str = "kustomize.toolkit.fluxcd.io/";

/// One of Flux's objects by kind, namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FluxRef {
    /// `OCIRepository`, …
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl FluxRef {
    /// Names an object.
    #[must_use]
    pub fn new(kind: &str, namespace: &str, name: &str) -> Self {
        Self { kind: kind.to_owned(), namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// The API group and the plural name of its kind.
    #[must_use]
    pub fn group_and_plural(&self) -> (&'static str, String) {
        let lower = self.kind.to_lowercase();
        let plural = lower.strip_suffix('y').map_or_else(|| format!("{lower}s"), |stem| format!("{stem}ies"));
        (if self.kind == HELM_RELEASE_KIND { "helm.toolkit.fluxcd.io" } else { "source.toolkit.fluxcd.io" }, plural)
    }

    /// What kubectl needs to name it: `ocirepository mural --namespace mural-system`.
    #[must_use]
    pub fn to_kubectl_args(&self) -> String {
        format!("{} {} --namespace {}", self.kind.to_lowercase(), self.name, self.namespace)
    }
}

impl fmt::Display for FluxRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// A HelmRelease that a run of ours suspended and has not resumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SuspendedHelmRelease {
    /// The HelmRelease.
    pub helm_release: FluxRef,
    /// The run.
    pub run: String,
    /// Since when, by the API server's clock; none where it does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspended_at: Option<String>,
}

impl SuspendedHelmRelease {
    /// The command that lets it go by hand, the note of the run with it.
    #[must_use]
    pub fn resume_command(&self) -> String {
        let patch = format!(
            r#"{{"metadata":{{"annotations":{{"{SUSPENDED_BY_ANNOTATION}":null}}}},"spec":{{"suspend":null}}}}"#
        );
        format!("kubectl patch {} --type merge --patch '{patch}'", self.helm_release.to_kubectl_args())
    }
}

/// What is read of Flux for one installation.
#[derive(Debug, Clone)]
pub struct FluxView {
    /// The HelmReleases, in any namespace, that make one of our releases; more than one for a release is a finding.
    pub helm_releases: Observed<Vec<HelmRelease>>,
    /// What those take their charts from, and what that stands on (the HelmRepository behind a HelmChart). `Ok(None)`: it is not there.
    pub sources: BTreeMap<FluxRef, Observed<Option<FluxSource>>>,
    /// Deployments of source-controller and helm-controller; empty where Flux runs elsewhere. Read only where a HelmRelease makes a release of ours.
    pub controllers: Observed<Vec<Value>>,
    /// Services named `zot`: the appliance's registry. Read as the controllers are.
    pub registries: Observed<Vec<Value>>,
}

impl FluxView {
    /// Nothing of Flux is there.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            helm_releases: Ok(Vec::new()),
            sources: BTreeMap::new(),
            controllers: Ok(Vec::new()),
            registries: Ok(Vec::new()),
        }
    }

    /// The HelmReleases that make this release.
    pub fn helm_releases_of<'a>(
        &'a self,
        release: &'a str,
        namespace: &'a str,
    ) -> impl Iterator<Item = &'a HelmRelease> {
        self.helm_releases.iter().flatten().filter(move |one| one.manages_release(release, namespace))
    }

    /// The one HelmRelease that makes this release; none where there is none, or more than one.
    #[must_use]
    pub fn sole_helm_release(&self, release: &str, namespace: &str) -> Option<&HelmRelease> {
        let mut all = self.helm_releases.iter().flatten().filter(|one| one.manages_release(release, namespace));
        let first = all.next()?;
        all.next().is_none().then_some(first)
    }

    /// A source that was found.
    #[must_use]
    pub fn source(&self, reference: &FluxRef) -> Option<&FluxSource> {
        self.sources.get(reference)?.as_ref().ok()?.as_ref()
    }

    /// The HelmReleases that a run of ours suspended and did not resume: a repair resumes them.
    pub fn suspended_helm_releases(&self) -> impl Iterator<Item = SuspendedHelmRelease> {
        let all = self.helm_releases.iter().flatten().filter(|one| one.is_suspended());
        all.filter_map(|one| {
            let (run, suspended_at) = (one.suspended_by_run()?.to_owned(), one.suspended_at().map(str::to_owned));
            Some(SuspendedHelmRelease { helm_release: one.object_ref(), run, suspended_at })
        })
    }

    /// What a HelmRelease's chart comes from, with its version: the OCIRepository, or the HelmChart's HelmRepository.
    #[must_use]
    pub fn helm_release_source(&self, helm_release: &HelmRelease) -> Option<&FluxSource> {
        self.source(&self.helm_release_source_ref(helm_release)?)
    }

    /// The name of [`FluxView::source_of`], whether it is there or not; none where the HelmRelease names nothing.
    #[must_use]
    pub fn helm_release_source_ref(&self, helm_release: &HelmRelease) -> Option<FluxRef> {
        Some(match helm_release.chart_origin()? {
            // The HelmChart that is made of it may still be of what the HelmRelease said before.
            ChartOrigin::Template { source, .. } => source,
            ChartOrigin::Ref(reference) => {
                self.source(&reference).and_then(FluxSource::chart_source).unwrap_or(reference)
            }
        })
    }
}

/// The appliance's registry, where a source's url points into it: a Service of the cluster, or a node's address of the Service `zot`.
#[must_use]
pub fn find_appliance_registry(url: &str, registries: &[Value]) -> Option<String> {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next()?;
    let (name, port) = host.rsplit_once(':').unwrap_or((host, ""));
    let of_a_service = [".svc", ".svc.cluster.local"].iter().any(|end| name.ends_with(end));
    let ports = registries.iter().filter_map(|service| service.pointer("/spec/ports")?.as_array()).flatten();
    let node_port = |entry: &Value| entry["nodePort"].as_u64().is_some_and(|node_port| node_port.to_string() == port);
    let by_port = port == APPLIANCE_NODE_PORT || ports.into_iter().any(node_port);
    let inside = of_a_service || (by_port && !registries.is_empty());
    inside.then(|| host.to_owned())
}

/// The port of each node at which an appliance's registry answers.
const APPLIANCE_NODE_PORT: &str = "30003";

/// The Kustomization that keeps an object in Git, by its labels.
#[must_use]
pub fn find_kustomization(object: &Value) -> Option<FluxRef> {
    let labels = object.pointer("/metadata/labels")?.as_object()?;
    labels.keys().find(|key| key.starts_with(KUSTOMIZE_LABEL_PREFIX))?;
    let label =
        |key: &str| labels.get(&format!("{KUSTOMIZE_LABEL_PREFIX}{key}")).and_then(Value::as_str).unwrap_or_default();
    Some(FluxRef::new("Kustomization", label("namespace"), label("name")))
}

/// A Ready condition that speaks of the object as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FluxCondition {
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// One word: `UpgradeSucceeded`, `DependencyNotReady`, …
    pub reason: String,
    /// The controller's sentence.
    pub message: String,
}

/// What HelmReleases and sources have in common.
pub trait FluxObject {
    /// The object as it was read.
    fn json(&self) -> &Value;

    /// A text of the object; empty where it has none.
    fn text(&self, pointer: &str) -> &str {
        self.json().pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// Which object it is.
    fn object_ref(&self) -> FluxRef {
        FluxRef::new(self.text("/kind"), self.text("/metadata/namespace"), self.text("/metadata/name"))
    }

    /// `metadata.uid`
    fn uid(&self) -> &str {
        self.text("/metadata/uid")
    }

    /// Whether its controller must leave it alone.
    fn is_suspended(&self) -> bool {
        self.json().pointer("/spec/suspend") == Some(&Value::Bool(true))
    }

    /// The run of ours that suspended it and has not released it.
    fn suspended_by_run(&self) -> Option<&str> {
        self.json().pointer("/metadata/annotations")?.get(SUSPENDED_BY_ANNOTATION)?.as_str()
    }

    /// Since when it is held: when the note of the run was written, by the API server's clock (`metadata.managedFields`).
    fn suspended_at(&self) -> Option<&str> {
        let note = format!("f:{SUSPENDED_BY_ANNOTATION}");
        let owns = |entry: &&Value| {
            entry.pointer("/fieldsV1/f:metadata/f:annotations").is_some_and(|all| all.get(&note).is_some())
        };
        let entries = self.json().pointer("/metadata/managedFields")?.as_array()?;
        entries.iter().find(owns)?["time"].as_str()
    }

    /// Whether the controller has seen the spec as it is now; a Ready condition of an older spec says nothing.
    fn is_observed(&self) -> bool {
        let number = |pointer: &str| self.json().pointer(pointer).and_then(Value::as_i64);
        number("/status/observedGeneration").is_some_and(|observed| Some(observed) == number("/metadata/generation"))
    }

    /// Whether the Ready condition speaks of the spec as it is now. A source that fails over a new spec says so there alone:
    /// `status.observedGeneration` moves with success (fluxcd/pkg `runtime/reconcile`).
    fn has_current_ready_condition(&self) -> bool {
        let generation = self.json().pointer("/metadata/generation").and_then(Value::as_i64);
        let conditions = self.json().pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
        let mut ready = conditions.filter(|one| one["type"] == "Ready");
        ready.any(|one| generation.is_some() && one["observedGeneration"].as_i64() == generation)
    }

    /// The Ready condition, whatever spec it speaks of.
    fn ready_condition(&self) -> Option<FluxCondition> {
        let found = super::object::find_condition(self.json(), "Ready")?;
        Some(FluxCondition {
            status: found.status.to_owned(),
            reason: found.reason.to_owned(),
            message: found.message.to_owned(),
        })
    }

    /// Whether the controller has observed the spec and calls it ready.
    fn is_ready(&self) -> bool {
        self.is_observed() && self.ready_condition().is_some_and(|ready| ready.status == "True")
    }

    /// Whether the controller gave up: it waits for a change of the spec (kstatus `Stalled`).
    fn stalled_condition(&self) -> Option<FluxCondition> {
        let found = super::object::find_condition(self.json(), "Stalled").filter(|found| found.status == "True")?;
        Some(FluxCondition {
            status: found.status.to_owned(),
            reason: found.reason.to_owned(),
            message: found.message.to_owned(),
        })
    }

    /// The last request to reconcile that its controller has answered.
    fn last_handled_reconcile(&self) -> &str {
        self.text("/status/lastHandledReconcileAt")
    }

    /// The Kustomization that keeps it in Git.
    fn kustomization(&self) -> Option<FluxRef> {
        find_kustomization(self.json())
    }
}

#[cfg(test)]
mod tests;
