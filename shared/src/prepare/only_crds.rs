//! An upgrade that writes CRDs and nothing else: what helm would do is left to helm.

use crate::guards::{
    application_crds_served, bundled_flux_crds, helm_would_delete_crds, installed, journal_readable, known_pair,
    permissions, record_size, release_not_failed, release_not_pending,
};
use crate::plan::StepId;
use crate::prepare::prepared::{ApplyCrdsWork, Prepared, Work};

/// Guards that ask about releases: no release is written. Whether CRDs may be written, their dry-runs tell.
const RELEASE_GUARDS: [&str; 10] = [
    installed::CARD.id,
    journal_readable::CARD.id,
    release_not_pending::CARD.id,
    release_not_failed::CARD.id,
    helm_would_delete_crds::CARD.id,
    application_crds_served::CARD.id,
    known_pair::CARD.id,
    bundled_flux_crds::CARD.id,
    permissions::CARD.id,
    record_size::CARD.id,
];

/// The part of a prepared upgrade that writes CRDs; `None` if it does not move the CRD chart.
#[must_use]
pub fn retain_crd_steps(prepared: Prepared) -> Option<Prepared> {
    let Prepared { session, mut plan, work: Work::Upgrade(upgrade) } = prepared else { return None };
    upgrade.charts.crds.as_ref()?;
    // A chart's CRDs that helm writes with the release are verified with it.
    plan.steps.retain(|step| match step.id {
        StepId::Migrate | StepId::Crds | StepId::Served => true,
        StepId::Keep
        | StepId::ServedTemplates(_)
        | StepId::Unlock(_)
        | StepId::Record
        | StepId::Release(_)
        | StepId::Source(_)
        | StepId::Manifests(_)
        | StepId::Suspend
        | StepId::Resume
        | StepId::Ready
        | StepId::Objects
        | StepId::RemoveKeep
        | StepId::DiscardRuns
        | StepId::Validate => false,
    });
    plan.guards.retain(|guard| !RELEASE_GUARDS.contains(&guard.check));
    plan.unchanged_items.retain(|left| !left.subject.is_release());
    let work = Work::ApplyCrds(ApplyCrdsWork { crds: upgrade.charts.desired_crds });
    Some(Prepared { session, plan, work })
}
