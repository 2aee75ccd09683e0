//! Files that a command reads and writes. A file is written completely or not at all (temporary file and rename).

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::problem::Problem;

fn parent_folder(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// Checks that a file is writable, before any request to a cluster. `description` is for the error.
///
/// # Errors
/// A usage error if the folder does not exist or is not writable, or if the path is a folder.
pub fn check_writable(file: &Path, description: &str) -> Result<(), Problem> {
    let wrong = || Problem::usage(format!("cannot write {description} {}", file.display()));
    if file.is_dir() {
        return Err(wrong().with_source("it is a folder"));
    }
    // Dropping the file deletes it.
    tempfile::NamedTempFile::new_in(parent_folder(file))
        .map(drop)
        .map_err(|error| wrong().with_source(error).with_hint("check that the folder exists and is writable"))
}

/// Writes a file with mode 0600. `description` is for the error.
///
/// # Errors
/// The file is not writable.
pub fn write(file: &Path, description: &str, bytes: &[u8]) -> Result<(), Problem> {
    let failed = |error: std::io::Error| {
        Problem::failure(format!("cannot write {description} {}", file.display())).with_source(error)
    };
    let mut temporary = tempfile::NamedTempFile::new_in(parent_folder(file)).map_err(failed)?;
    temporary.write_all(bytes).map_err(failed)?;
    temporary.persist(file).map(drop).map_err(|error| failed(error.error))
}

/// The current working directory.
///
/// # Errors
/// The directory does not exist any more.
pub fn current_dir() -> Result<PathBuf, Problem> {
    std::env::current_dir()
        .map_err(|error| Problem::failure("cannot read the current working directory").with_source(error))
}

/// Reads a text file from the command line. `description` is for the error.
///
/// # Errors
/// A usage error if the file does not exist, is not readable or is not UTF-8.
pub fn read(file: &Path, description: &str) -> Result<String, Problem> {
    std::fs::read_to_string(file).map_err(|error| {
        Problem::usage(format!("cannot read {description} {}", file.display()))
            .with_source(error)
            .with_hint("check the path; the file must be UTF-8 text")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Exit;

    #[test]
    fn an_unwritable_file_is_refused_early_and_a_check_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("no/report.json");
        assert_eq!(check_writable(&missing, "the report").unwrap_err().exit, Exit::Usage);
        assert_eq!(check_writable(folder.path(), "the report").unwrap_err().exit, Exit::Usage);
        let file = folder.path().join("report.json");
        check_writable(&file, "the report").unwrap();
        assert!(!file.exists());
        write(&file, "the report", b"{}").unwrap();
        assert_eq!(read(&file, "the report").unwrap(), "{}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
