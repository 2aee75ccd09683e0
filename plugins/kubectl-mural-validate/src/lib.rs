//! Command line of `kubectl-mural-validate`.
