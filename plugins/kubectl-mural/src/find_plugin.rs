//! Where the other programs lie: beside the real file of this one, else on `PATH`.

use std::env::consts::EXE_SUFFIX;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The folder of this program's real file. krew calls through a link; its siblings are where the link points.
pub(crate) fn own_folder() -> Option<PathBuf> {
    Some(own_file()?.parent()?.to_owned())
}

fn own_file() -> Option<PathBuf> {
    std::env::current_exe().ok()?.canonicalize().ok()
}

/// The program of this name: the first that can be started and is not this one under another name.
pub(crate) fn find_program(name: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    let ourselves = own_file();
    let sibling_folder = ourselves.as_deref().and_then(Path::parent).map(Path::to_owned);
    let on_path = path.map(std::env::split_paths).into_iter().flatten();
    // A relative entry depends on where the caller stands: what lies there is nobody's installation.
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
