//! The sample charts: packaged, pushed to the sandbox's registry.
