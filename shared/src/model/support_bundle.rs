//! The files of a bundle for support, as values: their names, what is masked in them, and how they are packed.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use super::secret::{MASK, mask_value};

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleFile {
    /// Its path inside the bundle.
    pub path: String,
    /// What it holds.
    pub text: String,
}

impl BundleFile {
    /// A file.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into() }
    }
}

/// A name from a cluster as the name of a file: nothing in it leads out of its folder.
#[must_use]
pub fn sanitize_file_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let safe: String = name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    if safe.trim_matches('.').is_empty() { format!("_{safe}") } else { safe }
}

/// An object without secrets: values below secret keys, the data of Secrets, and literal values of secret variables.
#[must_use]
pub fn mask_object(object: &Value) -> Value {
    let mut object = mask_value(object);
    if object["kind"] == "Secret" {
        for key in ["data", "stringData"] {
            object[key].as_object_mut().into_iter().flatten().for_each(|(_, value)| *value = MASK.into());
        }
    }
    mask_variables(&mut object);
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
        // It holds the whole object once more, as it was before it was masked.
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
    }
    object
}

/// `env: [{name: DB_PASSWORD, value: …}]`, and headers such as `{name: Authorization, value: …}`.
fn mask_variables(value: &mut Value) {
    match value {
        Value::Object(map) => {
            let secret = map.get("name").and_then(Value::as_str).is_some_and(super::secret::is_secret_key);
            if let Some(inner) = map.get_mut("value").filter(|inner| secret && inner.is_string()) {
                *inner = MASK.into();
            }
            map.values_mut().for_each(mask_variables);
        }
        Value::Array(items) => items.iter_mut().for_each(mask_variables),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The files as a `.tar.gz`, all below one folder.
///
/// # Errors
/// A path is too long for an archive.
pub fn pack_files(folder: &str, entries: &[BundleFile], seconds: u64) -> io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(entry.text.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(seconds);
        tar.append_data(&mut header, format!("{folder}/{}", entry.path), entry.text.as_bytes())?;
    }
    let mut bytes = tar.into_inner()?.finish()?;
    bytes.flush()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_masked_anywhere() {
        let pod = json!({"kind": "Pod", "metadata": {"name": "a", "managedFields": [], "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "canary"}},
            "spec": {"containers": [{"env": [{"name": "DB_PASSWORD", "value": "canary"}, {"name": "MODE", "value": "fast"}],
                "livenessProbe": {"httpGet": {"httpHeaders": [{"name": "Authorization", "value": "Basic canary"}]}}}]}});
        let text = mask_object(&pod).to_string();
        assert!(!text.contains("canary") && text.contains("fast"), "{text}");
        let secret = json!({"kind": "Secret", "metadata": {"name": "a"}, "data": {"config.yaml": "canary"}});
        assert_eq!(mask_object(&secret)["data"], json!({"config.yaml": MASK}));
    }

    #[test]
    fn no_name_leads_out_of_the_bundle() {
        assert_eq!(sanitize_file_name("../../etc/passwd"), ".._.._etc_passwd");
        assert_eq!((sanitize_file_name(".."), sanitize_file_name("system:node")), ("_..".into(), "system_node".into()));
    }

    #[test]
    fn packed_files_are_read_back() {
        let entries = [BundleFile::new("a/b.yaml", "x: 1\n"), BundleFile::new("c.txt", "")];
        let bytes = pack_files("mural", &entries, 7).unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bytes.as_slice()));
        let paths: Vec<String> =
            archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
        assert_eq!(paths, ["mural/a/b.yaml", "mural/c.txt"]);
    }
}
