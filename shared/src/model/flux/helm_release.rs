//! A HelmRelease: which release it makes, from which chart, and what became of it.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{FluxObject, FluxRef};
use crate::model::chart::to_hex;
use crate::model::chart_version::ChartVersion;
use crate::model::release_status::ReleaseStatus;
use crate::model::secret::Hidden;

/// The kind.
pub const HELM_RELEASE_KIND: &str = "HelmRelease";
/// helm's longest release name; helm-controller shortens longer ones (`internal/release`, `ShortenName`).
const MAX_RELEASE_NAME_BYTES: usize = 53;
/// Digits of the hash that a shortened name ends with.
const NAME_HASH_DIGITS: usize = 12;

/// A HelmRelease as it was read. Values show themselves in no `Debug`.
#[derive(Clone)]
pub struct HelmRelease(Value);

impl std::fmt::Debug for HelmRelease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.object_ref())
    }
}

/// Where a HelmRelease's chart comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChartOrigin {
    /// `spec.chartRef`: an OCIRepository, a HelmChart or an ExternalArtifact.
    Ref(FluxRef),
    /// `spec.chart`: a HelmChart that helm-controller makes, from this source at this version.
    Template {
        /// The HelmChart.
        helm_chart: FluxRef,
        /// The HelmRepository, GitRepository or Bucket.
        source: FluxRef,
        /// `spec.chart.spec.version`, `*` where none is set.
        version: String,
    },
}

impl ChartOrigin {
    /// The object whose artifact is the chart.
    #[must_use]
    pub fn artifact_ref(&self) -> FluxRef {
        match self {
            Self::Ref(named) | Self::Template { helm_chart: named, .. } => named.clone(),
        }
    }
}

/// What helm-controller does with a chart's `crds/` folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrdPolicy {
    /// Nothing.
    Skip,
    /// What is not there is created; what is there stays as it is.
    Create,
    /// What is there is replaced.
    CreateReplace,
}

impl CrdPolicy {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "Skip" => Some(Self::Skip),
            "Create" => Some(Self::Create),
            "CreateReplace" => Some(Self::CreateReplace),
            _ => None,
        }
    }
}

/// One entry of `spec.dependsOn`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// The HelmRelease.
    pub helm_release: FluxRef,
    /// The CEL expression that replaces Flux's own check of readiness; empty where none is set.
    pub ready_expr: String,
}

/// One entry of `spec.valuesFrom`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValuesReference {
    /// The ConfigMap or Secret.
    pub object: FluxRef,
    /// The key in it; `values.yaml` where none is set.
    pub key: String,
    /// The one value that it sets; empty where it holds a whole values file.
    pub target: String,
    /// Whether it may be missing.
    pub optional: bool,
}

/// One entry of `status.history`: a revision of the release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The release's revision.
    pub revision: u64,
    /// The chart's version, with the first digits of its digest as build metadata where it came from an OCIRepository.
    pub chart_version: String,
    /// The chart's digest in the registry; empty where the source has none.
    pub oci_digest: String,
    /// Where the revision stands.
    pub status: ReleaseStatus,
}

impl Snapshot {
    /// The chart's version without what was added of the digest.
    #[must_use]
    pub fn version(&self) -> &str {
        self.chart_version.split('+').next().unwrap_or_default()
    }

    /// Whether it is that version, whatever build metadata either has.
    #[must_use]
    pub fn is_version(&self, version: &str) -> bool {
        match (self.version().parse::<ChartVersion>(), version.parse()) {
            (Ok(found), Ok(wanted)) => found.cmp_precedence(&wanted).is_eq(),
            _ => self.version() == version.split('+').next().unwrap_or_default(),
        }
    }
}

/// What helm-controller does after a failed upgrade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remediation {
    /// How often it tries again; none where it never remediates, negative for ever.
    pub retries: i64,
    /// `rollback` or `uninstall`.
    pub strategy: String,
    /// Whether it remediates after the last try too.
    pub remediate_last_failure: bool,
}

impl FluxObject for HelmRelease {
    fn json(&self) -> &Value {
        &self.0
    }
}

