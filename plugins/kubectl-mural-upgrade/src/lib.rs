//! Command line of `kubectl-mural-upgrade`.
