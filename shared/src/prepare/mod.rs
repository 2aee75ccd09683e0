//! Everything before the first write: look, render, forecast, judge, decide. Reads and never writes.
//!
//! `prepared.rs` has the value that it hands over to the run. `judge` and what it reads compile without the feature `effects`.

pub mod collect_secrets;
pub mod judge;
mod manifest_jobs;
pub mod rendered_charts;
mod stored_manifest;

#[cfg(feature = "effects")]
pub mod appliance_registry;
#[cfg(feature = "effects")]
pub mod appliance_registry_error;
#[cfg(feature = "effects")]
pub mod crd_forecast;
#[cfg(feature = "effects")]
pub mod crd_verdicts;
#[cfg(feature = "effects")]
pub(crate) mod flux;
#[cfg(feature = "effects")]
pub mod flux_follow;
#[cfg(feature = "effects")]
pub mod flux_request_error;
#[cfg(feature = "effects")]
mod flux_values;
#[cfg(feature = "effects")]
mod forecast;
#[cfg(feature = "effects")]
mod forecast_adoption;
#[cfg(feature = "effects")]
mod forecast_app;
#[cfg(feature = "effects")]
mod grants;
#[cfg(feature = "effects")]
pub mod handover;
#[cfg(feature = "effects")]
pub mod handover_error;
#[cfg(feature = "effects")]
pub mod image_list;
#[cfg(feature = "effects")]
mod inventory;
#[cfg(feature = "effects")]
pub mod lease_watcher;
#[cfg(feature = "effects")]
pub mod local_run_locks;
#[cfg(feature = "effects")]
pub mod manifest_file_error;
#[cfg(feature = "effects")]
pub mod manifest_files;
#[cfg(feature = "effects")]
pub mod missing_crds;
mod missing_objects;
#[cfg(feature = "effects")]
mod next_values;
#[cfg(feature = "effects")]
pub mod only_crds;
#[cfg(feature = "effects")]
pub mod picture;
#[cfg(feature = "effects")]
mod plan_baseline;
#[cfg(feature = "effects")]
pub mod plan_commands;
#[cfg(feature = "effects")]
mod prepare_upgrade;
#[cfg(feature = "effects")]
pub mod prepared;
#[cfg(feature = "effects")]
pub mod record_state;
#[cfg(feature = "effects")]
pub mod render;
#[cfg(feature = "effects")]
pub mod rollback;
#[cfg(feature = "effects")]
mod session;
#[cfg(feature = "effects")]
mod stage;
#[cfg(feature = "effects")]
pub mod state_dir;
#[cfg(feature = "effects")]
pub mod values_files;
#[cfg(feature = "effects")]
pub mod waivers_file;

#[cfg(feature = "effects")]
pub use prepare_upgrade::{prepare, prepare_resume, prepare_saved_plan};
