//! Reproducible `.tar.gz` archives: sorted entries, one time, no owner, no name in the gzip header.
//!
//! An archive holds regular files and their folders. krew and helm refuse links; helm 3 creates no folder without an entry.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};

use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};

/// How a file of an archive is used; it decides the file's mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// Mode 0755.
    Program,
    /// Mode 0644.
    Data,
}

impl FileKind {
    const fn mode(self) -> u32 {
        match self {
            Self::Program => 0o755,
            Self::Data => 0o644,
        }
    }
}

/// How much time the compression takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Small, for a release.
    Small,
    /// Not compressed, for a trial.
    Quick,
    /// Compressed a little, for a trial with a limit of size.
    Fast,
}

impl Packing {
    pub(crate) fn compression(self) -> Compression {
        match self {
            Self::Small => Compression::best(),
            Self::Quick => Compression::none(),
            Self::Fast => Compression::fast(),
        }
    }
}

/// The files of an archive by path.
#[derive(Debug, Clone, Default)]
pub struct ArchiveFiles(BTreeMap<String, (FileKind, Vec<u8>)>);

impl ArchiveFiles {
    /// Adds a file.
    ///
    /// # Errors
    /// The path is in the archive already, or leads out of it.
    pub fn add(&mut self, path: &str, kind: FileKind, content: impl Into<Vec<u8>>) -> Result<()> {
        let is_inside =
            !path.starts_with('/') && !path.split('/').any(|part| part.is_empty() || part.starts_with(".."));
        ensure!(is_inside, "{path} leads out of the archive");
        let earlier = self.0.insert(path.to_owned(), (kind, content.into()));
        ensure!(earlier.is_none(), "{path} is in the archive twice");
        Ok(())
    }

    /// The paths, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The content of a file.
    #[must_use]
    pub fn content(&self, path: &str) -> Option<&[u8]> {
        self.0.get(path).map(|(_, content)| content.as_slice())
    }

    /// Packs the files. The result depends only on the paths, kinds, contents and the time.
    ///
    /// # Errors
    /// A path is too long for a tar header, or compression fails.
    pub fn pack(&self, epoch_seconds: u64, compression: Compression) -> Result<Vec<u8>> {
        // No name, no time and "unknown" as the system: the header is the same on every machine.
        let gzip = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), compression);
        let mut tar = tar::Builder::new(gzip);
        for folder in self.folders() {
            append_entry(&mut tar, &format!("{folder}/"), tar::EntryType::Directory, 0o755, epoch_seconds, &[])?;
        }
        for (path, (kind, content)) in &self.0 {
            append_entry(&mut tar, path, tar::EntryType::Regular, kind.mode(), epoch_seconds, content)?;
        }
        let mut gzip = tar.into_inner()?;
        gzip.flush()?;
        Ok(gzip.finish()?)
    }

    /// The folders of the files, parents first.
    fn folders(&self) -> BTreeSet<&str> {
        let parents = |path: &'_ str| path.match_indices('/').map(|(at, _)| at).collect::<Vec<_>>();
        self.0.keys().flat_map(|path| parents(path).into_iter().map(|at| &path[..at])).collect()
    }

    /// Unpacks an archive that [`ArchiveFiles::pack`] wrote.
    ///
    /// # Errors
    /// The bytes are no such archive.
    pub fn unpack(bytes: &[u8]) -> Result<Self> {
        let mut files = Self::default();
        for entry in tar::Archive::new(GzDecoder::new(bytes)).entries()? {
            let mut entry = entry?;
            if entry.header().entry_type().is_dir() {
                continue;
            }
            let path = entry.path()?.to_string_lossy().into_owned();
            let kind = if entry.header().mode()? & 0o111 == 0 { FileKind::Data } else { FileKind::Program };
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            files.add(&path, kind, content)?;
        }
        Ok(files)
    }
}

fn append_entry(
    tar: &mut tar::Builder<impl Write>,
    path: &str,
    entry_type: tar::EntryType,
    mode: u32,
    epoch_seconds: u64,
    content: &[u8],
) -> Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_path(path).with_context(|| format!("{path} does not fit into a tar header"))?;
    header.set_mode(mode);
    header.set_mtime(epoch_seconds);
    header.set_size(u64::try_from(content.len())?);
    header.set_entry_type(entry_type);
    header.set_cksum();
    Ok(tar.append(&header, content)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(order: [&str; 2]) -> ArchiveFiles {
        let mut files = ArchiveFiles::default();
        for path in order {
            files.add(path, FileKind::Program, path.as_bytes()).unwrap();
        }
        files
    }

    #[test]
    fn the_same_files_give_the_same_bytes() {
        let bytes = files(["bin/b", "a"]).pack(7, Compression::best()).unwrap();
        assert_eq!(bytes, files(["a", "bin/b"]).pack(7, Compression::best()).unwrap());
        assert_ne!(bytes, files(["a", "bin/b"]).pack(8, Compression::best()).unwrap());
        let unpacked = ArchiveFiles::unpack(&bytes).unwrap();
        assert_eq!(unpacked.paths().collect::<Vec<_>>(), ["a", "bin/b"]);
        assert_eq!(unpacked.pack(7, Compression::best()).unwrap(), bytes);
    }

    #[test]
    fn a_path_stays_inside_and_is_unique() {
        let mut files = ArchiveFiles::default();
        for path in ["/etc/passwd", "../x", "a/../b", "a//b", ""] {
            assert!(files.add(path, FileKind::Data, "").is_err(), "{path}");
        }
        files.add("a", FileKind::Data, "").unwrap();
        assert!(files.add("a", FileKind::Data, "").is_err());
    }
}
