//! Decides the steps of an upgrade from facts. Pure: the same facts give the same plan.
//!
//! `crd_steps` and `release_steps` build the steps of one subject each; this file has the facts and the order.

mod crd_steps;
mod release_steps;

use super::adoption::Adoption;
use super::crd_plan::CrdPlan;
use super::flux::{self, FluxRoutes};
use super::{Action, ChartUpgrade, CrdMigration, ObjectChange, Step, StepId, UnchangedItem, ValueChange};
use crate::model::object::ObjectRef;
use crate::model::release::ReleaseRecord;
use crate::model::release_role::ReleaseRole;

pub(super) use crd_steps::{build_migrate_step, push_annotate_step, skip_unchanged_crds};
pub use release_steps::{build_description, is_up_to_date};

/// The facts about one chart that may move.
#[derive(Debug, Clone)]
pub struct ChartState<'a> {
    /// The installed and the wanted version.
    pub upgrade: &'a ChartUpgrade,
    /// The newest record, if there is one.
    pub record: Option<&'a ReleaseRecord>,
    /// The interrupted run whose helm left the newest record pending.
    pub interrupted_run: Option<&'a str>,
    /// The exact command that writes the release.
    pub command: Vec<String>,
    /// The changes of its manifest's objects.
    pub objects: &'a [ObjectChange],
    /// The changes of its values.
    pub values: &'a [ValueChange],
    /// Jobs of its manifest that failed: an earlier try of the same upgrade did not succeed.
    pub failed_jobs: &'a [String],
    /// Objects of its manifest that are not on the cluster: helm creates them again.
    pub missing_objects: &'a [ObjectRef],
}

/// The facts that the steps are decided from.
#[derive(Debug, Clone)]
pub struct UpgradeFacts<'a> {
    /// The CRD chart, if it moves.
    pub crds_chart: Option<ChartState<'a>>,
    /// The application, if it moves.
    pub app: Option<ChartState<'a>>,
    /// The decision about every CRD of the charts.
    pub crds: &'a [CrdPlan],
    /// Live CRDs that helm would delete without the keep annotation.
    pub crds_to_annotate: &'a [String],
    /// The exact command that annotates them.
    pub annotate_command: Vec<String>,
    /// The migrations out of versions that the charts drop.
    pub migrations: &'a [CrdMigration],
    /// The exact command that applies CRDs.
    pub apply_command: Vec<String>,
    /// What helm must own before it writes each release.
    pub adoptions: &'a [Adoption],
    /// The routes through Flux, if Flux owns the releases.
    pub flux: Option<&'a FluxRoutes>,
    /// An interrupted run applied CRDs and did not verify them: the plan verifies them first, even if it applies none.
    pub has_unverified_crds: bool,
}

impl UpgradeFacts<'_> {
    const fn chart_state(&self, role: ReleaseRole) -> Option<&ChartState<'_>> {
        match role {
            ReleaseRole::Crds => self.crds_chart.as_ref(),
            ReleaseRole::App => self.app.as_ref(),
        }
    }

    /// Whether the plan writes the release. A release whose record is right is written again if CRDs of its templates differ on the
    /// cluster, for example after a rollback that kept the record: helm repairs them.
    fn writes_release(&self, role: ReleaseRole) -> bool {
        let Some(state) = self.chart_state(role) else { return false };
        !is_up_to_date(state) || self.count_changed_templates(&state.upgrade.release) > 0
    }

    /// The number of CRDs among the templates of a release that differ from the chart.
    fn count_changed_templates(&self, release: &str) -> usize {
        let is_changed =
            |crd: &&CrdPlan| crd.template_release.as_deref() == Some(release) && crd.decision.needs_write();
        self.crds.iter().filter(is_changed).count()
    }
}

/// Decides the steps in the only safe order, and what stays unchanged.
#[must_use]
pub fn decide_upgrade(facts: &UpgradeFacts<'_>) -> (Vec<Step>, Vec<UnchangedItem>) {
    if let Some(routes) = facts.flux {
        return flux::decide_flux_upgrade(facts, routes);
    }
    let mut steps = Vec::new();
    let mut left_alone = Vec::new();
    push_annotate_step(facts, &mut steps);
    steps.extend(build_migrate_step(facts.migrations));
    crd_steps::push_crd_steps(facts, &mut steps, &mut left_alone);
    for role in [ReleaseRole::Crds, ReleaseRole::App] {
        let Some(state) = facts.chart_state(role) else { continue };
        let before = steps.len();
        crd_steps::push_adopt_step(facts, role, &mut steps);
        release_steps::push_release_step(facts, role, state, &mut steps, &mut left_alone);
        if steps.len() > before {
            crd_steps::push_template_steps(role, facts.crds, &state.upgrade.release, &mut steps);
        }
    }
    if !steps.is_empty() {
        steps.push(new_step(
            StepId::Validate,
            "run the final check",
            Action::Validate,
            "the final check verifies what was written",
        ));
    }
    (steps, left_alone)
}

pub(super) fn new_step(id: StepId, title: impl Into<String>, action: Action, because: impl Into<String>) -> Step {
    Step { id, title: title.into(), action, reason: because.into(), command: Vec::new() }
}

pub(super) const fn plural_suffix(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[cfg(test)]
impl UpgradeFacts<'_> {
    /// No facts: there is nothing to do.
    pub(super) const fn empty() -> Self {
        UpgradeFacts {
            crds_chart: None,
            app: None,
            crds: &[],
            crds_to_annotate: &[],
            migrations: &[],
            annotate_command: Vec::new(),
            apply_command: Vec::new(),
            adoptions: &[],
            flux: None,
            has_unverified_crds: false,
        }
    }
}

#[cfg(test)]
mod tests;
