//! Files that a command reads and writes. A file is written completely or not at all (temporary file and rename).

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::problem::{Cause, Exit, Explain};

/// Why a file of the operator is not read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The path of an output is a folder.
    #[error("cannot write {description} {}", .file.display())]
    IsFolder {
        /// What the file is.
        description: &'static str,
        /// Its path.
        file: PathBuf,
        /// Says that it is a folder.
        #[source]
        cause: Cause,
    },
    /// An output cannot be written, found out before any request.
    #[error("cannot write {description} {}", .file.display())]
    NotWritable {
        /// What the file is.
        description: &'static str,
        /// Its path.
        file: PathBuf,
        /// The system's reason.
        #[source]
        error: std::io::Error,
    },
    /// An output was not written.
    #[error("cannot write {description} {}", .file.display())]
    Write {
        /// What the file is.
        description: &'static str,
        /// Its path.
        file: PathBuf,
        /// The system's reason.
        #[source]
        error: std::io::Error,
    },
    /// An input cannot be read.
    #[error("cannot read {description} {}", .file.display())]
    Read {
        /// What the file is.
        description: &'static str,
        /// Its path.
        file: PathBuf,
        /// The system's reason.
        #[source]
        error: std::io::Error,
    },
    /// The working directory does not exist any more.
    #[error("cannot read the current working directory")]
    WorkingDirectory(#[source] std::io::Error),
}

impl Explain for FileError {
    fn exit(&self) -> Exit {
        match self {
            Self::IsFolder { .. } | Self::NotWritable { .. } | Self::Read { .. } => Exit::Usage,
            Self::Write { .. } | Self::WorkingDirectory(_) => Exit::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::IsFolder { .. } | Self::Write { .. } | Self::WorkingDirectory(_) => None,
            Self::NotWritable { .. } => Some("check that the folder exists and is writable"),
            Self::Read { .. } => Some("check the path; the file must be UTF-8 text"),
        };
        hint.map(str::to_owned).into_iter().collect()
    }
}

fn parent_folder(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// Checks that a file is writable, before any request to a cluster. `description` is for the error.
///
/// # Errors
/// A usage error if the folder does not exist or is not writable, or if the path is a folder.
pub fn check_writable(file: &Path, description: &'static str) -> Result<(), FileError> {
    if file.is_dir() {
        let cause = Cause::new("it is a folder");
        return Err(FileError::IsFolder { description, file: file.to_owned(), cause });
    }
    // Dropping the file deletes it.
    tempfile::NamedTempFile::new_in(parent_folder(file)).map(drop).map_err(|error| FileError::NotWritable {
        description,
        file: file.to_owned(),
        error,
    })
}

/// Writes a file with mode 0600. `description` is for the error.
///
/// # Errors
/// The file is not writable.
pub fn write(file: &Path, description: &'static str, bytes: &[u8]) -> Result<(), FileError> {
    let failed = |error| FileError::Write { description, file: file.to_owned(), error };
    let mut temporary = tempfile::NamedTempFile::new_in(parent_folder(file)).map_err(failed)?;
    temporary.write_all(bytes).map_err(failed)?;
    temporary.persist(file).map(drop).map_err(|error| failed(error.error))
}

/// The current working directory.
///
/// # Errors
/// The directory does not exist any more.
pub fn current_dir() -> Result<PathBuf, FileError> {
    std::env::current_dir().map_err(FileError::WorkingDirectory)
}

/// Reads a text file from the command line. `description` is for the error.
///
/// # Errors
/// A usage error if the file does not exist, is not readable or is not UTF-8.
pub fn read(file: &Path, description: &'static str) -> Result<String, FileError> {
    std::fs::read_to_string(file).map_err(|error| FileError::Read { description, file: file.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unwritable_file_is_refused_early_and_a_check_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("no/report.json");
        assert_eq!(check_writable(&missing, "the report").unwrap_err().exit(), Exit::Usage);
        assert_eq!(check_writable(folder.path(), "the report").unwrap_err().exit(), Exit::Usage);
        let file = folder.path().join("report.json");
        check_writable(&file, "the report").unwrap();
        assert!(!file.exists());
        write(&file, "the report", b"{}").unwrap();
        assert_eq!(read(&file, "the report").unwrap(), "{}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
