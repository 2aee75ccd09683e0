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
pub mod charts_signed;
pub mod context;
pub mod conversion_webhook_ready;
pub mod crd_duplicated;
pub mod crd_in_both_charts;
pub mod crd_ownership_metadata;
pub mod crds_dry_run;
pub mod crds_removed;
pub mod custom_resources_fit;
pub mod dropped_version_unused;
pub mod flux_controllers;
pub mod flux_crd_policy;
pub mod flux_not_reconciling;
pub mod flux_not_suspended;
pub mod flux_plaintext_secrets;
pub mod flux_post_renderers;
pub mod flux_single_helmrelease;
pub mod flux_source_pinned;
pub mod flux_source_updatable;
pub mod foreign_downgrade;
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
pub mod objects_dry_run;
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

pub use context::{ChartFacts, GuardContext};

type Guard = (&'static Card, fn(&GuardContext<'_>) -> CheckResult);

/// Every guard, in the order of the reports.
pub const ALL: [Guard; 48] = [
    (&tool_versions::CARD, tool_versions::check),
    (&same_cluster::CARD, same_cluster::check),
    (&no_drift::CARD, no_drift::check),
    (&owner_supported::CARD, owner_supported::check),
    (&flux_single_helmrelease::CARD, flux_single_helmrelease::check),
    (&flux_source_updatable::CARD, flux_source_updatable::check),
    (&flux_not_suspended::CARD, flux_not_suspended::check),
    (&flux_crd_policy::CARD, flux_crd_policy::check),
    (&flux_not_reconciling::CARD, flux_not_reconciling::check),
    (&flux_controllers::CARD, flux_controllers::check),
    (&flux_source_pinned::CARD, flux_source_pinned::check),
    (&flux_plaintext_secrets::CARD, flux_plaintext_secrets::check),
    (&flux_post_renderers::CARD, flux_post_renderers::check),
    (&bundle_complete::CARD, bundle_complete::check),
    (&installed::CARD, installed::check),
    (&permissions::CARD, permissions::check),
    (&journal_readable::CARD, journal_readable::check),
    (&release_not_pending::CARD, release_not_pending::check),
    (&release_not_failed::CARD, release_not_failed::check),
    (&chart_digest::CARD, chart_digest::check),
    (&charts_signed::CARD, charts_signed::check),
    (&no_downgrade::CARD, no_downgrade::check),
    (&known_pair::CARD, known_pair::check),
    (&record_size::CARD, record_size::check),
    (&crd_duplicated::CARD, crd_duplicated::check),
    (&crd_in_both_charts::CARD, crd_in_both_charts::check),
    (&crds_removed::CARD, crds_removed::check),
    (&crds_dry_run::CARD, crds_dry_run::check),
    (&storage_migrating::CARD, storage_migrating::check),
    (&dropped_version_unused::CARD, dropped_version_unused::check),
    (&foreign_downgrade::CARD, foreign_downgrade::check),
    (&bundled_flux_crds::CARD, bundled_flux_crds::check),
    (&application_crds_served::CARD, application_crds_served::check),
    (&stored_manifest_served::CARD, stored_manifest_served::check),
    (&helm_would_delete_crds::CARD, helm_would_delete_crds::check),
    (&crd_ownership_metadata::CARD, crd_ownership_metadata::check),
    (&conversion_webhook_ready::CARD, conversion_webhook_ready::check),
    (&admission_webhooks_ready::CARD, admission_webhooks_ready::check),
    (&live_objects_fit::CARD, live_objects_fit::check),
    (&waivers_current::CARD, waivers_current::check),
    (&custom_resources_fit::CARD, custom_resources_fit::check),
    (&objects_dry_run::CARD, objects_dry_run::check),
    (&manual_changes::CARD, manual_changes::check),
    (&values_schema::CARD, values_schema::check),
    (&unknown_values::CARD, unknown_values::check),
    (&images_available::CARD, images_available::check),
    (&rollout_capacity::CARD, rollout_capacity::check),
    (&login_restarts::CARD, login_restarts::check),
];

/// Runs every guard.
#[must_use]
pub fn ask_all(admission: &GuardContext<'_>) -> Vec<CheckResult> {
    ALL.iter().map(|(_, check)| check(admission)).collect()
}

#[cfg(test)]
pub(crate) mod tests;
