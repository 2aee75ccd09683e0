//! The Flux path as data: what is patched of which object, in which order, and what proves it.

pub mod appliance;
pub mod argo;
pub mod commit;
mod expression;
pub mod manifests;
pub mod progress;
mod steps;
mod way;

pub use expression::{ready_expr, renewed};
pub use steps::decide;
pub use way::{FluxWay, Wanted, Ways, ways};
