//! Programs that a test writes itself.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

/// A program at `path` that runs these lines of shell, with its arguments; `$0` is `path`.
///
/// What is started is a file of the checkout: a file that was written a moment ago cannot be started while a child of
/// another thread still holds it open for writing (`ETXTBSY`).
///
/// # Errors
/// The folder cannot be written.
pub fn write_program(path: &Path, lines: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut script = path.as_os_str().to_owned();
    script.push(".script");
    fs::write(script, lines)?;
    match symlink(Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/scripted.sh"), path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}
