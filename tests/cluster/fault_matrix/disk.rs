//! The fault `disk full`: the plugin's state folder is a small tmpfs in a mount namespace, filled in the middle of a
//! run. It needs no root if the kernel allows unprivileged user namespaces.

use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::test_cluster::TestCluster;

/// The plugin's state folder inside the mount namespace.
const STATE_FOLDER: &str = "/tmp/mural-small-disk";
/// Enough for the backup before the first write.
const DISK_SIZE: &str = "4m";

/// The same command with its state folder on a small tmpfs; none if the kernel allows no user namespaces.
pub fn run_on_small_disk(test_cluster: &TestCluster, command: &Command) -> Result<Option<Command>> {
    let alone = ["--user", "--map-current-user", "--mount", "--keep-caps"];
    let can = Command::new("unshare").args(alone).arg("true").stderr(Stdio::null()).status();
    if !can.is_ok_and(|status| status.success()) {
        return Ok(None);
    }
    std::fs::create_dir_all(STATE_FOLDER)?;
    // Only this process sees the file system. `exec` keeps the process id.
    let script = format!("mount -t tmpfs -o size={DISK_SIZE} mural {STATE_FOLDER} && exec \"$@\"");
    let mut small = Command::new("unshare");
    small.args(alone).args(["sh", "-c", &script, "sh"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => small.env(name, value),
            None => small.env_remove(name),
        };
    }
    small
        .env("XDG_STATE_HOME", STATE_FOLDER)
        .current_dir(command.get_current_dir().unwrap_or_else(|| test_cluster.files()));
    Ok(Some(small))
}

/// Fills the file system to the last byte.
pub fn fill_disk(pid: u32) -> Result<()> {
    let file = PathBuf::from(format!("/proc/{pid}/root{STATE_FOLDER}/full"));
    let mut full = std::fs::File::create(&file).with_context(|| file.display().to_string())?;
    for size in [65_536, 512, 1] {
        loop {
            match full.write(&vec![0; size]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => return Err(error).context("filling the disk"),
            }
        }
    }
    ensure!(std::fs::metadata(&file)?.len() > 1024, "it was full before");
    Ok(())
}
