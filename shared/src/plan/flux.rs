//! The Flux path as data: which object is patched, in which order, and what verifies each step.

pub mod appliance_checklist;
pub mod argo_sync;
pub mod commit;
mod expression;
pub mod flux_manifests;
pub mod progress;
mod route;
mod steps;

pub use expression::{build_ready_expr, update_ready_expr};
pub use route::{FluxRoute, FluxRoutes, TargetChart, find_routes};
pub use steps::decide_flux_upgrade;
