//! The directories of this workstation: journals, backups, a backup's checksum list, and the private directory of a run.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cluster::backup_folder::BackupFileError;
use crate::model::backup_format::encode_file_name;

/// The directory for one cluster on this workstation.
#[must_use]
pub fn cluster_state_dir(state: &Path, context: &str) -> PathBuf {
    state.join(encode_file_name(context))
}

/// The file name of a backup's checksum list.
pub const CHECKSUMS_FILE: &str = "sums.json";

/// The digest of every file of a backup, and their total size.
pub(crate) fn compute_checksums(folder: &Path) -> Result<(Value, u64), BackupFileError> {
    let (mut sums, mut bytes) = (serde_json::Map::new(), 0);
    for (name, sum, size) in crate::cluster::backup_folder::list_file_digests(folder)? {
        if name == CHECKSUMS_FILE {
            continue;
        }
        bytes += size;
        sums.insert(name, sum.into());
    }
    Ok((Value::Object(sums), bytes))
}
