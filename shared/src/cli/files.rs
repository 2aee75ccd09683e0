//! Files that a command leaves: whole or not at all.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::problem::Problem;

fn parent_folder(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// Looks whether a file could be written, before anything is asked of a cluster.
///
/// # Errors
/// A usage problem: its folder is not there or may not be written, or the name is that of a folder.
pub fn check_writable(file: &Path, what: &str) -> Result<(), Problem> {
    let wrong = || Problem::usage(format!("cannot write {what} {}", file.display()));
    if file.is_dir() {
        return Err(wrong().with_source("it is a folder"));
    }
    // Gone again at once.
    tempfile::NamedTempFile::new_in(parent_folder(file))
        .map(drop)
        .map_err(|error| wrong().with_source(error).with_hint("is the folder there, and may you write it?"))
}

/// Keeps bytes in a file, for its owner alone. `what` says what it is.
///
/// # Errors
/// The file cannot be written.
pub fn write(file: &Path, what: &str, bytes: &[u8]) -> Result<(), Problem> {
    let failed =
        |error: std::io::Error| Problem::failure(format!("cannot write {what} {}", file.display())).with_source(error);
    let mut temporary = tempfile::NamedTempFile::new_in(parent_folder(file)).map_err(failed)?;
    temporary.write_all(bytes).map_err(failed)?;
    temporary.persist(file).map(drop).map_err(|error| failed(error.error))
}

/// The folder that relative paths begin at.
///
/// # Errors
/// It is gone.
pub fn current_dir() -> Result<PathBuf, Problem> {
    std::env::current_dir().map_err(|error| Problem::failure("there is no current folder").with_source(error))
}

/// Reads a file of text that the caller named.
///
/// # Errors
/// A usage problem that names the file.
pub fn read(file: &Path, what: &str) -> Result<String, Problem> {
    std::fs::read_to_string(file).map_err(|error| {
        Problem::usage(format!("cannot read {what} {}", file.display()))
            .with_source(error)
            .with_hint("is the path right, and is it text?")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Exit;

    #[test]
    fn what_cannot_be_written_is_told_before_and_leaves_nothing() {
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