impl HelmRelease {
    /// Takes an object that was read as a HelmRelease.
    #[must_use]
    pub const fn new(object: Value) -> Self {
        Self(object)
    }

    /// The release's name: `releaseName`, else `[targetNamespace-]name`, shortened to what helm takes.
    #[must_use]
    pub fn release_name(&self) -> String {
        let (given, name, target) =
            (self.text("/spec/releaseName"), self.text("/metadata/name"), self.text("/spec/targetNamespace"));
        match (given, target) {
            ("", "") => shorten_name(name.to_owned()),
            ("", target) => shorten_name(format!("{target}-{name}")),
            (given, _) => given.to_owned(),
        }
    }

    /// The namespace that the release is installed into.
    #[must_use]
    pub fn target_namespace(&self) -> &str {
        let target = self.text("/spec/targetNamespace");
        if target.is_empty() { self.text("/metadata/namespace") } else { target }
    }

    /// The namespace that holds the release's records: not the target's by default, but the HelmRelease's own.
    #[must_use]
    pub fn storage_namespace(&self) -> &str {
        let storage = self.text("/spec/storageNamespace");
        if storage.is_empty() { self.text("/metadata/namespace") } else { storage }
    }

    /// Whether it makes this release, here: one with a kubeConfig makes releases on another cluster.
    #[must_use]
    pub fn manages_release(&self, release: &str, namespace: &str) -> bool {
        let here = self.0.pointer("/spec/kubeConfig").is_none();
        here && self.release_name() == release && self.target_namespace() == namespace
    }

    /// Where its chart comes from; none where the object says nothing usable.
    #[must_use]
    pub fn chart_origin(&self) -> Option<ChartOrigin> {
        let (own_namespace, name) = (self.text("/metadata/namespace"), self.text("/metadata/name"));
        let at = |base: &str| {
            let part = |key: &str| self.text(&format!("{base}/{key}"));
            let namespace = if part("namespace").is_empty() { own_namespace } else { part("namespace") };
            (!part("name").is_empty()).then(|| FluxRef::new(part("kind"), namespace, part("name")))
        };
        if let Some(named) = at("/spec/chartRef") {
            return Some(ChartOrigin::Ref(named));
        }
        let source = at("/spec/chart/spec/sourceRef")?;
        let helm_chart = FluxRef::new("HelmChart", &source.namespace, &format!("{own_namespace}-{name}"));
        let version = self.text("/spec/chart/spec/version");
        let version = if version.is_empty() { "*" } else { version }.to_owned();
        Some(ChartOrigin::Template { helm_chart, source, version })
    }

    /// `spec.dependsOn`
    #[must_use]
    pub fn depends_on(&self) -> Vec<Dependency> {
        let own_namespace = self.text("/metadata/namespace");
        let parse_entry = |entry: &Value| {
            let text = |key: &str| entry[key].as_str().unwrap_or_default();
            let namespace = if text("namespace").is_empty() { own_namespace } else { text("namespace") };
            let helm_release = FluxRef::new(HELM_RELEASE_KIND, namespace, text("name"));
            Dependency { helm_release, ready_expr: text("readyExpr").to_owned() }
        };
        self.0.pointer("/spec/dependsOn").and_then(Value::as_array).into_iter().flatten().map(parse_entry).collect()
    }

    /// `spec.install.crds`; none where it is not set. The code falls back to `Create`.
    #[must_use]
    pub fn install_crds(&self) -> Option<CrdPolicy> {
        CrdPolicy::parse(self.text("/spec/install/crds"))
    }

    /// `spec.upgrade.crds`; none where it is not set. The API's text says `Skip` then, the code does `Create`.
    #[must_use]
    pub fn upgrade_crds(&self) -> Option<CrdPolicy> {
        CrdPolicy::parse(self.text("/spec/upgrade/crds"))
    }

