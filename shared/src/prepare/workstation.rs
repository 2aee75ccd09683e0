//! A sign of life on this workstation: a locked file for each run. The kernel lets the lock go when the run and its helm have
//! ended, however they did, so the next run here need not wait until a Lease has run out.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use crate::model::lease::{Claim, Holder};

/// How long a sign that nobody holds is kept: by then no Lease that names it can still count.
const KEPT: Duration = Duration::from_hours(24);

/// A workstation, and where runs leave their signs on it.
#[derive(Debug, Clone)]
pub struct Workstation {
    folder: PathBuf,
    id: String,
}

impl Workstation {
    /// `id` tells this boot of this machine from every other: a file lock says nothing about processes elsewhere.
    #[must_use]
    pub fn new(state: &Path, id: String) -> Self {
        Self { folder: state.join("runs"), id }
    }

    /// Leaves a sign for as long as the run lives; none where the folder cannot be written. Then the Lease's time alone counts.
    #[must_use]
    pub fn sign(&self, claim: &Claim) -> Option<Sign> {
        let name = format!("{}-{}.lock", claim.run, claim.pid);
        let path = self.folder.join(&name);
        fs::create_dir_all(&self.folder).ok()?;
        self.sweep(jiff::Timestamp::now().into());
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path).ok()?;
        file.try_lock().ok()?;
        Some(Sign { file: Arc::new(file), path, name: format!("{}/{name}", self.id), stays: AtomicBool::new(false) })
    }

    /// Whether a holder has ended; none where it ran elsewhere, or left no sign.
    #[must_use]
    pub fn ended(&self, holder: &Holder) -> Option<bool> {
        // Opened for reading: a holder's sign is looked at, never made.
        match File::open(self.path(holder)?).ok()?.try_lock() {
            Ok(()) => Some(true),
            Err(TryLockError::WouldBlock) => Some(false),
            Err(TryLockError::Error(_)) => None,
        }
    }

    /// Removes the sign of a run whose locks are cleared.
    pub fn forget(&self, holder: &Holder) {
        if let (Some(path), Some(true)) = (self.path(holder), self.ended(holder)) {
            // One that cannot be removed does no harm.
            let _ = fs::remove_file(path);
        }
    }

    /// Removes what is left of runs that died before their Lease was written: no Lease names such a sign, so none clears it.
    fn sweep(&self, now: SystemTime) {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let old = entry.metadata().and_then(|data| data.modified()).is_ok_and(|made| made + KEPT < now);
            let ours = entry.path().extension().is_some_and(|end| end == "lock");
            if ours && old && File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok()) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Where a holder's sign is, if it ran here.
    fn path(&self, holder: &Holder) -> Option<PathBuf> {
        let (id, name) = holder.workstation.split_once('/')?;
        // The name comes from the cluster: nothing but a file of ours may be meant.
        let harmless =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
        (id == self.id && harmless).then(|| self.folder.join(name))
    }
}

/// A run's own sign; gone when it is dropped.
#[derive(Debug)]
pub struct Sign {
    file: Arc<File>,
    path: PathBuf,
    name: String,
    stays: AtomicBool,
}

impl Sign {
    /// What the Lease says of it.
    #[must_use]
    pub fn name(&self) -> String {
        self.name.clone()
    }

    /// For whoever shall hold it open too.
    #[must_use]
    pub fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// A Lease that could not be let go still names it: with the file nobody holds, the next run here knows at once that we have ended.
    pub fn stay(&self) {
        self.stays.store(true, Ordering::Relaxed);
    }
}

impl Drop for Sign {
    fn drop(&mut self) {
        if !self.stays.load(Ordering::Relaxed) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn holder(workstation: &str) -> Holder {
        let notes = json!({"mural-workstation": workstation});
        Holder::of(&json!({"metadata": {"annotations": notes}, "spec": {"holderIdentity": "x"}})).unwrap()
    }

    #[test]
    fn a_run_leaves_a_sign_and_clears_it() {
        let state = tempfile::tempdir().unwrap();
        let here = Workstation::new(state.path(), "w".into());
        let sign = here.sign(&Claim { run: "7".into(), pid: 1, ..Claim::default() }).unwrap();
        let seen = holder(&sign.name());
        assert_eq!(here.ended(&seen), Some(false));
        drop(sign);
        assert_eq!(here.ended(&seen), None);
        assert_eq!(fs::read_dir(state.path().join("runs")).unwrap().count(), 0);
        let sign = here.sign(&Claim { run: "7".into(), pid: 1, ..Claim::default() }).unwrap();
        sign.stay();
        drop(sign);
        assert_eq!(here.ended(&seen), Some(true), "its Lease could not be let go, and it has ended");
        here.forget(&seen);
        assert_eq!(here.ended(&seen), None);
    }

    #[test]
    fn what_nobody_holds_any_more_has_ended() {
        let state = tempfile::tempdir().unwrap();
        let here = Workstation::new(state.path(), "w".into());
        fs::create_dir_all(state.path().join("runs")).unwrap();
        // What is left of a run that was killed: a file that only its helm still holds open.
        let helms = File::create(state.path().join("runs/7-1.lock")).unwrap();
        helms.try_lock().unwrap();
        assert_eq!(here.ended(&holder("w/7-1.lock")), Some(false));
        drop(helms);
        assert_eq!(here.ended(&holder("w/7-1.lock")), Some(true));
        assert_eq!(here.ended(&holder("w/7-1.lock")), Some(true), "two locks have one sign");
        here.forget(&holder("w/7-1.lock"));
        assert_eq!(here.ended(&holder("w/7-1.lock")), None);
    }

    #[test]
    fn what_no_lease_names_is_swept_after_a_day_and_never_while_it_is_held() {
        let state = tempfile::tempdir().unwrap();
        let here = Workstation::new(state.path(), "w".into());
        let runs = state.path().join("runs");
        fs::create_dir_all(&runs).unwrap();
        let held = File::create(runs.join("1-1.lock")).unwrap();
        held.try_lock().unwrap();
        File::create(runs.join("2-2.lock")).unwrap();
        File::create(runs.join("notes")).unwrap();
        let left = || fs::read_dir(&runs).unwrap().count();
        here.sweep(jiff::Timestamp::now().into());
        assert_eq!(left(), 3);
        here.sweep(SystemTime::from(jiff::Timestamp::now()) + KEPT + Duration::from_secs(60));
        assert_eq!(left(), 2);
        assert!(!runs.join("2-2.lock").exists());
    }

    #[test]
    fn what_was_elsewhere_says_nothing() {
        let state = tempfile::tempdir().unwrap();
        let here = Workstation::new(state.path(), "w".into());
        fs::write(state.path().join("kept"), "").unwrap();
        for elsewhere in ["", "w", "w/", "v/7-1.lock", "w/none.lock", "w/../kept", "w//etc/hostname"] {
            assert_eq!(here.ended(&holder(elsewhere)), None, "{elsewhere}");
            here.forget(&holder(elsewhere));
        }
        assert!(state.path().join("kept").exists());
    }
}
