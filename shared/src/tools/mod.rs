//! EFFECTS: the operator's own helm and kubectl, and the registry. Typed verbs in, domain values out.

pub mod call;
pub mod chart;
pub mod content;
pub mod error;
pub mod find;
pub mod helm;
pub mod helm_read;
pub mod images;
pub mod kubectl;
pub mod registry;
pub mod spawn;
pub mod verify;

/// Where helm and kubectl keep what the API server told them (k8s.io/cli-runtime, `ConfigFlags`).
const KUBE_CACHE_ENV: &str = "KUBECACHEDIR";
