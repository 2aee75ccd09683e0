//! The API server and the installation's namespace.

pub mod namespace_exists;
pub mod server_version;
