//! A health check as data: its card, its reads and its function.
//!
//! Owns the type that every file of a section's folder defines as `CHECK`. The list of all checks is in `health_checks`.

use crate::checks::check_context::CheckContext;
use crate::model::check::{Card, CheckResult, Section};
use crate::model::health_inputs::ReadScope;

/// A health check as data. Each file of a section's folder defines one as `CHECK`.
#[derive(Debug, Clone, Copy)]
pub struct HealthCheck {
    /// Id, texts and level.
    pub card: &'static Card,
    /// What must be read from the cluster for it, besides the first view.
    pub reads: &'static [ReadScope],
    /// Whether its findings can disappear without anyone acting: an object is still starting, or a controller retries.
    pub heals_with_time: bool,
    /// Judges the observed installation.
    pub run: fn(&CheckContext<'_>) -> CheckResult,
}

impl HealthCheck {
    /// Whether time alone can resolve its findings. Flux installs every missing object of a release that it manages.
    #[must_use]
    pub const fn is_transient(&self, managed_by_flux: bool) -> bool {
        self.heals_with_time || (managed_by_flux && is_part_of_release(self.card.section))
    }
}

/// Whether the checks of this section look at objects that a release installs.
const fn is_part_of_release(section: Section) -> bool {
    match section {
        Section::Releases | Section::Crds | Section::Workloads | Section::Webhooks => true,
        Section::Guards
        | Section::CrdChanges
        | Section::Tools
        | Section::Cluster
        | Section::Ownership
        | Section::Flux
        | Section::Spokes
        | Section::Tenants
        | Section::Restarts => false,
    }
}
