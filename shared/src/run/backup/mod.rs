//! Backs up CRDs and custom resources into a folder, and restores them from it.
//!
//! Owns the order of reads and writes, conflicts with other writers, and the relinking of owners. The format of the folder is in
//! `cluster/backup_folder.rs`; which objects a run backs up before its first write is decided in `run_backup.rs`.

pub mod backup_error;
mod contents;
pub mod create;
mod object_restorer;
mod owner_resolver;
pub mod restore;

/// Kinds, or objects, that are handled at the same time: enough to hide the latency, few enough for a busy API server.
const MAX_CONCURRENT_REQUESTS: usize = 8;
