//! Temporary folders and files that only the operator may read: values, registry logins, rendered Secrets.
//!
//! The one owner of such folders. `tempfile` gives a folder the mode that the umask leaves, usually 0755; `std::fs::write`
//! gives a file 0644. Input: a parent folder or none. Output: a folder that is removed when it is dropped.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use tempfile::TempDir;

use crate::problem::Explain;

const DIR_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Why a command has no private folder or file.
#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    /// No folder in the system's temporary folder.
    #[error("cannot create a private temporary folder")]
    TemporaryFolder(#[source] io::Error),
    /// No folder in the private folder of the command.
    #[error("cannot create a private folder")]
    Folder(#[source] io::Error),
    /// The file cannot be written.
    #[error("cannot write a private file")]
    File(#[source] io::Error),
}

impl Explain for PrivateFileError {
    /// None: the system's reason says what is missing.
    fn hints(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A folder with mode 0700 in the system's temporary folder.
///
/// # Errors
/// The folder cannot be created: no space, or no write permission.
pub fn create_private_dir() -> Result<TempDir, PrivateFileError> {
    create_private_dir_in(&std::env::temp_dir(), "mural-").map_err(PrivateFileError::TemporaryFolder)
}

/// A folder with mode 0700 in this parent, with this prefix to its random name.
#[expect(clippy::disallowed_methods, reason = "the owner of temporary folders")]
pub(crate) fn create_private_dir_in(parent: &Path, prefix: &str) -> io::Result<TempDir> {
    tempfile::Builder::new().prefix(prefix).permissions(Permissions::from_mode(DIR_MODE)).tempdir_in(parent)
}

/// Writes a file with mode 0600; replaces what it held.
///
/// # Errors
/// The file cannot be created or written.
pub fn write_private_file(file: &Path, content: impl AsRef<[u8]>) -> io::Result<()> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(FILE_MODE);
    options.open(file)?.write_all(content.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode_of(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn only_the_owner_can_read_folders_and_files() {
        let folder = create_private_dir().unwrap();
        let inner = create_private_dir_in(folder.path(), "chart-").unwrap();
        let file = inner.path().join("values.json");
        write_private_file(&file, "{\"password\": \"canary\"}").unwrap();
        write_private_file(&file, "{}").unwrap();
        assert_eq!((mode_of(folder.path()), mode_of(inner.path()), mode_of(&file)), (0o700, 0o700, 0o600));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "{}");
    }
}
