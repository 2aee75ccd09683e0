//! `kubectl mural completion install|uninstall`: the `kubectl_complete-…` links that kubectl calls for completion.
//!
//! A link points to this program. krew owns everything below its root folder and removes only its own link, so links for an
//! installation by krew are in another folder on `PATH`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::installer::Installer;
use crate::{command_line, find_plugin};

/// Creates the links in `folder`; by default beside the called program, or outside of krew's folder.
///
/// A second call changes nothing. Returns one line per link.
///
/// # Errors
/// No folder fits, it is not writable, or another file has the name of a link. Such a file is never replaced.
pub(crate) fn install(folder: Option<PathBuf>, called: &Path, path: Option<&OsStr>) -> Result<String, String> {
    let program =
        called_file(called).ok_or("Error: cannot find the path of kubectl-mural\n  → call it with its full path")?;
    let installer = Installer::find(find_plugin::own_file().as_deref());
    let folder = folder.map_or_else(|| choose_folder(&installer, &program, path), Ok)?;
    let target = if program.parent() == Some(&folder) { program.file_name().map(PathBuf::from) } else { Some(program) };
    let target = target.ok_or("Error: cannot find the file name of kubectl-mural")?;
    let mut text = String::new();
    for name in command_line::COMPLETION_LINKS {
        let link = folder.join(name);
        let change = match link.symlink_metadata() {
            Ok(_) if is_link_to_us(&link) => "unchanged",
            Ok(_) => return Err(foreign_file_message(&link)),
            Err(_) => {
                symlink(&target, &link)
                    .map_err(|error| format!("Error: cannot create the link {}: {error}", link.display()))?;
                "created"
            }
        };
        text.push_str(&format!("{change}: {}\n", link.display()));
    }
    Ok(text)
}

/// Removes the links to this program from `folder`; by default from every folder on `PATH`.
///
/// # Errors
/// A link cannot be removed.
pub(crate) fn uninstall(folder: Option<PathBuf>, called: &Path, path: Option<&OsStr>) -> Result<String, String> {
    let beside = called_file(called).and_then(|program| program.parent().map(Path::to_owned));
    let folders = match folder {
        Some(folder) => vec![folder],
        None => beside.into_iter().chain(folders_on_path(path)).collect(),
    };
    let mut text = String::new();
    for folder in folders {
        for link in command_line::COMPLETION_LINKS.map(|name| folder.join(name)) {
            if is_link_to_us(&link) {
                std::fs::remove_file(&link)
                    .map_err(|error| format!("Error: cannot remove the link {}: {error}", link.display()))?;
                text.push_str(&format!("removed: {}\n", link.display()));
            }
        }
    }
    if text.is_empty() { Ok("nothing to do: no completion link was found\n".to_owned()) } else { Ok(text) }
}

/// The full path by which this program was called: the link of krew, not the file in krew's store.
fn called_file(called: &Path) -> Option<PathBuf> {
    if called.is_absolute() { Some(called.to_owned()) } else { find_plugin::own_file() }
}

fn choose_folder(installer: &Installer, program: &Path, path: Option<&OsStr>) -> Result<PathBuf, String> {
    let beside = program.parent().map(Path::to_owned);
    let Installer::Krew { root } = installer else {
        return beside.ok_or_else(|| "Error: cannot find the folder of kubectl-mural\n  → add --dir DIR".to_owned());
    };
    folders_on_path(path).find(|folder| !folder.starts_with(root) && is_writable(folder)).ok_or_else(|| {
        format!(
            "Error: no folder on PATH is writable, except in {}, which krew owns\n  → add --dir DIR, a folder on PATH",
            root.display()
        )
    })
}

/// A relative entry of PATH depends on the working directory, so no link belongs there.
fn folders_on_path(path: Option<&OsStr>) -> impl Iterator<Item = PathBuf> {
    path.map(std::env::split_paths).into_iter().flatten().filter(|folder| folder.is_absolute())
}

/// Whether a file can be created in the folder, found by creating one: file modes do not show a read-only file system.
fn is_writable(folder: &Path) -> bool {
    let probe = folder.join(format!(".mural-{}", std::process::id()));
    let created = std::fs::File::create_new(&probe).is_ok();
    created && std::fs::remove_file(&probe).is_ok()
}

fn is_link_to_us(link: &Path) -> bool {
    link.is_symlink() && link.canonicalize().ok().is_some_and(|there| find_plugin::own_file() == Some(there))
}

fn foreign_file_message(link: &Path) -> String {
    format!(
        "Error: {} exists and is not a link to kubectl-mural\n  → remove it, then run `kubectl mural completion install` again",
        link.display()
    )
}

#[cfg(unix)]
fn symlink(target: &Path, link: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(not(unix))]
fn symlink(_target: &Path, _link: &Path) -> std::io::Result<()> {
    Err(std::io::Error::new(std::io::ErrorKind::Unsupported, "links for completion are supported on Unix only"))
}
