//! A control plane set aside, and brought back in about four seconds.

use super::folder::Folder;
use super::{Sandbox, running};
use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};

/// What is copied: everything the cluster, the registry and source-controller remember.
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
    /// When there is none.
    pub fn open(dir: &Path) -> Result<Self> {
        ensure!(dir.join("etcd").is_dir(), "no snapshot in {}", dir.display());
        Ok(Self { dir: dir.to_path_buf() })
    }

    /// Where it lies.
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
    /// Stops the control plane, sets its memory aside under that label inside the sandbox's folder, and starts it
    /// again.
    ///
    /// # Errors
    /// When it does not stop, copy or start.
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

    /// Brings the control plane back to the snapshot, under the same ports and certificates. The audit log goes on:
    /// note its length before, if what follows is to be counted.
    ///
    /// # Errors
    /// When it does not stop, copy or start.
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
