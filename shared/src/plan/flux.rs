//! The Flux path as data: what is patched of which object, in which order, and what proves it.

pub mod appliance;
pub mod argo;
pub mod commit;
mod expression;
pub mod manifests;
pub mod progress;
mod steps;
mod way;

pub use expression::{build_ready_expr, update_ready_expr};
pub use steps::decide_flux_upgrade;
pub use way::{FluxRoute, FluxRoutes, TargetChart, find_routes};
