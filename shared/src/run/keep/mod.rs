//! CRDs and custom resources, kept in a folder and brought back.

mod object;
mod owners;
mod read;
pub mod restore;
pub mod save;

/// Kinds, or objects, that are worked on at once: enough to hide the way there and back, few enough for a busy API server.
const MAX_CONCURRENT_REQUESTS: usize = 8;
