//! Packs a chart so that the same files give the same bytes.

use std::io::Write as _;
use std::path::Path;

use anyhow::Result;
use mural::model::chart::ChartFiles;

/// Writes `NAME-VERSION.tgz` atomically.
pub(super) fn write(folder: &Path, name: &str, version: &str, files: &ChartFiles) -> Result<()> {
    let packer = flate2::GzBuilder::new().mtime(0).write(Vec::new(), flate2::Compression::default());
    let mut archive = tar::Builder::new(packer);
    // helm reads Chart.yaml first wherever it stands; a person who lists the archive expects it first.
    let first = files.iter().filter(|(path, _)| *path == "Chart.yaml");
    for (path, bytes) in first.chain(files.iter().filter(|(path, _)| *path != "Chart.yaml")) {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        archive.append_data(&mut header, format!("{name}/{path}"), bytes.as_slice())?;
    }
    let packed = archive.into_inner()?.finish()?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&packed)?;
    file.persist(folder.join(format!("{name}-{version}.tgz")))?;
    Ok(())
}
