//! A source of charts: the requested version and the version of its artifact.

use semver::{Comparator, Op, VersionReq};
use serde_json::Value;

use super::{FluxObject, FluxRef};

/// What a digest begins with.
const DIGEST_PREFIX: &str = "sha256:";

/// A source as it was read.
#[derive(Debug, Clone)]
pub struct FluxSource(Value);

/// What kind of source it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// An OCI registry's repository: one chart.
    OciRepository,
    /// A repository of charts, by http or `type: oci`.
    HelmRepository,
    /// One chart of a HelmRepository, GitRepository or Bucket.
    HelmChart,
    /// A Git repository: it has no chart versions.
    GitRepository,
    /// A bucket: it has no chart versions.
    Bucket,
    /// Something else (`ExternalArtifact`).
    Other,
}

/// What source-controller has fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// `0.7.4@sha256:…` of an OCIRepository, `sha256:…` of one that is pinned by digest, `0.7.4` of a HelmChart.
    pub revision: String,
}

impl Artifact {
    /// The version or tag: what stands before the digest; empty where there is the digest alone.
    #[must_use]
    pub fn version(&self) -> &str {
        self.revision.split('@').next().filter(|text| !text.starts_with(DIGEST_PREFIX)).unwrap_or_default()
    }

    /// The digest in the registry; none of a source that has none.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        let alone = || self.revision.starts_with(DIGEST_PREFIX).then_some(self.revision.as_str());
        self.revision.split_once('@').map(|(_, digest)| digest).or_else(alone)
    }
}

/// `spec.verify`: whose signature source-controller asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceVerification {
    /// `cosign` or `notation`.
    pub provider: String,
    /// The Secret with the keys; empty for keyless verification.
    pub secret_name: String,
}

/// What decides which version a source holds, as Flux reads it: digest before semver before tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EffectiveRef<'a> {
    /// `spec.ref.digest`
    Digest(&'a str),
    /// `spec.ref.semver`, `spec.version`
    Semver(&'a str),
    /// `spec.ref.tag`
    Tag(&'a str),
    /// Nothing is set: the tag `latest`, or the newest version.
    Latest,
}

impl FluxObject for FluxSource {
    fn json(&self) -> &Value {
        &self.0
    }
}

impl FluxSource {
    /// Takes an object that was read as a source.
    #[must_use]
    pub const fn new(object: Value) -> Self {
        Self(object)
    }

    /// What kind of source it is.
    #[must_use]
    pub fn kind(&self) -> SourceKind {
        match self.text("/kind") {
            "OCIRepository" => SourceKind::OciRepository,
            "HelmRepository" => SourceKind::HelmRepository,
            "HelmChart" => SourceKind::HelmChart,
            "GitRepository" => SourceKind::GitRepository,
            "Bucket" => SourceKind::Bucket,
            _ => SourceKind::Other,
        }
    }

    /// `spec.url`; of a Bucket its endpoint.
    #[must_use]
    pub fn url(&self) -> &str {
        let url = self.text("/spec/url");
        if url.is_empty() { self.text("/spec/endpoint") } else { url }
    }

    /// Whether plain http is allowed.
    #[must_use]
    pub fn is_insecure(&self) -> bool {
        self.0.pointer("/spec/insecure") == Some(&Value::Bool(true))
    }

    /// The Secret with the credentials; empty where none is named.
    #[must_use]
    pub fn secret_name(&self) -> &str {
        self.text("/spec/secretRef/name")
    }

    /// The Secret with the certificate authority; empty where none is named.
    #[must_use]
    pub fn cert_secret_name(&self) -> &str {
        self.text("/spec/certSecretRef/name")
    }

    /// The required signature.
    #[must_use]
    pub fn verification(&self) -> Option<SourceVerification> {
        let found = self.0.pointer("/spec/verify")?;
        let text = |pointer: &str| found.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        Some(SourceVerification { provider: text("/provider"), secret_name: text("/secretRef/name") })
    }

    /// What a HelmChart is made from; none of another kind.
    #[must_use]
    pub fn chart_source(&self) -> Option<FluxRef> {
        (self.kind() == SourceKind::HelmChart).then(|| {
            FluxRef::new(
                self.text("/spec/sourceRef/kind"),
                self.text("/metadata/namespace"),
                self.text("/spec/sourceRef/name"),
            )
        })
    }

    /// What decides which version it holds (source-controller `ocirepository_controller.go`, `getArtifactRef`).
    #[must_use]
    pub fn effective_ref(&self) -> EffectiveRef<'_> {
        let pointers = if self.kind() == SourceKind::HelmChart { ["", "/spec/version", ""] } else { OCI_REF_POINTERS };
        let [digest, semver, tag] = pointers.map(|pointer| if pointer.is_empty() { "" } else { self.text(pointer) });
        match (digest, semver, tag) {
            ("", "", "") => EffectiveRef::Latest,
            ("", "", tag) => EffectiveRef::Tag(tag),
            ("", semver, _) => EffectiveRef::Semver(semver),
            (digest, ..) => EffectiveRef::Digest(digest),
        }
    }

    /// What it holds.
    #[must_use]
    pub fn artifact(&self) -> Option<Artifact> {
        let revision = self.text("/status/artifact/revision");
        (!revision.is_empty()).then(|| Artifact { revision: revision.to_owned() })
    }

    /// Why it may have another version tomorrow without a change of its spec; `None` if it is pinned.
    #[must_use]
    pub fn floating_reason(&self) -> Option<String> {
        match self.effective_ref() {
            EffectiveRef::Digest(_) => None,
            EffectiveRef::Semver(range) if is_exact_version(range) => None,
            EffectiveRef::Semver(range) => Some(format!("semver {range:?} is a range")),
            // A tag can be pushed again; by convention a tag that is a full version is not.
            EffectiveRef::Tag(tag) if is_exact_version(tag) => None,
            EffectiveRef::Tag(tag) => Some(format!("tag {tag:?} is not a version and can be moved")),
            EffectiveRef::Latest => Some("no version is set: it follows the newest version version".to_owned()),
        }
    }
}

const OCI_REF_POINTERS: [&str; 3] = ["/spec/ref/digest", "/spec/ref/semver", "/spec/ref/tag"];

/// Whether a semver expression allows one version only: Flux reads `1.2.3` and `=1.2.3` so (Masterminds/semver).
#[must_use]
pub fn is_exact_version(range: &str) -> bool {
    let text = range.trim().trim_start_matches('=').trim().trim_start_matches('v');
    semver::Version::parse(text).is_ok()
}

/// Whether a semver expression lets a version through, where Rust's and Go's reading of it agree; none where they may not.
#[must_use]
pub fn range_allows(range: &str, version: &semver::Version) -> Option<bool> {
    if is_exact_version(range) {
        let text = range.trim().trim_start_matches('=').trim().trim_start_matches('v');
        return semver::Version::parse(text)
            .ok()
            .map(|wanted| (wanted.pre == version.pre) && has_same_core(&wanted, version));
    }
    let simple = range.chars().all(|letter| !"|-".contains(letter)) || range.contains("-0");
    let required = VersionReq::parse(&range.replace(' ', ", ").replace(",,", ",")).ok().filter(|_| simple)?;
    // Bare `1.2` means `^1.2` in Rust and `1.2.x` in Go.
    let is_bare = |one: &Comparator| one.op == Op::Caret && !range.contains('^');
    (!required.comparators.iter().any(is_bare)).then(|| required.matches(version))
}

fn has_same_core(one: &semver::Version, other: &semver::Version) -> bool {
    (one.major, one.minor, one.patch) == (other.major, other.minor, other.patch)
}
