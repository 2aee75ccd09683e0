//! EFFECTS: the operator's own helm and kubectl, and the registry. Typed verbs in, domain values out.

pub mod chart_fetch;
pub mod chart_signature;
pub mod content_archive;
pub mod error;
pub mod helm;
pub mod helm_driver;
pub mod helm_output;
pub mod image_lookup;
pub mod kubectl;
pub mod program_paths;
pub mod registry;
pub mod spawn;

/// Where helm and kubectl keep what the API server told them (k8s.io/cli-runtime, `ConfigFlags`).
const KUBE_CACHE_ENV: &str = "KUBECACHEDIR";
