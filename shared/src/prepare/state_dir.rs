//! Where this workstation keeps journals and backups, and the list of digests that makes a backup whole.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cluster::snapshot::FileError;
use crate::model::kept::file_name;

/// What is kept of one cluster on this workstation.
#[must_use]
pub fn folder_of(state: &Path, context: &str) -> PathBuf {
    state.join(file_name(context))
}

/// The list of a copy's files and their digests.
pub const SUMS: &str = "sums.json";

/// The digest of every file of a copy, and how large they are together.
pub(crate) fn sums(folder: &Path) -> Result<(Value, u64), FileError> {
    let (mut sums, mut bytes) = (serde_json::Map::new(), 0);
    for (name, sum, size) in crate::cluster::snapshot::sums(folder)? {
        if name == SUMS {
            continue;
        }
        bytes += size;
        sums.insert(name, sum.into());
    }
    Ok((Value::Object(sums), bytes))
}
