//! The `kubectl-mural` binary.

fn main() {}
