//! Why a request cannot go through Flux.
//!
//! Owns the texts and the next steps. `flux.rs` (charts) and `flux_values.rs` (values) find the reasons, before anything is written.

use std::fmt;

use crate::cluster::ApiError;
use crate::model::flux::FluxRef;
use crate::model::observed::ReadFailure;
use crate::model::yaml::YamlError;
use crate::prepare::appliance_registry_error::ApplianceRegistryError;
use crate::problem::{Cause, Exit, Explain};
use crate::tools::error::ToolFailure;
use crate::tools::private_files::PrivateFileError;

/// Why the charts or values of an upgrade through Flux are unknown.
#[derive(Debug, thiserror::Error)]
pub enum FluxRequestError {
    /// There is no private file.
    #[error(transparent)]
    PrivateFile(#[from] PrivateFileError),
    /// helm did not read the values.
    #[error(transparent)]
    Helm(#[from] ToolFailure),
    /// The appliance's registry does not have the chart.
    #[error(transparent)]
    Registry(Box<ApplianceRegistryError>),
    /// Two HelmReleases own the release.
    #[error("{finding}: its chart could come from either source")]
    AmbiguousSource {
        /// The finding of the guard.
        finding: String,
        /// Why it matters.
        #[source]
        why: Cause,
        /// The next steps of the guard.
        fixes: Vec<String>,
    },
    /// The source of the HelmRelease cannot be read.
    #[error("{helm_release} takes its chart from {source_ref}, which cannot be read")]
    UnreadableSource {
        /// The HelmRelease.
        helm_release: Box<FluxRef>,
        /// Its source.
        source_ref: Box<FluxRef>,
        /// Why.
        #[source]
        error: ReadFailure,
    },
    /// The source of the HelmRelease does not exist.
    #[error("{helm_release} takes its chart from {source_ref}, and {source_ref} does not exist")]
    MissingSource {
        /// The HelmRelease.
        helm_release: Box<FluxRef>,
        /// Its source.
        source_ref: Box<FluxRef>,
    },
    /// Only source-controller can pull from the source.
    #[error("release {release} takes its chart from {source_ref}")]
    Unfetchable {
        /// The release.
        release: String,
        /// Its source.
        source_ref: Box<FluxRef>,
        /// Why this program cannot.
        #[source]
        reason: UnfetchableSource,
    },
    /// Flags for the CRD chart, whose values this upgrade does not patch.
    #[error("{helm_release} sets the values of the CRD chart, so flags cannot")]
    CrdsValues {
        /// The HelmRelease.
        helm_release: Box<FluxRef>,
    },
    /// A source of values is missing or unreadable.
    #[error("{helm_release} takes values from {object}, and {defect}")]
    ValuesFrom {
        /// The HelmRelease.
        helm_release: Box<FluxRef>,
        /// The ConfigMap or Secret.
        object: Box<FluxRef>,
        /// What is wrong with it.
        defect: ValuesFromDefect,
        /// The server's reason, if it cannot be read.
        #[source]
        error: Option<Box<ApiError>>,
    },
    /// A key of a ConfigMap or Secret has no YAML.
    #[error("{kind} {name} has no values in {key}")]
    InvalidValues {
        /// `ConfigMap` or `Secret`.
        kind: String,
        /// Its name.
        name: String,
        /// The key.
        key: String,
        /// What is wrong with it, without its text.
        #[source]
        error: YamlError,
    },
}

/// Why this program cannot pull from a source.
#[derive(Debug, thiserror::Error)]
pub enum UnfetchableSource {
    /// A HelmRepository that is not of type oci.
    #[error("this program does not read the index at {url}")]
    PlainIndex {
        /// Its address.
        url: String,
    },
    /// Git and buckets.
    #[error("a {kind} has no chart versions, so none can be set")]
    NoVersions {
        /// Its kind.
        kind: String,
    },
}

/// What is wrong with an entry of `valuesFrom`.
#[derive(Debug)]
pub enum ValuesFromDefect {
    /// The object does not exist.
    Missing,
    /// The object cannot be read.
    Unreadable,
    /// It has no such key, or the key holds no text.
    NoKey(String),
}

impl fmt::Display for ValuesFromDefect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("it does not exist"),
            Self::Unreadable => f.write_str("it cannot be read"),
            Self::NoKey(key) => write!(f, "it has no readable key {key}"),
        }
    }
}

impl From<ApplianceRegistryError> for FluxRequestError {
    fn from(error: ApplianceRegistryError) -> Self {
        Self::Registry(Box::new(error))
    }
}

