//! Guards: checks of the planned state that can refuse a run before its first write.
//!
//! One file per guard, with a card (id, texts, level) and a pure function. The file name is the id and the anchor in CHECKS.md.
//! The input is a [`context::GuardContext`], which `prepare` fills in; the output is one `CheckResult` per guard for the plan and its
//! report. Guards read nothing themselves, and do not decide which steps run: that is the `plan` folder.

pub mod admission_webhooks_ready;
pub mod application_crds_served;
pub mod bundle_complete;
pub mod bundled_flux_crds;
pub mod chart_digest;
pub mod chart_identity;
pub mod charts_signed;
pub mod context;
pub mod conversion_webhook_ready;
pub mod crd_duplicated;
pub mod crd_in_both_charts;
pub mod crd_ownership_metadata;
pub mod crds_dry_run;
pub mod crds_not_terminating;
pub mod crds_removed;
pub mod custom_resources_fit;
pub mod dropped_version_unused;
pub mod field_loss;
pub mod flux_controllers;
pub mod flux_crd_policy;
pub mod flux_not_reconciling;
pub mod flux_not_suspended;
pub mod flux_plaintext_secrets;
pub mod flux_post_renderers;
pub mod flux_single_helmrelease;
pub mod flux_source_pinned;
pub mod flux_source_usable;
pub mod foreign_downgrade;
pub mod helm_field_conflicts;
pub mod helm_would_delete_crds;
pub mod images_available;
pub mod installed;
pub mod journal_readable;
pub mod known_pair;
pub mod live_objects_fit;
pub mod login_restarts;
pub mod manual_changes;
pub mod no_downgrade;
pub mod no_drift;
pub mod object_ownership_metadata;
pub mod objects_dry_run;
pub mod objects_not_terminating;
pub mod objects_removed;
pub mod owner_supported;
pub mod permissions;
pub mod record_size;
pub mod release_not_failed;
pub mod release_not_pending;
pub mod rollout_capacity;
pub mod same_cluster;
pub mod storage_migrating;
pub mod stored_manifest_served;
pub mod tool_versions;
pub mod unknown_values;
pub mod values_schema;
pub mod waivers_current;

use crate::model::check::{Card, CheckResult};
use crate::model::task::Task;

pub use context::{ChartFacts, GuardContext};

/// A guard as data. Each file of this folder defines one as `GUARD`.
#[derive(Debug, Clone, Copy)]
pub struct Guard {
    /// Id, texts and level.
    pub card: &'static Card,
    /// The tasks that it applies to. The other tasks do not run it.
    pub applies_to: &'static [Task],
    /// Judges the planned state.
    pub check: fn(&GuardContext<'_>) -> CheckResult,
}

/// Every guard, in the order of the reports.
pub static ALL: [Guard; 55] = [
    tool_versions::GUARD,
    same_cluster::GUARD,
    no_drift::GUARD,
    owner_supported::GUARD,
    flux_single_helmrelease::GUARD,
    flux_source_usable::GUARD,
    flux_not_suspended::GUARD,
    flux_crd_policy::GUARD,
    flux_not_reconciling::GUARD,
    flux_controllers::GUARD,
    flux_source_pinned::GUARD,
    flux_plaintext_secrets::GUARD,
    flux_post_renderers::GUARD,
    bundle_complete::GUARD,
    installed::GUARD,
    permissions::GUARD,
    journal_readable::GUARD,
    release_not_pending::GUARD,
    release_not_failed::GUARD,
    chart_digest::GUARD,
    charts_signed::GUARD,
    chart_identity::GUARD,
    no_downgrade::GUARD,
    known_pair::GUARD,
    record_size::GUARD,
    crd_duplicated::GUARD,
    crd_in_both_charts::GUARD,
    crds_removed::GUARD,
    crds_dry_run::GUARD,
    crds_not_terminating::GUARD,
    storage_migrating::GUARD,
    dropped_version_unused::GUARD,
    foreign_downgrade::GUARD,
    bundled_flux_crds::GUARD,
    application_crds_served::GUARD,
    stored_manifest_served::GUARD,
    helm_would_delete_crds::GUARD,
    crd_ownership_metadata::GUARD,
    helm_field_conflicts::GUARD,
    conversion_webhook_ready::GUARD,
    admission_webhooks_ready::GUARD,
    live_objects_fit::GUARD,
    field_loss::GUARD,
    waivers_current::GUARD,
    custom_resources_fit::GUARD,
    objects_removed::GUARD,
    objects_not_terminating::GUARD,
    object_ownership_metadata::GUARD,
    objects_dry_run::GUARD,
    manual_changes::GUARD,
    values_schema::GUARD,
    unknown_values::GUARD,
    images_available::GUARD,
    rollout_capacity::GUARD,
    login_restarts::GUARD,
];

/// The guards of this task, in the order of the reports.
pub fn list_guards(task: Task) -> impl Iterator<Item = &'static Guard> {
    ALL.iter().filter(move |guard| guard.applies_to.contains(&task))
}

/// Runs every guard of this task.
#[must_use]
pub fn run_guards(task: Task, context: &GuardContext<'_>) -> Vec<CheckResult> {
    list_guards(task).map(|guard| (guard.check)(context)).collect()
}

#[cfg(test)]
pub(crate) mod tests;
