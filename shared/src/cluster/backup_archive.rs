//! A backup's folder as one compressed archive, and back.
//!
//! Equal folders give equal bytes: names are sorted, times and owners are left out. `backup_secrets.rs` stores the archive in the
//! cluster. Custom resources may hold secrets, so no error quotes a file.

use std::fs::{self, DirBuilder};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Component, Path};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use super::backup_folder::{BackupFileError, list_file_digests};
use crate::tools::private_files::write_private_file;

/// Owner only, as in the folder itself.
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;
/// The most bytes that an archive may unpack to.
const MAX_UNPACKED_BYTES: u64 = 512 * 1024 * 1024;

/// Packs every file of the folder, `gzip` over `tar`.
///
/// # Errors
/// A file cannot be read, or is neither a file nor a folder.
pub(super) fn pack(folder: &Path) -> Result<Vec<u8>, BackupFileError> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
    for (name, _, size) in list_file_digests(folder)? {
        let path = folder.join(&name);
        let unreadable = |source| BackupFileError::Io { path: path.display().to_string(), source };
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(FILE_MODE);
        let content = fs::File::open(&path).map_err(unreadable)?;
        archive.append_data(&mut header, &name, content).map_err(unreadable)?;
    }
    let unwritable = |source| BackupFileError::Io { path: folder.display().to_string(), source };
    archive.into_inner().and_then(GzEncoder::finish).map_err(unwritable)
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
    use crate::tools::private_files::create_private_dir;

    #[test]
    fn a_folder_comes_back_byte_for_byte_and_packs_the_same_twice() {
        let from = create_private_dir().unwrap();
        fs::create_dir_all(from.path().join("objects/a")).unwrap();
        fs::write(from.path().join("objects/a/x.yaml"), "kind: Hub\n").unwrap();
        fs::write(from.path().join("backup.json"), "{}").unwrap();
        let packed = pack(from.path()).unwrap();
        assert_eq!(packed, pack(from.path()).unwrap());
        let to = create_private_dir().unwrap();
        unpack(&packed, to.path()).unwrap();
        assert_eq!(list_file_digests(from.path()).unwrap(), list_file_digests(to.path()).unwrap());
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