    /// `spec.values`; an empty map where none are set.
    #[must_use]
    pub fn values(&self) -> Hidden<Value> {
        let values = self.0.pointer("/spec/values").filter(|values| values.is_object());
        Hidden::new(values.cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new())))
    }

    /// `spec.valuesFrom`, in the order in which they are merged, before `spec.values`.
    #[must_use]
    pub fn values_from(&self) -> Vec<ValuesReference> {
        let own_namespace = self.text("/metadata/namespace");
        let parse_entry = |entry: &Value| {
            let text = |key: &str| entry[key].as_str().unwrap_or_default();
            let key = if text("valuesKey").is_empty() { "values.yaml" } else { text("valuesKey") };
            ValuesReference {
                object: FluxRef::new(text("kind"), own_namespace, text("name")),
                key: key.to_owned(),
                target: text("targetPath").to_owned(),
                optional: entry["optional"] == true,
            }
        };
        self.0.pointer("/spec/valuesFrom").and_then(Value::as_array).into_iter().flatten().map(parse_entry).collect()
    }

    /// What changes the chart's objects after they are rendered: the kustomize part of each of `spec.postRenderers`, in their order.
    #[must_use]
    pub fn post_renderers(&self) -> Vec<Value> {
        let all = self.0.pointer("/spec/postRenderers").and_then(Value::as_array).into_iter().flatten();
        all.filter_map(|one| one.get("kustomize").cloned()).collect()
    }

    /// `status.history`, the newest revision first.
    #[must_use]
    pub fn history(&self) -> Vec<Snapshot> {
        let parse_entry = |entry: &Value| {
            let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
            Snapshot {
                revision: entry["version"].as_u64().unwrap_or_default(),
                chart_version: text("chartVersion"),
                oci_digest: text("ociDigest"),
                status: text("status").into(),
            }
        };
        self.0.pointer("/status/history").and_then(Value::as_array).into_iter().flatten().map(parse_entry).collect()
    }

    /// The chart version that helm-controller tried last.
    #[must_use]
    pub fn last_attempted_revision(&self) -> &str {
        self.text("/status/lastAttemptedRevision")
    }

    /// How many upgrades have failed since the last success or change.
    #[must_use]
    pub fn upgrade_failures(&self) -> i64 {
        self.0.pointer("/status/upgradeFailures").and_then(Value::as_i64).unwrap_or_default()
    }

    /// How many installations have failed since the last success or change.
    #[must_use]
    pub fn install_failures(&self) -> i64 {
        self.0.pointer("/status/installFailures").and_then(Value::as_i64).unwrap_or_default()
    }

    /// `spec.upgrade.remediation`: without it, nothing is tried again and nothing is rolled back.
    #[must_use]
    pub fn remediation(&self) -> Remediation {
        let found = self.0.pointer("/spec/upgrade/remediation");
        let retries = found.and_then(|found| found["retries"].as_i64()).unwrap_or_default();
        let strategy = found.and_then(|found| found["strategy"].as_str()).unwrap_or("rollback").to_owned();
        // `MustRemediateLastFailure`: true by default as soon as retries are set.
        let remediate_last_failure =
            found.and_then(|found| found["remediateLastFailure"].as_bool()).unwrap_or(retries > 0);
        Remediation { retries, strategy, remediate_last_failure }
    }

    /// Whether it has used up its retries: nothing happens until its spec, values or chart change, or a reset is requested.
    #[must_use]
    pub fn has_exhausted_retries(&self) -> bool {
        let retries = self.remediation().retries;
        retries >= 0 && self.upgrade_failures() > retries
    }

    /// Whether a remediation (a rollback, an uninstall) was done and nothing has gone well since.
    #[must_use]
    pub fn is_remediated(&self) -> bool {
        crate::model::object::find_condition(&self.0, "Remediated").is_some_and(|found| found.status == "True")
    }
}

fn shorten_name(name: String) -> String {
    if name.len() <= MAX_RELEASE_NAME_BYTES {
        return name;
    }
    let hash = to_hex(&Sha256::digest(name.as_bytes()));
    let prefix = name.get(..MAX_RELEASE_NAME_BYTES - (NAME_HASH_DIGITS + 1)).unwrap_or(&name);
    format!("{prefix}-{}", hash.get(..NAME_HASH_DIGITS).unwrap_or(&hash))
}
