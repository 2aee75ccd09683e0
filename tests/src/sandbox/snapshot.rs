//! Snapshots: copy the state of a control plane, and restore it in about four seconds.

use super::folder::Folder;
use super::{Sandbox, running};
use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};

/// The folders that a snapshot copies: the state of etcd, the registry and source-controller.
const SNAPSHOT_FOLDERS: [&str; 3] = ["etcd", "registry", "artifacts"];

/// A copy of etcd's folder, the registry's and source-controller's. It fits any sandbox: ports and certificates are not
/// part of it.
#[derive(Debug, Clone)]
pub struct Snapshot {
    dir: PathBuf,
}

impl Snapshot {
    /// A snapshot that was taken before, for [`super::Options::from`] or [`Sandbox::restore`].
    ///
    /// # Errors
    /// The folder contains no snapshot.
    pub fn open(dir: &Path) -> Result<Self> {
        ensure!(dir.join("etcd").is_dir(), "no snapshot in {}", dir.display());
        Ok(Self { dir: dir.to_path_buf() })
    }

    /// Folder of the snapshot.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn copy_into(&self, folder: &Folder) -> Result<()> {
        for kept in SNAPSHOT_FOLDERS {
            copy_dir(&self.dir.join(kept), &folder.path(kept))?;
        }
        Ok(())
    }
}

impl Sandbox {
    /// Stops the control plane, copies its state to a folder with this label inside the sandbox, and starts it again.
    ///
    /// # Errors
    /// The control plane does not stop or start, or a file cannot be copied.
    pub fn snapshot(&self, label: &str) -> Result<Snapshot> {
        let _held = self.folder.lock()?;
        let dir = self.folder.path("snapshots").join(label);
        running::stop(&self.folder)?;
        for kept in SNAPSHOT_FOLDERS {
            copy_dir(&self.folder.path(kept), &dir.join(kept))?;
        }
        running::start(&self.folder)?;
        Ok(Snapshot { dir })
    }

    /// Restores the snapshot, with the same ports and certificates. The audit log continues in the same file.
    ///
    /// # Errors
    /// The control plane does not stop or start, or a file cannot be copied.
    pub fn restore(&self, snapshot: &Snapshot) -> Result<()> {
        let _held = self.folder.lock()?;
        running::stop(&self.folder)?;
        snapshot.copy_into(&self.folder)?;
        running::start(&self.folder)
    }
}

/// Replaces `to` with a copy of `from`, rights included: etcd insists on 0700.
fn copy_dir(from: &Path, to: &Path) -> Result<()> {
    let copied = || -> std::io::Result<()> {
        if to.exists() {
            fs::remove_dir_all(to)?;
        }
        fs::create_dir_all(to)?;
        fs::set_permissions(to, fs::metadata(from)?.permissions())
    };
    copied().with_context(|| format!("could not replace {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("could not read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target).with_context(|| format!("could not copy to {}", target.display()))?;
        }
    }
    Ok(())
}
