//! The `helm-mural` binary.

fn main() {}
