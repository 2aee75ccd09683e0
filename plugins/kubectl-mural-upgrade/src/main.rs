//! The `kubectl-mural-upgrade` binary.

fn main() {}
