//! Restarts that are due: a pod reads its Secrets and ConfigMaps when it starts, and goes on with what it read.

pub mod restart_required;