impl Explain for FluxRequestError {
    fn exit(&self) -> Exit {
        match self {
            Self::PrivateFile(error) => error.exit(),
            Self::Helm(error) => error.exit(),
            Self::Registry(error) => error.exit(),
            Self::UnreadableSource { .. } => Exit::ChecksFailed,
            Self::CrdsValues { .. } => Exit::Usage,
            Self::AmbiguousSource { .. }
            | Self::MissingSource { .. }
            | Self::Unfetchable { .. }
            | Self::ValuesFrom { .. }
            | Self::InvalidValues { .. } => Exit::Refused,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::PrivateFile(error) => error.hints(),
            Self::Helm(error) => error.hints(),
            Self::Registry(error) => error.hints(),
            Self::UnreadableSource { .. } | Self::InvalidValues { .. } => Vec::new(),
            Self::AmbiguousSource { fixes, .. } => fixes.clone(),
            Self::MissingSource { source_ref, .. } => vec![format!(
                "run kubectl get {} and correct the name in the HelmRelease; helm-controller cannot find it either",
                source_ref.to_kubectl_args()
            )],
            Self::Unfetchable { reason, .. } => reason.hints(),
            Self::CrdsValues { helm_release } => {
                vec![format!("set spec.values: kubectl edit {}", helm_release.to_kubectl_args())]
            }
            Self::ValuesFrom { object, .. } => {
                let FluxRef { kind, namespace, name } = object.as_ref();
                let plural = values_plural(kind);
                vec![format!(
                    "run kubectl get {plural} {name} --namespace {namespace}; helm-controller cannot read it either"
                )]
            }
        }
    }
}

impl UnfetchableSource {
    fn hints(&self) -> Vec<String> {
        let hints: &[&str] = match self {
            Self::PlainIndex { .. } => &["run helm pull there, and pass the files: --chart FILE, --crds-chart FILE"],
            Self::NoVersions { .. } => &[
                "change the chart in that source, CRDs first",
                "use an OCIRepository, as in the vendor's upgrade guide: run kubectl mural upgrade flux-manifests",
            ],
        };
        hints.iter().map(|hint| (*hint).to_owned()).collect()
    }
}

/// The resource of a kind that holds values.
pub(super) fn values_plural(kind: &str) -> &'static str {
    if kind == "Secret" { "secrets" } else { "configmaps" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Problem;

    fn object(kind: &str) -> Box<FluxRef> {
        Box::new(FluxRef::new(kind, "mural-system", "mural"))
    }

    #[test]
    fn a_source_that_cannot_be_read_is_undetermined_and_a_missing_one_is_refused() {
        let error = ReadFailure { target: "OCIRepository".into(), reason: "forbidden".into() };
        let (helm_release, source_ref) = (object("HelmRelease"), object("OCIRepository"));
        let unread = FluxRequestError::UnreadableSource { helm_release, source_ref, error };
        let (helm_release, source_ref) = (object("HelmRelease"), object("OCIRepository"));
        let missing = FluxRequestError::MissingSource { helm_release, source_ref };
        assert_eq!((unread.exit(), unread.hints().len()), (Exit::ChecksFailed, 0));
        assert_eq!(missing.exit(), Exit::Refused);
        assert!(missing.hints()[0].starts_with("run kubectl get ocirepository mural "), "{:?}", missing.hints());
    }

    #[test]
    fn values_from_names_the_object_and_how_to_look_at_it() {
        let (helm_release, object) = (object("HelmRelease"), object("Secret"));
        let defect = ValuesFromDefect::NoKey("values.yaml".into());
        let problem = Problem::from(FluxRequestError::ValuesFrom { helm_release, object, defect, error: None });
        assert_eq!(
            problem.message,
            "HelmRelease mural-system/mural takes values from Secret mural-system/mural, and it has no readable key values.yaml"
        );
        assert!(problem.hints[0].starts_with("run kubectl get secrets mural --namespace mural-system;"));
        assert_eq!((problem.exit, problem.causes().len()), (Exit::Refused, 0));
    }

    #[test]
    fn a_plain_index_and_a_git_source_have_different_next_steps() {
        let unfetchable = |reason| FluxRequestError::Unfetchable {
            release: "mural".into(),
            source_ref: object("GitRepository"),
            reason,
        };
        let index = unfetchable(UnfetchableSource::PlainIndex { url: "https://charts.example.com".into() });
        let git = unfetchable(UnfetchableSource::NoVersions { kind: "GitRepository".into() });
        assert!(index.hints()[0].starts_with("run helm pull"));
        assert_eq!(git.hints()[0], "change the chart in that source, CRDs first");
    }
}
