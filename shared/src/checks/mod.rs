//! PURE: is it safe, is it healthy. A check is a card and a pure function; its id is its documentation anchor.

pub mod check_context;
pub mod check_result_builder;
pub mod cluster;
pub mod crd_changes;
pub mod crd_health;
#[cfg(test)]
pub(crate) mod examples;
pub mod flux;
pub mod health_checks;
pub mod ownership;
pub mod releases;
pub mod restarts;
pub mod spokes;
pub mod tenants;
pub mod tools;
pub mod webhooks;
pub mod workloads;
