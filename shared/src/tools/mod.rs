//! EFFECTS: the operator's helm, kubectl and cosign, and the registry.
//!
//! Typed operations in, model values out: no other folder knows a command line or parses a program's output. `spawn.rs` is the only
//! file that starts a process. Failures are typed (`ToolError`, `RegistryError`, `ContentBundleError`) and never contain secrets.

pub mod activity_log;
pub mod chart_fetch;
mod chart_fetch_error;
pub mod chart_signature;
pub mod content_archive;
pub mod error;
pub mod helm;
pub mod helm_driver;
pub mod helm_output;
pub mod image_lookup;
pub mod kubectl;
pub mod parent_death;
pub mod private_files;
pub mod program_paths;
pub mod registry;
pub mod spawn;
pub mod tls;

/// The folder of helm's and kubectl's discovery cache (k8s.io/cli-runtime, `ConfigFlags`).
const KUBE_CACHE_ENV: &str = "KUBECACHEDIR";
