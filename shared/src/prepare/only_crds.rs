//! Reduces an upgrade to its CRDs: everything that helm would write is left to helm.

use crate::guards;
use crate::model::task::Task;
use crate::plan::StepId;
use crate::prepare::prepared::{ApplyCrdsWork, Prepared, Work};

/// The part of a prepared upgrade that writes CRDs; `None` if it does not move the CRD chart.
#[must_use]
pub fn retain_crd_steps(prepared: Prepared) -> Option<Prepared> {
    let Prepared { session, mut plan, work: Work::Upgrade(upgrade) } = prepared else { return None };
    upgrade.charts.crds.as_ref()?;
    // CRDs that helm writes with the release are verified with it.
    plan.steps.retain(|step| match step.id {
        StepId::Migrate | StepId::Crds | StepId::Served => true,
        StepId::AnnotateKeep
        | StepId::ServedTemplates(_)
        | StepId::Unlock(_)
        | StepId::Adopt(_)
        | StepId::Record
        | StepId::Release(_)
        | StepId::Source(_)
        | StepId::Manifests(_)
        | StepId::Suspend
        | StepId::Resume
        | StepId::Ready
        | StepId::Objects
        | StepId::RemoveKeepAnnotation
        | StepId::DiscardRuns
        | StepId::Validate => false,
    });
    plan.guards.retain(|result| guards::list_guards(Task::ApplyCrds).any(|guard| guard.card.id == result.check));
    plan.unchanged_items.retain(|left| !left.subject.is_release());
    let work = Work::ApplyCrds(ApplyCrdsWork { crds: upgrade.charts.desired_crds });
    Some(Prepared { session, plan, work })
}
