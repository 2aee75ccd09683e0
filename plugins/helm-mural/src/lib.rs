//! Command line of `helm-mural`.
