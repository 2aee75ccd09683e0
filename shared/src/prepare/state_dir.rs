//! The folders of this workstation: where journals and backups are kept, and a backup's list of digests.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cluster::backup_folder::BackupFileError;
use crate::model::backup_format::encode_file_name;

/// What is kept of one cluster on this workstation.
#[must_use]
pub fn cluster_state_dir(state: &Path, context: &str) -> PathBuf {
    state.join(encode_file_name(context))
}

/// The list of a copy's files and their digests.
pub const CHECKSUMS_FILE: &str = "sums.json";

/// The digest of every file of a copy, and how large they are together.
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
