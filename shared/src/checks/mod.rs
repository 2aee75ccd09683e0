//! Checks: whether a CRD change is safe, and whether an installation is healthy. PURE.
//!
//! A check is a card (id, texts, level) and a pure function. The file name is the id and the anchor in CHECKS.md. [`crd_changes`]
//! compares two CRDs for `helm mural crds check` and the plan; the other folders are the health checks of `kubectl mural validate`,
//! one folder per section, listed in [`health_checks`]. The input is observed by `cluster` and `prepare`; the results go to `plan`,
//! `guards` and `report`. Guards of an upgrade are in the folder `guards`.

pub mod check_context;
pub mod check_result_builder;
pub mod cluster;
pub mod crd_changes;
pub mod crd_health;
#[cfg(test)]
pub(crate) mod examples;
pub mod flux;
pub mod health_check;
pub mod health_checks;
pub mod health_waivers;
pub mod object_fit;
pub mod ownership;
pub mod releases;
pub mod restarts;
pub mod spokes;
pub mod tenants;
pub mod tools;
pub mod webhooks;
pub mod workloads;
