//! `kubectl mural completion install`: the links that kubectl asks for completion.

use std::path::{Path, PathBuf};

use crate::{command_line, find_plugin};

/// Writes the links beside the program as it was called (the folder on `PATH`), else beside its real file. A second time
/// changes nothing; a file that is something else is left alone and named.
///
/// # Errors
/// The folder is not known or not writable, or something else has one of the names.
pub(crate) fn install(called: &Path) -> Result<String, String> {
    let folder = link_folder(called).ok_or("Error: the folder of kubectl-mural is not known")?;
    let target = called.file_name().ok_or("Error: the name of kubectl-mural is not known")?;
    let mut text = String::new();
    for name in command_line::COMPLETION_LINKS {
        let link = folder.join(name);
        let what = match link.symlink_metadata() {
            Ok(_) if is_link_to_us(&link) => "already there",
            Ok(_) => return Err(format!("Error: {} is something else; remove it first", link.display())),
            Err(_) => {
                symlink(Path::new(target), &link)
                    .map_err(|error| format!("Error: cannot write {}: {error}", link.display()))?;
                "written"
            }
        };
        text.push_str(&format!("{what}: {}\n", link.display()));
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
    Err(std::io::Error::new(std::io::ErrorKind::Unsupported, "links are written on Unix only"))
}
