//! Lock files on this workstation, one for each run. The kernel unlocks the file when the run and its helm have ended, so the next
//! run on this workstation need not wait until a Lease expires.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use crate::model::lease::{HolderIdentity, LeaseHolder};

/// How long an unlocked file is kept: by then no Lease that references it counts.
const STALE_FILE_AGE: Duration = Duration::from_hours(24);

/// This workstation, and the directory of its lock files.
#[derive(Debug, Clone)]
pub struct LocalRunLocks {
    folder: PathBuf,
    boot_id: String,
}

impl LocalRunLocks {
    /// `id` distinguishes this boot of this machine from every other: a file lock says nothing about other machines.
    #[must_use]
    pub fn new(state: &Path, boot_id: String) -> Self {
        Self { folder: state.join("runs"), boot_id }
    }

    /// Creates the run's lock file; none if the directory is not writable. Then only the Lease duration counts.
    #[must_use]
    pub fn create_lock_file(&self, identity: &HolderIdentity) -> Option<RunLockFile> {
        let name = format!("{}-{}.lock", identity.run, identity.pid);
        let path = self.folder.join(&name);
        fs::create_dir_all(&self.folder).ok()?;
        self.remove_stale(jiff::Timestamp::now().into());
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path).ok()?;
        file.try_lock().ok()?;
        Some(RunLockFile {
            file: Arc::new(file),
            path,
            name: format!("{}/{name}", self.boot_id),
            kept_on_drop: AtomicBool::new(false),
        })
    }

    /// Whether a holder has ended; none if it ran elsewhere or has no lock file.
    #[must_use]
    pub fn has_ended(&self, holder: &LeaseHolder) -> Option<bool> {
        // Opened for reading: this never creates a holder's file.
        match File::open(self.lock_file_path(holder)?).ok()?.try_lock() {
            Ok(()) => Some(true),
            Err(TryLockError::WouldBlock) => Some(false),
            Err(TryLockError::Error(_)) => None,
        }
    }

    /// Removes the lock file of a run whose Leases are released.
    pub fn remove_lock_file(&self, holder: &LeaseHolder) {
        if let (Some(path), Some(true)) = (self.lock_file_path(holder), self.has_ended(holder)) {
            // A file that cannot be removed does no harm.
            let _ = fs::remove_file(path);
        }
    }

    /// Removes files of runs that died before they wrote a Lease: no Lease references them.
    fn remove_stale(&self, now: SystemTime) {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let old =
                entry.metadata().and_then(|data| data.modified()).is_ok_and(|modified| modified + STALE_FILE_AGE < now);
            let ours = entry.path().extension().is_some_and(|end| end == "lock");
            if ours && old && File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok()) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// The path of a holder's lock file, if it ran here.
    fn lock_file_path(&self, holder: &LeaseHolder) -> Option<PathBuf> {
        let (id, name) = holder.workstation.split_once('/')?;
        // The name comes from the cluster: it must be one of our own files.
        let harmless =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
        (id == self.boot_id && harmless).then(|| self.folder.join(name))
    }
}

/// This run's lock file; removed on drop.
#[derive(Debug)]
pub struct RunLockFile {
    file: Arc<File>,
    path: PathBuf,
    name: String,
    kept_on_drop: AtomicBool,
}

impl RunLockFile {
    /// The file name, as the Lease has it.
    #[must_use]
    pub fn name(&self) -> String {
        self.name.clone()
    }

    /// The open file, for child processes.
    #[must_use]
    pub fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// A Lease that could not be released still references it. The file is unlocked, so the next run here knows at once that this run ended.
    pub fn keep_on_drop(&self) {
        self.kept_on_drop.store(true, Ordering::Relaxed);
    }
}

impl Drop for RunLockFile {
    fn drop(&mut self) {
        if !self.kept_on_drop.load(Ordering::Relaxed) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::metadata_keys::WORKSTATION_ANNOTATION;
    use serde_json::json;

    fn holder(workstation: &str) -> LeaseHolder {
        let notes = json!({WORKSTATION_ANNOTATION: workstation});
        LeaseHolder::from_lease(&json!({"metadata": {"annotations": notes}, "spec": {"holderIdentity": "x"}})).unwrap()
    }

    #[test]
    fn a_run_creates_and_removes_its_lock_file() {
        let state = tempfile::tempdir().unwrap();
        let here = LocalRunLocks::new(state.path(), "w".into());
        let lock_file =
            here.create_lock_file(&HolderIdentity { run: "7".into(), pid: 1, ..HolderIdentity::default() }).unwrap();
        let run_holder = holder(&lock_file.name());
        assert_eq!(here.has_ended(&run_holder), Some(false));
        drop(lock_file);
        assert_eq!(here.has_ended(&run_holder), None);
        assert_eq!(fs::read_dir(state.path().join("runs")).unwrap().count(), 0);
        let lock_file =
            here.create_lock_file(&HolderIdentity { run: "7".into(), pid: 1, ..HolderIdentity::default() }).unwrap();
        lock_file.keep_on_drop();
        drop(lock_file);
        assert_eq!(here.has_ended(&run_holder), Some(true), "its Lease was not released, and it has ended");
        here.remove_lock_file(&run_holder);
        assert_eq!(here.has_ended(&run_holder), None);
    }

    #[test]
    fn a_run_whose_lock_file_is_unlocked_has_ended() {
        let state = tempfile::tempdir().unwrap();
        let here = LocalRunLocks::new(state.path(), "w".into());
        fs::create_dir_all(state.path().join("runs")).unwrap();
        // What is left of a killed run: a file that only its helm still has open.
        let helms = File::create(state.path().join("runs/7-1.lock")).unwrap();
        helms.try_lock().unwrap();
        assert_eq!(here.has_ended(&holder("w/7-1.lock")), Some(false));
        drop(helms);
        assert_eq!(here.has_ended(&holder("w/7-1.lock")), Some(true));
        assert_eq!(here.has_ended(&holder("w/7-1.lock")), Some(true), "two Leases have one file");
        here.remove_lock_file(&holder("w/7-1.lock"));
        assert_eq!(here.has_ended(&holder("w/7-1.lock")), None);
    }

    #[test]
    fn files_without_a_lease_are_removed_after_a_day_and_never_while_locked() {
        let state = tempfile::tempdir().unwrap();
        let here = LocalRunLocks::new(state.path(), "w".into());
        let runs = state.path().join("runs");
        fs::create_dir_all(&runs).unwrap();
        let held = File::create(runs.join("1-1.lock")).unwrap();
        held.try_lock().unwrap();
        File::create(runs.join("2-2.lock")).unwrap();
        File::create(runs.join("notes")).unwrap();
        let left = || fs::read_dir(&runs).unwrap().count();
        here.remove_stale(jiff::Timestamp::now().into());
        assert_eq!(left(), 3);
        here.remove_stale(SystemTime::from(jiff::Timestamp::now()) + STALE_FILE_AGE + Duration::from_secs(60));
        assert_eq!(left(), 2);
        assert!(!runs.join("2-2.lock").exists());
    }

    #[test]
    fn runs_of_other_workstations_are_undetermined() {
        let state = tempfile::tempdir().unwrap();
        let here = LocalRunLocks::new(state.path(), "w".into());
        fs::write(state.path().join("kept"), "").unwrap();
        for elsewhere in ["", "w", "w/", "v/7-1.lock", "w/none.lock", "w/../kept", "w//etc/hostname"] {
            assert_eq!(here.has_ended(&holder(elsewhere)), None, "{elsewhere}");
            here.remove_lock_file(&holder(elsewhere));
        }
        assert!(state.path().join("kept").exists());
    }
}
