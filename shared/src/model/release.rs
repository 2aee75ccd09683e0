//! A helm release record: the Secret `sh.helm.release.v1.NAME.vN`, decoded.

use std::io::{Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::chart::ChartFiles;
use super::crd::Crd;
use super::manifest::{is_folder_crd_path, is_recorded_path, parse_manifest};
use super::release_status::ReleaseStatus;
use super::secret::Hidden;
use super::yaml::{ErrorDetail, YamlError};

/// helm's own annotation: with the value `keep`, helm does not delete an object that leaves the manifest.
pub const RESOURCE_POLICY_ANNOTATION: &str = "helm.sh/resource-policy";
/// The annotation as kubectl writes it.
pub const KEEP_ANNOTATION: &str = "helm.sh/resource-policy=keep";

/// What the API server takes for a Secret's data (`MaxSecretSize`, k8s.io/api/core/v1).
pub const MAX_SECRET_BYTES: usize = 1_048_576;
/// How far [`estimate_record_bytes`] may be off, in percent of the record: helm packs with another implementation of gzip, and stores the
/// notes and times of the release too.
pub const RECORD_TOLERANCE_PERCENT: usize = 2;
/// Bytes that one decoded record may have: helm's own limit on the encoded one is 1 MiB, gzip shrinks at most some hundred times.
const MAX_RECORD_BYTES: u64 = 256 * 1024 * 1024;

/// One revision of a release. Values and manifest hold secrets and never print.
#[derive(Debug, Clone)]
pub struct ReleaseRecord {
    /// The release's name.
    pub name: String,
    /// The revision: 1, 2, …
    pub revision: u64,
    /// Where the revision stands.
    pub status: ReleaseStatus,
    /// The description of the revision; ours carries the chart's digest.
    pub description: String,
    /// When it was last deployed, RFC 3339 as helm wrote it.
    pub last_deployed: String,
    /// The chart's name.
    pub chart_name: String,
    /// The chart's version.
    pub chart_version: String,
    /// `ssa` or `csa`; empty before helm 4.
    pub apply_method: String,
    /// What the user gave (`config`).
    pub config: Hidden<Value>,
    /// The chart's own values (`chart.values`).
    pub chart_values: Hidden<Value>,
    /// The rendered manifest.
    pub manifest: Hidden<String>,
    /// The bytes of the encoded record in its Secret; the API server's limit is 1,048,576.
    pub encoded_bytes: usize,
    /// Names of the CRDs in the chart's own `crds/` folder, which helm keeps in the record.
    pub crd_names: Vec<String>,
    /// The same CRDs, whole.
    pub crd_documents: Vec<Crd>,
    /// The chart's subcharts. The record does not hold their files, and so not the CRDs of their `crds/` folders.
    pub subcharts: Vec<String>,
    /// The chart's own templates that contain a Deployment, StatefulSet or DaemonSet, by path.
    pub workload_templates: Vec<String>,
    /// The chart's hooks as they were rendered: they stand in no manifest. They may hold secrets.
    pub hooks: Hidden<Vec<String>>,
    /// Labels of the Secret besides helm's own.
    pub labels: std::collections::BTreeMap<String, String>,
}

/// Why a record could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The Secret holds no `data.release`.
    #[error("the Secret has no data.release")]
    Missing,
    /// One of the two layers of base64 is damaged.
    #[error("data.release is not base64")]
    Base64,
    /// The gzip layer is damaged.
    #[error("data.release does not unpack")]
    Gzip(#[source] std::io::Error),
    /// It unpacks, but not to a release.
    #[error("data.release is not a helm release")]
    Json(#[source] serde_json::Error),
}

/// What helm stores of a revision, as far as it decides the size of the record.
#[derive(Debug, Clone)]
pub struct RecordContent {
    /// The chart's files; those of subcharts are not stored and may be among them.
    pub files: std::sync::Arc<ChartFiles>,
    /// The manifest and the hooks as helm renders them, without the CRDs of `crds/` folders. They may hold secrets.
    pub manifest: Hidden<String>,
    /// The user's values.
    pub config: Hidden<Value>,
}

/// The bytes of the next release record in its Secret: stored files, values and manifest, packed as helm packs them.
///
/// `None` if even the unpacked record is far below the limit of a Secret: packing takes time.
#[must_use]
pub fn estimate_record_bytes(content: &RecordContent) -> Option<usize> {
    let stored = content.files.iter().filter(|(path, _)| is_recorded_path(path));
    let files: Vec<Value> = stored.map(|(name, data)| json!({"name": name, "data": STANDARD.encode(data)})).collect();
    let (config, manifest) = (content.config.reveal(), content.manifest.reveal());
    let record = json!({"chart": {"files": files}, "config": config, "manifest": manifest}).to_string();
    if record.len() < MAX_SECRET_BYTES / 2 {
        return None;
    }
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(record.as_bytes()).ok()?;
    Some(packer.finish().ok()?.len().div_ceil(3) * 4)
}

/// Decodes a release Secret: base64 (the API's) of base64 (helm's) of gzip of JSON.
///
/// # Errors
/// A layer is damaged, as [`RecordError`] says.
pub fn read_record(secret: &Value) -> Result<ReleaseRecord, RecordError> {
    let (release, size) = decode_release(secret)?;
    Ok(build_record(release, secret, size))
}

/// The CRDs of a release Secret: those of the chart's `crds/` folder and those of the manifest.
///
/// # Errors
/// As [`read_record`].
pub fn read_crds(secret: &Value) -> Result<Vec<Crd>, RecordError> {
    let (release, _) = decode_release(secret)?;
    let manifest = parse_manifest(release["manifest"].as_str().unwrap_or_default(), ErrorDetail::LocationOnly);
    let of_manifest = manifest.unwrap_or_default().into_iter().filter_map(|document| Crd::new(document).ok());
    Ok(read_chart_crds(&release["chart"]["files"]).into_iter().chain(of_manifest).collect())
}

/// The release in a Secret as helm wrote it, and the bytes of its encoded form.
pub(super) fn decode_release(secret: &Value) -> Result<(Value, usize), RecordError> {
    let encoded = secret.pointer("/data/release").and_then(Value::as_str).ok_or(RecordError::Missing)?;
    let helm_layer = STANDARD.decode(encoded).map_err(|_| RecordError::Base64)?;
    let size = helm_layer.len();
    let packed = STANDARD.decode(&helm_layer).map_err(|_| RecordError::Base64)?;
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(packed.as_slice())
        .take(MAX_RECORD_BYTES)
        .read_to_end(&mut unpacked)
        .map_err(RecordError::Gzip)?;
    serde_json::from_slice(&unpacked).map(|release| (Value::Object(release), size)).map_err(RecordError::Json)
}

fn build_record(mut release: Value, secret: &Value, size: usize) -> ReleaseRecord {
    let crd_documents = read_chart_crds(&release["chart"]["files"]);
    let hooks = release["hooks"].as_array().into_iter().flatten();
    let hooks: Vec<String> = hooks.filter_map(|hook| hook["manifest"].as_str().map(str::to_owned)).collect();
    let text = |pointer: &str| release.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let labels = secret.pointer("/metadata/labels").and_then(Value::as_object).into_iter().flatten();
    ReleaseRecord {
        name: text("/name"),
        revision: release["version"].as_u64().unwrap_or_default(),
        status: text("/info/status").into(),
        description: text("/info/description"),
        last_deployed: text("/info/last_deployed"),
        chart_name: text("/chart/metadata/name"),
        chart_version: text("/chart/metadata/version"),
        apply_method: text("/apply_method"),
        config: Hidden::new(take_map(release.pointer_mut("/config"))),
        chart_values: Hidden::new(take_map(release.pointer_mut("/chart/values"))),
        manifest: Hidden::new(release["manifest"].as_str().unwrap_or_default().to_owned()),
        encoded_bytes: size,
        crd_names: crd_documents.iter().map(|crd| crd.name().to_owned()).collect(),
        crd_documents,
        subcharts: read_subcharts(&release),
        workload_templates: read_workload_templates(&release["chart"]["templates"]),
        hooks: Hidden::new(hooks),
        labels: labels
            .filter(|(key, _)| {
                !["name", "owner", "status", "version", "createdAt", "modifiedAt"].contains(&key.as_str())
            })
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect(),
    }
}

/// The CRDs among a chart's files, by name: entries `{name, data}`, the data in base64.
fn read_chart_crds(files: &Value) -> Vec<Crd> {
    let is_crd_file = |file: &&Value| file["name"].as_str().is_some_and(is_folder_crd_path);
    let text = |file: &Value| String::from_utf8(STANDARD.decode(file["data"].as_str()?).ok()?).ok();
    let texts = files.as_array().into_iter().flatten().filter(is_crd_file).filter_map(text);
    let documents = texts.flat_map(|text| parse_manifest(&text, ErrorDetail::LocationOnly).unwrap_or_default());
    let mut found: Vec<Crd> = documents.filter_map(|document| Crd::new(document).ok()).collect();
    found.sort_by(|a, b| a.name().cmp(b.name()));
    found
}

/// The subcharts that the chart declares, and those of which the manifest holds a template: `# Source: CHART/charts/NAME/…`.
fn read_subcharts(release: &Value) -> Vec<String> {
    let declared = release.pointer("/chart/metadata/dependencies").and_then(Value::as_array).into_iter().flatten();
    let declared = declared.filter(|dependency| dependency["enabled"] != false);
    let declared = declared.filter_map(|dependency| dependency["name"].as_str());
    let sources = release["manifest"].as_str().unwrap_or_default().lines();
    let rendered = sources.filter_map(|line| line.strip_prefix("# Source: ")?.split_once("/charts/"));
    let rendered = rendered.filter_map(|(_, path)| path.split('/').next());
    let names: std::collections::BTreeSet<&str> = declared.chain(rendered).collect();
    names.into_iter().map(str::to_owned).collect()
}

/// The paths of the templates with a workload. A template is no YAML, so this looks for its line `kind:`.
fn read_workload_templates(templates: &Value) -> Vec<String> {
    let kinds = ["kind: Deployment", "kind: StatefulSet", "kind: DaemonSet"];
    let has_workload = |file: &&Value| {
        let bytes = file["data"].as_str().and_then(|data| STANDARD.decode(data).ok()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).lines().any(|line| kinds.contains(&line.trim_end()))
    };
    let all = templates.as_array().into_iter().flatten().filter(has_workload);
    all.filter_map(|file| file["name"].as_str().map(str::to_owned)).collect()
}

/// Takes a map out of a record. helm writes `null` where there are no values.
fn take_map(value: Option<&mut Value>) -> Value {
    let taken = value.map(Value::take).filter(Value::is_object);
    taken.unwrap_or_else(|| Value::Object(serde_json::Map::new()))
}

impl ReleaseRecord {
    /// The objects of the rendered manifest. They hold secrets: use them, do not show them.
    ///
    /// # Errors
    /// The manifest is not YAML.
    pub fn manifest_objects(&self) -> Result<Vec<Value>, YamlError> {
        parse_manifest(self.manifest.reveal(), ErrorDetail::LocationOnly)
    }

    /// The objects of the chart's hooks. A hook that is not valid YAML is left out: no one waits for it.
    pub fn hook_objects(&self) -> impl Iterator<Item = Value> {
        self.hooks.reveal().iter().flat_map(|text| parse_manifest(text, ErrorDetail::LocationOnly).unwrap_or_default())
    }
}

#[cfg(test)]
impl ReleaseRecord {
    /// A deployed revision for tests to bend.
    pub(crate) fn sample(name: &str, chart_version: &str) -> Self {
        let nothing = || Hidden::new(Value::Object(serde_json::Map::new()));
        Self {
            name: name.to_owned(),
            revision: 3,
            status: ReleaseStatus::Deployed,
            description: String::new(),
            last_deployed: String::new(),
            chart_name: name.to_owned(),
            chart_version: chart_version.to_owned(),
            apply_method: String::new(),
            config: nothing(),
            chart_values: nothing(),
            manifest: Hidden::new(String::new()),
            encoded_bytes: 0,
            crd_names: Vec::new(),
            crd_documents: Vec::new(),
            subcharts: Vec::new(),
            workload_templates: Vec::new(),
            hooks: Hidden::new(Vec::new()),
            labels: std::collections::BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(release: &Value) -> Value {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(release.to_string().as_bytes()).unwrap();
        let data = STANDARD.encode(STANDARD.encode(packer.finish().unwrap()));
        json!({"metadata": {"labels": {"name": "mural", "owner": "helm", "mural.dev/run": "7"}}, "data": {"release": data}})
    }

    #[test]
    fn a_record_is_read_and_hides_its_secrets() {
        let release = json!({"name": "mural", "version": 3, "info": {"status": "deployed"}, "config": {"password": "canary"},
            "chart": {"metadata": {"name": "mural", "version": "1.1.0-rc.0"}, "values": null}, "manifest": "a: canary"});
        let record = read_record(&secret(&release)).unwrap();
        assert_eq!(
            (record.revision, record.chart_version.as_str(), record.status.is_in_progress()),
            (3, "1.1.0-rc.0", false)
        );
        assert_eq!(record.labels.len(), 1);
        assert!(!format!("{record:?}").contains("canary"));
    }

    #[test]
    fn the_crds_of_the_chart_are_read_from_its_files() {
        let crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: hubs.x}\n";
        let file = |name: &str| json!({"name": name, "data": STANDARD.encode(crd)});
        let release = json!({"name": "mural-crds", "manifest": "---\nkind: A\n---\nkind: B\n",
            "chart": {"files": [file("crds/hubs.yaml"), file("README.md")]}});
        let record = read_record(&secret(&release)).unwrap();
        assert_eq!(record.crd_names, ["hubs.x"]);
        assert_eq!(record.manifest_objects().unwrap().len(), 2);
    }

    /// <https://github.com/helm/helm/blob/v3.19.0/pkg/chart/chart.go>: the dependencies of a chart are not serialized.
    #[test]
    fn the_subcharts_of_a_record_are_known_by_name_alone() {
        let metadata = json!({"name": "mural-crds", "dependencies": [{"name": "nested", "enabled": true}]});
        let manifest = "---\n# Source: mural-crds/templates/a.yaml\nkind: A\n---\n# Source: mural-crds/charts/other/templates/b.yaml\nkind: B\n";
        let release = json!({"name": "mural-crds", "manifest": manifest, "chart": {"metadata": metadata, "files": []}});
        assert_eq!(read_record(&secret(&release)).unwrap().subcharts, ["nested", "other"]);
    }

    #[test]
    fn templates_with_workloads_are_known_by_their_kind() {
        let file = |name: &str, text: &str| json!({"name": name, "data": STANDARD.encode(text)});
        let templates = [
            file("templates/web.yaml", "{{- if .Values.web }}\napiVersion: apps/v1\nkind: Deployment\n{{- end }}\n"),
            file("templates/role.yaml", "kind: Role\nrules: [{resources: [deployments]}]\n"),
        ];
        let release = json!({"name": "mural", "manifest": "", "chart": {"templates": templates}});
        assert_eq!(read_record(&secret(&release)).unwrap().workload_templates, ["templates/web.yaml"]);
    }

    #[test]
    fn the_next_record_is_as_large_as_helm_makes_it() {
        let noise =
            |seed: u64| (0..300_000_u64).map(move |n| (n * n * 31 + n * seed).to_le_bytes()[2]).collect::<Vec<u8>>();
        let files = ChartFiles::from([("crds/a.yaml".to_owned(), noise(7)), ("crds/b.yaml".to_owned(), noise(11))]);
        let content = |files: &ChartFiles| RecordContent {
            files: std::sync::Arc::new(files.clone()),
            manifest: Hidden::new(String::new()),
            config: Hidden::new(json!({})),
        };
        let size = estimate_record_bytes(&content(&files)).unwrap();
        let plain: Vec<Value> =
            files.iter().map(|(name, data)| json!({"name": name, "data": STANDARD.encode(data)})).collect();
        let record = read_record(&secret(&json!({"chart": {"files": plain}}))).unwrap();
        assert!(
            size.abs_diff(record.encoded_bytes) * 10 < record.encoded_bytes,
            "{size} is not near {}",
            record.encoded_bytes
        );
        assert_eq!(estimate_record_bytes(&content(&ChartFiles::new())), None);
        // https://github.com/helm/helm/issues/11493
        let subchart = ChartFiles::from([("charts/sub/files/blob".to_owned(), noise(7))]);
        assert_eq!(estimate_record_bytes(&content(&subchart)), None);
    }

    #[test]
    fn a_damaged_record_says_which_layer() {
        assert!(matches!(read_record(&json!({"data": {}})), Err(RecordError::Missing)));
        assert!(matches!(read_record(&json!({"data": {"release": "AAA"}})), Err(RecordError::Base64)));
        let not_gzip = json!({"data": {"release": STANDARD.encode(STANDARD.encode("text"))}});
        assert!(matches!(read_record(&not_gzip), Err(RecordError::Gzip(_))));
        assert!(matches!(read_record(&secret(&json!(["no release"]))), Err(RecordError::Json(_))));
    }

    #[test]
    fn a_record_of_another_shape_is_read_as_far_as_it_goes() {
        let odd = json!({"name": "mural", "chart": ["values"], "config": "text", "info": 1, "manifest": {}});
        let record = read_record(&secret(&odd)).unwrap();
        assert_eq!((record.name.as_str(), record.config.reveal()), ("mural", &json!({})));
    }
}
