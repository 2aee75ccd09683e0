//! Health check of restarts that are due: pods that started before the last change of their Secrets and ConfigMaps.
//!
//! It reads metadata and field managers only, never the data of a Secret.

pub mod restart_required;
