//! CRDs and custom resources, kept in a folder and brought back.

mod contents;
pub mod create;
mod object_restorer;
mod owner_resolver;
pub mod restore;

/// Kinds, or objects, that are worked on at once: enough to hide the way there and back, few enough for a busy API server.
const MAX_CONCURRENT_REQUESTS: usize = 8;
