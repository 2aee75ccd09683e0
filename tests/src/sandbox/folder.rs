//! The folder of a sandbox: its paths and its locks.

use anyhow::{Context as _, Result, bail, ensure};
use std::env;
use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The paths of one sandbox.
#[derive(Debug, Clone)]
pub struct Folder {
    name: String,
    root: PathBuf,
}

/// Folder of all sandboxes: `MURAL_SANDBOX_ROOT`, or `mural/sandbox` below the user's state folder.
///
/// # Errors
/// None of `MURAL_SANDBOX_ROOT`, `XDG_STATE_HOME` and `HOME` is set.
pub fn root() -> Result<PathBuf> {
    let set = |name| env::var_os(name).filter(|dir| !dir.is_empty()).map(PathBuf::from);
    if let Some(root) = set("MURAL_SANDBOX_ROOT") {
        return std::path::absolute(root).context("MURAL_SANDBOX_ROOT");
    }
    let state = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")));
    Ok(state.context("there is no folder for sandboxes: neither XDG_STATE_HOME nor HOME is set")?.join("mural/sandbox"))
}

/// The names of all sandboxes, running or not.
///
/// # Errors
/// See [`root`].
pub fn names() -> Result<Vec<String>> {
    let Ok(entries) = fs::read_dir(root()?) else { return Ok(Vec::new()) };
    let mut names: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    Ok(names)
}

impl Folder {
    /// The folder of the sandbox with this name. It need not exist.
    ///
    /// # Errors
    /// The name is not 1 to 40 characters of `a-z`, `0-9` and `-`.
    pub fn of(name: &str) -> Result<Self> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        ensure!(
            !name.is_empty() && name.len() <= 40 && name.chars().all(plain) && !name.starts_with('-'),
            "`{name}` is not a valid name for a sandbox: use a-z, 0-9 and -, at most 40 characters"
        );
        Ok(Self { name: name.to_owned(), root: root()? })
    }

    /// The sandbox's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder itself.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        self.root.join(&self.name)
    }

    /// A path inside.
    #[must_use]
    pub fn path(&self, inside: impl AsRef<Path>) -> PathBuf {
        self.dir().join(inside)
    }

    /// Log file of a part.
    #[must_use]
    pub fn log(&self, part: &str) -> PathBuf {
        self.path("logs").join(format!("{part}.log"))
    }

    /// File that requests a restart of the part. The supervisor removes it.
    pub(crate) fn restart(&self, part: &str) -> PathBuf {
        self.path(format!("restart-{part}"))
    }

    /// Makes the folder and those inside; only the owner may look, as etcd demands of its own.
    pub(crate) fn create(&self) -> Result<()> {
        for inside in
            ["", "etcd", "registry", "pki", "kubeconfig", "logs", "bin", "audit", "snapshots", "helm", "artifacts"]
        {
            create_private(&self.path(inside))?;
        }
        Ok(())
    }

    /// Locks the sandbox against other processes that start, stop or copy it.
    pub(crate) fn lock(&self) -> Result<FolderLock> {
        create_private(&self.root)?;
        let path = self.root.join(format!("{}.lock", self.name));
        loop {
            let file = File::create(&path).with_context(|| format!("could not create {}", path.display()))?;
            file.lock().with_context(|| format!("could not lock {}", path.display()))?;
            // The holder before may have removed the file: then this is a lock on nothing.
            let ours = file.metadata().map(|meta| meta.ino()).ok();
            if ours.is_some() && ours == fs::metadata(&path).map(|meta| meta.ino()).ok() {
                return Ok(FolderLock { path, _file: file });
            }
        }
    }

    /// Held from the choice of ports until they are written down, so that sandboxes that start together do not choose
    /// the same. It is the folder of all of them that is locked: no file stays behind.
    pub(crate) fn lock_ports(&self) -> Result<File> {
        let root = File::open(&self.root).with_context(|| format!("could not open {}", self.root.display()))?;
        root.lock().with_context(|| format!("could not lock {}", self.root.display()))?;
        Ok(root)
    }

    /// The supervisor holds this lock as long as it lives: unlike a process id, it cannot belong to another process.
    pub(crate) fn supervisor_lock(&self) -> PathBuf {
        self.path("supervisor.lock")
    }

    /// Whether a supervisor is alive.
    #[must_use]
    pub fn is_supervised(&self) -> bool {
        File::open(self.supervisor_lock()).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
    }

    /// Whether there is anything at all.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.path("sandbox.json").is_file()
    }

    /// Removes everything.
    pub(crate) fn remove(&self) -> Result<()> {
        if self.is_supervised() {
            bail!("the sandbox `{}` is still running", self.name);
        }
        match fs::remove_dir_all(self.dir()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("could not remove {}", self.dir().display()))
            }
            _ => Ok(()),
        }
    }
}

/// A held lock. [`FolderLock::remove`] also deletes its file.
#[derive(Debug)]
pub(crate) struct FolderLock {
    path: PathBuf,
    _file: File,
}

impl FolderLock {
    /// Deletes the lock's file.
    pub(crate) fn remove(self) {
        fs::remove_file(&self.path).ok();
    }
}

fn create_private(dir: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("could not create {}", dir.display()))
}

/// The last lines of a log, for a message.
#[must_use]
pub fn last_lines(path: &Path, count: usize) -> String {
    let text = fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].iter().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
