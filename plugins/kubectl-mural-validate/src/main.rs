//! The `kubectl-mural-validate` binary.

fn main() {}
