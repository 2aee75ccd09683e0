//! Archives that are not charts, generated here because an archive in the repository would not be readable.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{EntryType, Header};

use super::overlay::Charts;
use crate::test_cluster::TestCluster;

/// An entry that no chart has: its type, its name, and where it leads.
type Entry = (EntryType, &'static str, &'static str);

/// The charts of a case as they are typed; for cases about files, the application is such a file.
pub fn stand_in(test_cluster: &TestCluster, case: &str, charts: &Charts) -> Result<(String, String)> {
    let folder = test_cluster.files().join("cases").join(case);
    let outside: Option<Entry> = match case {
        "archive-with-dot-dot" => Some((EntryType::Regular, "mural/../../escaped.yaml", "")),
        "archive-with-absolute-path" => Some((EntryType::Regular, "/escaped.yaml", "")),
        "archive-with-symlink" => Some((EntryType::Symlink, "mural/templates/link.yaml", "../../../../etc/hostname")),
        "archive-with-hardlink" => Some((EntryType::Link, "mural/templates/link.yaml", "/etc/hostname")),
        _ => None,
    };
    let app = match (case, outside) {
        ("not-a-chart", _) => written(&folder, b"this is a letter, not a chart")?,
        ("truncated-tgz", _) => {
            let whole = packed(Path::new(&charts.app), None)?;
            written(&folder, &whole[..whole.len() / 2])?
        }
        (_, Some(_)) => written(&folder, &packed(Path::new(&charts.app), outside)?)?,
        _ => return Ok((charts.crds.clone(), charts.app.clone())),
    };
    Ok((charts.crds.clone(), app.display().to_string()))
}

fn written(folder: &Path, bytes: &[u8]) -> Result<PathBuf> {
    let file = folder.join("mural.tgz");
    std::fs::write(&file, bytes)?;
    Ok(file)
}

/// The chart's folder packed, with one more entry.
fn packed(chart: &Path, more: Option<Entry>) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    archive.append_dir_all("mural", chart)?;
    if let Some((kind, name, leads)) = more {
        let mut header = Header::new_gnu();
        // Names that the archive's own writer would refuse.
        let field = &mut header.as_old_mut().name;
        field.get_mut(..name.len()).context("a short name")?.copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        if !leads.is_empty() {
            header.set_link_name_literal(leads)?;
        }
        let text: &[u8] = if leads.is_empty() { b"a: 1\n" } else { b"" };
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append(&header, text)?;
    }
    let mut packer = archive.into_inner()?;
    packer.flush()?;
    Ok(packer.finish()?)
}
