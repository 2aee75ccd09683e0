//! A backup's folder as one compressed archive, and back.
//!
//! Equal folders give equal bytes: names are sorted, times and owners are left out. `backup_secrets.rs` stores the archive in the
//! cluster. Custom resources may hold secrets, so no error quotes a file.

use std::fs::{self, DirBuilder};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Component, Path};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use super::backup_folder::{BackupFileError, list_files};
use crate::tools::private_files::write_private_file;

/// Owner only, as in the folder itself.
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;
/// The most bytes that an archive may unpack to.
const MAX_UNPACKED_BYTES: u64 = 512 * 1024 * 1024;

/// Why a folder is not packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A file cannot be read, or is neither a file nor a folder.
    #[error(transparent)]
    File(#[from] BackupFileError),
    /// The archive is larger than the limit.
    #[error("the backup has more than {} KiB compressed, the most that is kept in Secrets", .limit / 1024)]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
}

/// Packs every file of the folder, `gzip` over `tar`. Memory holds one file, and at most `limit` bytes of the archive.
///
/// # Errors
/// A file cannot be read, or the archive is larger than the limit.
pub(super) fn pack(folder: &Path, limit: usize) -> Result<Vec<u8>, PackError> {
    let bounded = BoundedBuffer { bytes: Vec::new(), limit };
    let mut archive = tar::Builder::new(GzEncoder::new(bounded, Compression::best()));
    let failed = |path: &Path, source: io::Error| match source.kind() {
        io::ErrorKind::FileTooLarge => PackError::TooLarge { limit },
        _ => BackupFileError::Io { path: path.display().to_string(), source }.into(),
    };
    for (name, path) in list_files(folder)? {
        let content = fs::read(&path).map_err(|source| failed(&path, source))?;
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(FILE_MODE);
        archive.append_data(&mut header, &name, content.as_slice()).map_err(|source| failed(&path, source))?;
    }
    let buffer = archive.into_inner().and_then(GzEncoder::finish).map_err(|source| failed(folder, source))?;
    Ok(buffer.bytes)
}

/// Memory that refuses more than its limit.
struct BoundedBuffer {
    bytes: Vec<u8>,
    limit: usize,
}

impl Write for BoundedBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Unpacks an archive into a folder, which is created. Only regular files below the folder are accepted.
///
/// # Errors
/// The archive is damaged, larger than allowed, or leads out of the folder; or a file cannot be written.
pub(super) fn unpack(archive: &[u8], folder: &Path) -> Result<(), BackupFileError> {
    let failed = |source: io::Error| BackupFileError::Io { path: folder.display().to_string(), source };
    let mut archive = tar::Archive::new(GzDecoder::new(archive).take(MAX_UNPACKED_BYTES));
    for entry in archive.entries().map_err(failed)? {
        unpack_entry(&mut entry.map_err(failed)?, folder).map_err(failed)?;
    }
    Ok(())
}

fn unpack_entry(entry: &mut tar::Entry<'_, impl Read>, folder: &Path) -> io::Result<()> {
    let name = entry.path()?.into_owned();
    let is_below = name.components().all(|part| matches!(part, Component::Normal(_)));
    if !is_below || !entry.header().entry_type().is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "an entry is not a file below the folder"));
    }
    let path = folder.join(&name);
    if let Some(parent) = path.parent() {
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(parent)?;
    }
    let mut content = Vec::new();
    entry.read_to_end(&mut content)?;
    write_private_file(&path, &content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::backup_folder::list_file_digests;
    use crate::tools::private_files::create_private_dir;

    #[test]
    fn a_folder_comes_back_byte_for_byte_and_packs_the_same_twice() {
        let from = create_private_dir().unwrap();
        fs::create_dir_all(from.path().join("objects/a")).unwrap();
        fs::write(from.path().join("objects/a/x.yaml"), "kind: Hub\n").unwrap();
        fs::write(from.path().join("backup.json"), "{}").unwrap();
        let packed = pack(from.path(), usize::MAX).unwrap();
        assert_eq!(packed, pack(from.path(), usize::MAX).unwrap());
        let to = create_private_dir().unwrap();
        unpack(&packed, to.path()).unwrap();
        assert_eq!(list_file_digests(from.path()).unwrap(), list_file_digests(to.path()).unwrap());
    }

    #[test]
    fn a_folder_that_is_too_large_is_not_packed() {
        let from = create_private_dir().unwrap();
        fs::write(from.path().join("a"), "content").unwrap();
        assert!(matches!(pack(from.path(), 10), Err(PackError::TooLarge { limit: 10 })));
    }

    #[test]
    fn an_archive_that_leads_out_or_holds_a_link_is_refused() {
        let to = create_private_dir().unwrap();
        for (name, kind) in [("../out", tar::EntryType::Regular), ("link", tar::EntryType::Symlink)] {
            let mut header = tar::Header::new_gnu();
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(kind);
            header.set_size(0);
            header.set_cksum();
            let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
            archive.append(&header, io::empty()).unwrap();
            let bytes = archive.into_inner().unwrap().finish().unwrap();
            assert!(unpack(&bytes, to.path()).unwrap_err().to_string().contains("not a file below"), "{name}");
        }
        assert!(unpack(b"not an archive", to.path()).is_err());
    }
}
