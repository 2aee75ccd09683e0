//! The copy of the journal on this workstation: one file for each run, readable by its owner only.
//!
//! Owns the file and how many are kept. It is a copy for people: the journal in the cluster decides.
//! Input: an entry. Output: a file.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::plan::journal::RunEntry;

/// How many files are kept for each cluster.
const MAX_LOCAL_FILES: usize = 10;

/// Replaces a run's file atomically, and deletes the oldest files beyond [`MAX_LOCAL_FILES`].
pub(super) fn write_local_file(file: &Path, entry: &RunEntry) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or_else(|| Path::new("."));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let temporary = tempfile::NamedTempFile::new_in(folder)?;
    write_entry(temporary.as_file(), entry)?;
    temporary.persist(file).map_err(|error| error.error)?;
    let all = std::fs::read_dir(folder)?.flatten().map(|one| one.path());
    let mut all: Vec<PathBuf> = all.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    all.sort();
    let old = all.len().saturating_sub(MAX_LOCAL_FILES);
    // A file that cannot be removed does no harm.
    all.iter().take(old).filter(|old| *old != file).for_each(|old| drop(std::fs::remove_file(old)));
    Ok(())
}

fn write_entry(mut file: &File, entry: &RunEntry) -> std::io::Result<()> {
    file.write_all(&serde_json::to_vec_pretty(entry)?)?;
    file.flush()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::plan::journal::tests::entry;
    use crate::prepare::state_dir::cluster_state_dir;

    /// `/dev/full` answers every write as a full disk does.
    #[test]
    fn a_full_disk_is_an_error() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let error = write_entry(&full, &entry()).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    }

    #[test]
    fn only_its_owner_reads_the_copy_and_ten_files_are_kept() {
        let state = tempfile::tempdir().unwrap();
        let folder = cluster_state_dir(state.path(), "prod/hub");
        for at in 10..25 {
            write_local_file(&folder.join(format!("20261123-{at}.json")), &entry()).unwrap();
        }
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(folder.parent(), Some(state.path()), "a context must not be used as a path");
        assert_eq!((mode(&folder), mode(&folder.join("20261123-24.json"))), (0o700, 0o600));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), MAX_LOCAL_FILES);
        let text = std::fs::read_to_string(folder.join("20261123-24.json")).unwrap();
        assert_eq!(serde_json::from_str::<RunEntry>(&text).unwrap(), entry());
    }
}
