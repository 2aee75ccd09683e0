//! Health checks of the API server and the namespace of the installation.
//!
//! They read only the cluster facts of the snapshot; objects in the namespace belong to the other sections.

pub mod namespace_exists;
pub mod server_version;
