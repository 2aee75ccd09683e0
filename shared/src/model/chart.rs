//! The bytes of a chart, and what they contain.
//!
//! Owns digests, unpacking and packing. How a chart is named on the command line is in `chart_reference.rs`. Input: a packed chart or its
//! files. Output: a [`Chart`], or why the bytes are not a chart.

use std::collections::BTreeMap;
use std::io::Read;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

pub use super::chart_reference::{ChartRef, ChartRefError};
use super::chart_version::ChartVersion;
use super::crd::Crd;
use super::manifest::{is_folder_crd_path, parse_manifest};
use super::yaml::{self, ErrorDetail};

/// Files that one chart may have, and bytes of all of them: an archive that unpacks to more is no chart.
const MAX_CHART_FILES: usize = 20_000;
const MAX_CHART_BYTES: u64 = 256 * 1024 * 1024;

/// What a digest was taken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DigestKind {
    /// The registry's manifest: what `oci://…@sha256:` pins.
    Manifest,
    /// The packed file.
    Archive,
    /// The files of a folder, names and bytes: packing one twice gives other bytes.
    Files,
}

/// Which bytes a chart is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// `sha256:<hex>`
    pub sha256: String,
    /// What it was taken of.
    pub kind: DigestKind,
}

impl Digest {
    /// The digest of bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8], kind: DigestKind) -> Self {
        Self { sha256: format!("sha256:{}", to_hex(&Sha256::digest(bytes))), kind }
    }

    /// The first twelve digits, as `sha256:05094f0008ef`.
    #[must_use]
    pub fn short(&self) -> &str {
        self.sha256.get(..19).unwrap_or(&self.sha256)
    }
}

/// Bytes as lower-case hexadecimal digits.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A chart's files by their path below the chart's own folder.
pub type ChartFiles = BTreeMap<String, Vec<u8>>;

