//! The objects of a release as helm stored them, for the comparison with what the chart renders.

use serde_json::Value;

use crate::model::release::ReleaseRecord;
use crate::model::yaml::YamlError;
use crate::problem::Explain;

/// helm's record holds a manifest that is not YAML.
#[derive(Debug, thiserror::Error)]
#[error("the stored manifest of release {release} revision {revision} cannot be parsed")]
pub(super) struct StoredManifestError {
    release: String,
    revision: u64,
    #[source]
    error: YamlError,
}

impl Explain for StoredManifestError {
    /// None: helm wrote it, and cannot read it either.
    fn hints(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The objects of a record; none of a release that is not installed.
pub(super) fn parse_stored_manifest(record: Option<&ReleaseRecord>) -> Result<Vec<Value>, StoredManifestError> {
    let Some(record) = record else { return Ok(Vec::new()) };
    record.manifest_objects().map_err(|error| StoredManifestError {
        release: record.name.clone(),
        revision: record.revision,
        error,
    })
}
