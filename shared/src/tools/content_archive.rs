//! Reads a content bundle of an appliance from end to end.
//!
//! A bundle has tens of gigabytes, so it is streamed entry by entry; only its end shows whether it is complete. The result lists the
//! charts inside and the checksum files beside it. `prepare/appliance_registry.rs` compares it with the registry.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use ruzstd::decoding::StreamingDecoder;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::model::chart::to_hex;
use crate::model::content_bundle::{Checksum, ContentBundle, parse_chart_name};

/// Limit for an image index.
const MAX_INDEX_BYTES: u64 = 8 * 1024 * 1024;
/// Magic bytes of the compressed forms.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Why a bundle cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ContentBundleError {
    /// The file does not exist or is not readable.
    #[error("cannot read {0}")]
    File(PathBuf, #[source] std::io::Error),
    /// The file is not an archive, or it is truncated.
    #[error("{0} is not a complete archive: damaged or truncated")]
    Archive(PathBuf, #[source] std::io::Error),
}

/// Reads a bundle and the files beside it: `FILE.sha256`, `FILE.sig.bin`, `sig.bin`.
///
/// # Errors
/// The bundle cannot be read to its end.
pub fn read_bundle(file: &Path, charts: [&str; 2]) -> Result<ContentBundle, ContentBundleError> {
    let unreadable = |error| ContentBundleError::File(file.to_path_buf(), error);
    let mut start = [0_u8; 4];
    let mut opened = File::open(file).map_err(unreadable)?;
    let got = opened.read(&mut start).map_err(unreadable)?;
    let bytes = BufReader::with_capacity(1 << 20, File::open(file).map_err(unreadable)?);
    let broken = |error| ContentBundleError::Archive(file.to_path_buf(), error);
    let mut bundle = match &start[..got] {
        start if start.starts_with(&ZSTD_MAGIC) => {
            let decoder =
                StreamingDecoder::new(bytes).map_err(|error| broken(std::io::Error::other(error.to_string())))?;
            read_entries(decoder, charts).map_err(broken)?
        }
        start if start.starts_with(&GZIP_MAGIC) => read_entries(GzDecoder::new(bytes), charts).map_err(broken)?,
        _ => read_entries(bytes, charts).map_err(broken)?,
    };
    bundle.checksum = read_checksum(file);
    bundle.signature = find_companion_file(file, &["sig.bin", "sig"]).map(|found| file_name(&found));
    Ok(bundle)
}

fn read_entries(mut archive: impl Read, charts: [&str; 2]) -> std::io::Result<ContentBundle> {
    let mut bundle = ContentBundle::default();
    let mut found = BTreeSet::new();
    let mut tar = tar::Archive::new(&mut archive);
    for entry in tar.entries()? {
        let mut entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        found.extend(parse_chart_name(&path, charts));
        let size = entry.size();
        (bundle.file_count, bundle.total_bytes) = (bundle.file_count + 1, bundle.total_bytes + size);
        if size <= MAX_INDEX_BYTES && (path.ends_with("index.json") || path.ends_with("manifest.json")) {
            let mut text = Vec::new();
            entry.read_to_end(&mut text)?;
            if let Ok(index) = serde_json::from_slice(&text) {
                visit_references(&index, &mut |reference| found.extend(parse_chart_name(reference, charts)));
            }
        } else {
            // Read to the end: a truncated entry fails here.
            std::io::copy(&mut entry, &mut std::io::sink())?;
        }
    }
    // A tar archive ends with two empty blocks, and its compression with a checksum.
    std::io::copy(&mut archive, &mut std::io::sink())?;
    if bundle.file_count == 0 {
        return Err(std::io::Error::other("it contains no file"));
    }
    bundle.charts = found.into_iter().collect();
    Ok(bundle)
}

/// Visits every string of an index: references are in annotations and in `RepoTags`.
fn visit_references(value: &Value, each: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => each(text),
        Value::Array(items) => items.iter().for_each(|item| visit_references(item, each)),
        Value::Object(fields) => fields.values().for_each(|item| visit_references(item, each)),
        _ => {}
    }
}

fn read_checksum(file: &Path) -> Option<Checksum> {
    let checksum_file = find_companion_file(file, &["sha256", "sha256sum"])?;
    let text = std::fs::read_to_string(&checksum_file).ok()?;
    let expected = text.split_whitespace().next()?.trim_start_matches("sha256:").to_lowercase();
    let mut hasher = Sha256::new();
    let mut bytes = BufReader::with_capacity(1 << 20, File::open(file).ok()?);
    let mut buffer = vec![0_u8; 1 << 20];
    loop {
        match bytes.read(&mut buffer).ok()? {
            0 => break,
            got => hasher.update(buffer.get(..got)?),
        }
    }
    Some(Checksum { file: file_name(&checksum_file), expected, actual: to_hex(&hasher.finalize()) })
}

/// `bundle.tar.zst.sig.bin`, or `sig.bin` in the same folder.
fn find_companion_file(file: &Path, ends: &[&str]) -> Option<PathBuf> {
    let prefixed = ends.iter().map(|end| PathBuf::from(format!("{}.{end}", file.display())));
    let alone = ends.iter().map(|end| file.with_file_name(end));
    prefixed.chain(alone).find(|path| path.is_file())
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn bundle(folder: &Path, name: &str) -> PathBuf {
        let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
        let index =
            br#"{"manifests": [{"annotations": {"org.opencontainers.image.ref.name": "mural/mural:1.1.0-rc.3"}}]}"#;
        for (path, bytes) in
            [("charts/mural-crds-0.7.4.tgz", &b"x"[..]), ("oci/index.json", index), ("blob", &[7; 9000])]
        {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o600);
            archive.append_data(&mut header, path, bytes).unwrap();
        }
        let file = folder.join(name);
        std::fs::write(&file, archive.into_inner().unwrap().finish().unwrap()).unwrap();
        file
    }

    #[test]
    fn charts_are_found_in_names_and_indexes_and_checksums_are_compared() {
        let folder = tempfile::tempdir().unwrap();
        let file = bundle(folder.path(), "content.tar.gz");
        writeln!(File::create(folder.path().join("content.tar.gz.sha256")).unwrap(), "00ff  content.tar.gz").unwrap();
        let read = read_bundle(&file, ["mural", "mural-crds"]).unwrap();
        assert_eq!(read.chart_versions("mural-crds"), ["0.7.4"]);
        assert_eq!(read.chart_versions("mural"), ["1.1.0-rc.3"]);
        assert_eq!(read.file_count, 3);
        let checksum = read.checksum.unwrap();
        assert_ne!(checksum.expected, checksum.actual);
    }

    #[test]
    fn a_truncated_bundle_is_no_bundle() {
        let folder = tempfile::tempdir().unwrap();
        let file = bundle(folder.path(), "content.tar.gz");
        let bytes = std::fs::read(&file).unwrap();
        std::fs::write(&file, &bytes[..bytes.len() - 20]).unwrap();
        assert!(matches!(read_bundle(&file, ["mural", "mural-crds"]), Err(ContentBundleError::Archive(..))));
        std::fs::write(&file, b"not an archive at all, and long enough to be looked at").unwrap();
        assert!(matches!(read_bundle(&file, ["mural", "mural-crds"]), Err(ContentBundleError::Archive(..))));
        assert!(matches!(
            read_bundle(&folder.path().join("none"), ["mural", "mural-crds"]),
            Err(ContentBundleError::File(..))
        ));
    }
}