/// What is no chart, and why.
#[derive(Debug, thiserror::Error)]
pub enum ChartError {
    /// The archive is damaged, or no archive.
    #[error("not a packed chart")]
    Archive(#[source] std::io::Error),
    /// An absolute path, `..` or a link: nothing a chart needs.
    #[error("holds the entry {0:?}, which points outside of the chart")]
    UnsafeEntry(String),
    /// More files or bytes than a chart has.
    #[error("has more than {MAX_CHART_FILES} files or {MAX_CHART_BYTES} bytes")]
    TooLarge,
    /// No `Chart.yaml`.
    #[error("holds no Chart.yaml")]
    MissingChartYaml,
    /// A file of it is not readable.
    #[error("{file} is not readable")]
    UnreadableFile {
        /// The file's path in the chart.
        file: String,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// `Chart.yaml` has no usable name or version.
    #[error("Chart.yaml has no {0}")]
    MissingField(&'static str),
}

/// What a chart's `values.schema.json` refuses of the values, in helm's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValuesSchemaError {
    /// The chart whose schema it is: a subchart has its own.
    pub chart: String,
    /// Where in that chart's values: `dex.replicas`; empty for the whole.
    pub path: String,
    /// helm's words.
    pub message: String,
}

/// What a chart's own files say.
#[derive(Debug, Clone)]
pub struct Chart {
    /// `name` of Chart.yaml.
    pub name: String,
    /// `version` of Chart.yaml.
    pub version: ChartVersion,
    /// `annotations` of Chart.yaml.
    pub annotations: BTreeMap<String, String>,
    /// `values.yaml`
    pub values: Value,
    /// `values.schema.json`
    pub values_schema: Option<Value>,
    /// Names of the CRDs in `crds/` folders, subcharts included: helm installs these once and never upgrades them.
    pub folder_crds: Vec<String>,
    /// The digest of all files, names and bytes.
    pub files_digest: Digest,
}

impl Chart {
    /// Reads a chart's files.
    ///
    /// # Errors
    /// There is no readable `Chart.yaml` with name and version, or another file that we need is not readable.
    pub fn from_files(files: &ChartFiles) -> Result<Self, ChartError> {
        let metadata = read_yaml_file(files, "Chart.yaml")?.ok_or(ChartError::MissingChartYaml)?;
        let name = metadata["name"].as_str().filter(|name| !name.is_empty()).ok_or(ChartError::MissingField("name"))?;
        let version = metadata["version"].as_str().and_then(|text| text.parse().ok());
        let annotations = metadata["annotations"].as_object().into_iter().flatten();
        Ok(Self {
            name: name.to_owned(),
            version: version.ok_or(ChartError::MissingField("semantic version"))?,
            annotations: annotations
                .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
                .collect(),
            values: read_yaml_file(files, "values.yaml")?.unwrap_or_else(|| Value::Object(serde_json::Map::new())),
            values_schema: read_values_schema(files)?,
            folder_crds: read_folder_crds(files)?,
            files_digest: digest_files(files),
        })
    }

    /// Whether a document is a CRD of a `crds/` folder: helm installs it beside the release, and keeps it out of the manifest.
    #[must_use]
    pub fn is_folder_crd(&self, document: &Value) -> bool {
        Crd::name_of(document).is_some_and(|crd| self.folder_crds.iter().any(|name| name == crd))
    }
}

fn read_yaml_file(files: &ChartFiles, file: &str) -> Result<Option<Value>, ChartError> {
    let Some(bytes) = files.get(file) else { return Ok(None) };
    let broken =
        |source: Box<dyn std::error::Error + Send + Sync>| ChartError::UnreadableFile { file: file.to_owned(), source };
    let text = std::str::from_utf8(bytes).map_err(|error| broken(error.into()))?;
    yaml::parse_document(text, ErrorDetail::LocationOnly).map(Some).map_err(|error| broken(error.into()))
}

fn read_values_schema(files: &ChartFiles) -> Result<Option<Value>, ChartError> {
    let file = "values.schema.json";
    let Some(bytes) = files.get(file) else { return Ok(None) };
    serde_json::from_slice(bytes)
        .map(Some)
        .map_err(|error| ChartError::UnreadableFile { file: file.to_owned(), source: error.into() })
}

fn read_folder_crds(files: &ChartFiles) -> Result<Vec<String>, ChartError> {
    let mut names = Vec::new();
    for (path, bytes) in files.iter().filter(|(path, _)| is_folder_crd_path(path)) {
        let broken = |source: Box<dyn std::error::Error + Send + Sync>| ChartError::UnreadableFile {
            file: path.clone(),
            source,
        };
        let text = std::str::from_utf8(bytes).map_err(|error| broken(error.into()))?;
        for document in parse_manifest(text, ErrorDetail::LocationOnly).map_err(|error| broken(error.into()))? {
            if let Ok(crd) = Crd::new(document) {
                names.push(crd.name().to_owned());
            }
        }
    }
    names.sort();
    Ok(names)
}

fn digest_files(files: &ChartFiles) -> Digest {
    let mut hasher = Sha256::new();
    for (path, bytes) in files {
        hasher.update((path.len() as u64).to_be_bytes());
        hasher.update(path.as_bytes());
        hasher.update((bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    }
    Digest { sha256: format!("sha256:{}", to_hex(&hasher.finalize())), kind: DigestKind::Files }
}

/// Unpacks a packed chart in memory; packed subcharts are unpacked in their place.
///
/// # Errors
/// The archive is damaged, too big, or holds an entry that points outside of it.
pub fn unpack(packed: &[u8]) -> Result<ChartFiles, ChartError> {
    let mut files = ChartFiles::new();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed).take(MAX_CHART_BYTES));
    for entry in archive.entries().map_err(ChartError::Archive)? {
        let mut entry = entry.map_err(ChartError::Archive)?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if entry.header().entry_type().is_dir() || entry.header().entry_type().is_pax_global_extensions() {
            continue;
        }
        let inside = path.split_once('/').map_or(path.as_str(), |(_, inside)| inside).to_owned();
        if !entry.header().entry_type().is_file() || path.starts_with('/') || path.split('/').any(|part| part == "..") {
            return Err(ChartError::UnsafeEntry(path));
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(ChartError::Archive)?;
        insert_file(&mut files, inside, bytes)?;
    }
    Ok(files)
}

/// Packs a chart whose own values are replaced: what `helm upgrade --reuse-values` makes of it in memory (helm
/// `action/upgrade.go`, `reuseValues`), for `helm template`, which has no such flag.
///
/// # Errors
/// The archive cannot be written: in memory, only where a path is longer than an archive can hold.
pub fn pack_with_values(files: &ChartFiles, values: &Value) -> std::io::Result<Vec<u8>> {
    pack_with_file(files, "values.yaml", values)
}

/// Packs a chart under the version that helm-controller gives it: the digest's first digits are its build metadata, so that a tag
/// that is pushed again is detected (`internal/controller/helmrelease_controller.go`, `mutateChartWithSourceRevision`). Templates see it.
///
/// # Errors
/// The archive cannot be written; `Chart.yaml` is not readable.
pub fn pack_as_flux(files: &ChartFiles, version: &ChartVersion, digest: &Digest) -> std::io::Result<Vec<u8>> {
    let unreadable = |error: ChartError| std::io::Error::other(error);
    let mut metadata = read_yaml_file(files, "Chart.yaml").map_err(unreadable)?.unwrap_or_default();
    let build = digest.sha256.get(7..19).unwrap_or_default();
    metadata["version"] = flux_version(version, build).into();
    pack_with_file(files, "Chart.yaml", &metadata)
}

/// A version as helm-controller writes it: without a `v`, all three parts, and the digest as build metadata.
fn flux_version(version: &ChartVersion, build: &str) -> String {
    let full = version.semantic().to_string();
    format!("{}+{build}", full.split('+').next().unwrap_or_default())
}

/// Packs a chart with another document in place of one of its files: JSON is YAML.
fn pack_with_file(files: &ChartFiles, replaced: &str, document: &Value) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    let document = document.to_string().into_bytes();
    let all = files.iter().filter(|(path, _)| *path != replaced).map(|(path, bytes)| (path.as_str(), bytes));
    for (path, bytes) in all.chain([(replaced, &document)]) {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        archive.append_data(&mut header, format!("chart/{path}"), bytes.as_slice())?;
    }
    archive.into_inner()?.finish()
}

fn insert_file(files: &mut ChartFiles, path: String, bytes: Vec<u8>) -> Result<(), ChartError> {
    if files.len() >= MAX_CHART_FILES {
        return Err(ChartError::TooLarge);
    }
    let packed_subchart = path.starts_with("charts/") && path.ends_with(".tgz");
    if packed_subchart {
        let folder = path.trim_end_matches(".tgz").to_owned();
        for (inner, bytes) in unpack(&bytes)? {
            files.insert(format!("{folder}/{inner}"), bytes);
        }
    } else {
        files.insert(path, bytes);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_is_read_from_its_files() {
        let file = |text: &str| text.as_bytes().to_vec();
        let crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: a.b}\n";
        let files = ChartFiles::from([
            ("Chart.yaml".to_owned(), file("name: mural\nversion: 1.1.0-rc.3\n")),
            ("crds/a.yaml".to_owned(), file(crd)),
            ("charts/sub/crds/b.yaml".to_owned(), file(&crd.replace("a.b", "c.d"))),
            ("templates/crds/c.yaml".to_owned(), file("{{ not yaml }}: [")),
        ]);
        let chart = Chart::from_files(&files).unwrap();
        assert_eq!((chart.name.as_str(), chart.version.to_string()), ("mural", "1.1.0-rc.3".to_owned()));
        assert_eq!(chart.folder_crds, ["a.b", "c.d"]);
        assert!(matches!(Chart::from_files(&ChartFiles::new()), Err(ChartError::MissingChartYaml)));
    }

    #[test]
    fn a_file_that_is_not_an_archive_is_refused() {
        assert!(matches!(unpack(b"not an archive"), Err(ChartError::Archive(_))));
    }
}
