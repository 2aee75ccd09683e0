//! Admission guards: they judge the planned state, all before the first write. One file a guard, one list.

pub mod bundle_holds_targets;
pub mod bundled_flux_fits;
pub mod chart_digest;
pub mod charts_signed;
pub mod context;
pub mod conversion_webhook_comes_later;
pub mod crd_in_both_charts;
pub mod crd_ownership_metadata;
pub mod crd_twice;
pub mod crds_before_application;
pub mod crds_dry_run;
pub mod crds_gone;
pub mod custom_resources_fit;
pub mod dropped_version_proved;
pub mod flux_at_rest;
pub mod flux_controllers;
pub mod flux_crd_policy;
pub mod flux_not_suspended;
pub mod flux_one_maker;
pub mod flux_plain_secrets;
pub mod flux_post_renderers;
pub mod flux_source_pinned;
pub mod flux_source_usable;
pub mod foreign_downgrade;
pub mod hand_made_changes;
pub mod helm_would_delete_crds;
pub mod images_resolve;
pub mod installed;
pub mod journal_readable;
pub mod known_pair;
pub mod live_objects_fit;
pub mod login_restarts;
pub mod no_downgrade;
pub mod objects_dry_run;
pub mod one_cluster;
pub mod owner_is_helm;
pub mod permissions;
pub mod record_size;
pub mod release_not_failed;
pub mod release_not_pending;
pub mod room_for_surge;
pub mod saved_plan_holds;
pub mod storage_migrating;
pub mod stored_manifest_served;
pub mod tools_versions;
pub mod unknown_values;
pub mod values_schema;
pub mod waivers_current;
pub mod webhooks_alive;

use crate::model::check::{Card, CheckResult};

pub use context::{ChartFacts, GuardContext};

type Guard = (&'static Card, fn(&GuardContext<'_>) -> CheckResult);

/// Every admission guard, in the order in which they are shown.
pub const ALL: [Guard; 48] = [
    (&tools_versions::CARD, tools_versions::check),
    (&one_cluster::CARD, one_cluster::check),
    (&saved_plan_holds::CARD, saved_plan_holds::check),
    (&owner_is_helm::CARD, owner_is_helm::check),
    (&flux_one_maker::CARD, flux_one_maker::check),
    (&flux_source_usable::CARD, flux_source_usable::check),
    (&flux_not_suspended::CARD, flux_not_suspended::check),
    (&flux_crd_policy::CARD, flux_crd_policy::check),
    (&flux_at_rest::CARD, flux_at_rest::check),
    (&flux_controllers::CARD, flux_controllers::check),
    (&flux_source_pinned::CARD, flux_source_pinned::check),
    (&flux_plain_secrets::CARD, flux_plain_secrets::check),
    (&flux_post_renderers::CARD, flux_post_renderers::check),
    (&bundle_holds_targets::CARD, bundle_holds_targets::check),
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
    (&crd_twice::CARD, crd_twice::check),
    (&crd_in_both_charts::CARD, crd_in_both_charts::check),
    (&crds_gone::CARD, crds_gone::check),
    (&crds_dry_run::CARD, crds_dry_run::check),
    (&storage_migrating::CARD, storage_migrating::check),
    (&dropped_version_proved::CARD, dropped_version_proved::check),
    (&foreign_downgrade::CARD, foreign_downgrade::check),
    (&bundled_flux_fits::CARD, bundled_flux_fits::check),
    (&crds_before_application::CARD, crds_before_application::check),
    (&stored_manifest_served::CARD, stored_manifest_served::check),
    (&helm_would_delete_crds::CARD, helm_would_delete_crds::check),
    (&crd_ownership_metadata::CARD, crd_ownership_metadata::check),
    (&conversion_webhook_comes_later::CARD, conversion_webhook_comes_later::check),
    (&webhooks_alive::CARD, webhooks_alive::check),
    (&live_objects_fit::CARD, live_objects_fit::check),
    (&waivers_current::CARD, waivers_current::check),
    (&custom_resources_fit::CARD, custom_resources_fit::check),
    (&objects_dry_run::CARD, objects_dry_run::check),
    (&hand_made_changes::CARD, hand_made_changes::check),
    (&values_schema::CARD, values_schema::check),
    (&unknown_values::CARD, unknown_values::check),
    (&images_resolve::CARD, images_resolve::check),
    (&room_for_surge::CARD, room_for_surge::check),
    (&login_restarts::CARD, login_restarts::check),
];

/// Asks every guard.
#[must_use]
pub fn ask_all(admission: &GuardContext<'_>) -> Vec<CheckResult> {
    ALL.iter().map(|(_, check)| check(admission)).collect()
}

#[cfg(test)]
mod tests;
