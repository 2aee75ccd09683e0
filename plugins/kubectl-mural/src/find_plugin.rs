//! Finds the plugin programs: in the folder of this program's real file, else on `PATH`.

use std::env::consts::EXE_SUFFIX;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The folder of this program's real file. krew links only this program, and the others are in the folder of the link target.
pub(crate) fn own_folder() -> Option<PathBuf> {
    Some(own_file()?.parent()?.to_owned())
}

/// This program's real file.
pub(crate) fn own_file() -> Option<PathBuf> {
    std::env::current_exe().ok()?.canonicalize().ok()
}

/// Finds the first executable file with this name that is not a link to this program.
pub(crate) fn find_program(name: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    let ourselves = own_file();
    let sibling_folder = ourselves.as_deref().and_then(Path::parent).map(Path::to_owned);
    let on_path = path.map(std::env::split_paths).into_iter().flatten();
    // A relative entry of PATH depends on the working directory, so a program there may be an attack.
    let folders = sibling_folder.into_iter().chain(on_path.filter(|folder| folder.is_absolute()));
    folders
        .map(|folder| folder.join(format!("{name}{EXE_SUFFIX}")))
        .find(|file| can_start(file) && file.canonicalize().ok() != ourselves)
}

#[cfg(unix)]
fn can_start(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn can_start(file: &Path) -> bool {
    file.is_file()
}
