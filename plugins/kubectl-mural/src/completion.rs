//! `kubectl mural completion install`: creates the `kubectl_complete-…` links that kubectl calls for completion.

use std::path::{Path, PathBuf};

use crate::{command_line, find_plugin};

/// Creates the links in the folder of the called program (the folder on `PATH`), else in the folder of its real file.
///
/// A second call changes nothing. Returns one line per link.
///
/// # Errors
/// The folder is unknown or not writable, or another file has the name of a link. Such a file is never replaced.
pub(crate) fn install(called: &Path) -> Result<String, String> {
    let folder =
        link_folder(called).ok_or("Error: cannot find the folder of kubectl-mural\n  → call it with its full path")?;
    let target = called
        .file_name()
        .ok_or("Error: cannot find the file name of kubectl-mural\n  → call it with its full path")?;
    let mut text = String::new();
    for name in command_line::COMPLETION_LINKS {
        let link = folder.join(name);
        let change = match link.symlink_metadata() {
            Ok(_) if is_link_to_us(&link) => "unchanged",
            Ok(_) => {
                return Err(format!(
                    "Error: {} exists and is not a link to kubectl-mural\n  → remove it, then run `kubectl mural completion install` again",
                    link.display()
                ));
            }
            Err(_) => {
                symlink(Path::new(target), &link)
                    .map_err(|error| format!("Error: cannot create the link {}: {error}", link.display()))?;
                "created"
            }
        };
        text.push_str(&format!("{change}: {}\n", link.display()));
    }
    Ok(text)
}

fn link_folder(called: &Path) -> Option<PathBuf> {
    let given = called.parent().filter(|folder| folder.is_absolute());
    given.map(Path::to_owned).or_else(find_plugin::own_folder)
}

fn is_link_to_us(link: &Path) -> bool {
    let ourselves = std::env::current_exe().and_then(|file| file.canonicalize());
    matches!((link.canonicalize(), ourselves), (Ok(there), Ok(ourselves)) if there == ourselves)
}

#[cfg(unix)]
fn symlink(target: &Path, link: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(not(unix))]
fn symlink(_target: &Path, _link: &Path) -> std::io::Result<()> {
    Err(std::io::Error::new(std::io::ErrorKind::Unsupported, "links for completion are supported on Unix only"))
}
