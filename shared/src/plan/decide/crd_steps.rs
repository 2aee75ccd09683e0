//! The steps that write or verify CRDs: keep annotations, migrations, the apply and the served schemas.

use super::{UpgradeFacts, new_step, plural_suffix};
use crate::model::release_role::ReleaseRole;
use crate::model::text_format::format_count;
use crate::plan::adoption::Adoption;
use crate::plan::crd_plan::{CrdDecision, CrdPlan};
use crate::plan::{Action, CrdMigration, Step, StepId, UnchangedItem, UnchangedSubject};

/// Before helm writes anything: annotates the CRDs that helm would delete.
pub(in crate::plan) fn push_annotate_step(facts: &UpgradeFacts<'_>, steps: &mut Vec<Step>) {
    if facts.crds_to_annotate.is_empty() {
        return;
    }
    let count = facts.crds_to_annotate.len();
    let title = format!("annotate {count} CRD{} with helm.sh/resource-policy: keep", plural_suffix(count));
    let because = "helm deletes a CRD that leaves a release's manifest, and every object of its kind";
    let mut step = new_step(
        StepId::AnnotateKeep,
        title,
        Action::AddKeepAnnotation { names: facts.crds_to_annotate.to_vec() },
        because,
    );
    step.command.clone_from(&facts.annotate_command);
    steps.push(step);
}

/// Before a CRD drops a version: objects stored in it would become unreadable.
pub(in crate::plan) fn build_migrate_step(migrations: &[CrdMigration]) -> Option<Step> {
    let descriptions = migrations.iter().map(|migration| {
        let suffix = if migration.needs_transitional_crd { " with a transitional CRD" } else { "" };
        format!("{} {} → {}{suffix}", migration.name, migration.dropped_versions.join(", "), migration.target_version)
    });
    let summary = descriptions.collect::<Vec<_>>().join("; ");
    let because = if migrations.iter().any(|migration| migration.in_stored_versions) {
        "the chart drops a version in which objects may be stored"
    } else {
        "the chart drops a version; the migration verifies that no object is stored in it, whatever storedVersions says"
    };
    let action = Action::MigrateObjects { crds: migrations.to_vec() };
    (!migrations.is_empty()).then(|| new_step(StepId::Migrate, format!("migrate {summary}"), action, because))
}

/// Before helm writes a release: it refuses objects and fields that kubectl owns.
pub(super) fn push_adopt_step(facts: &UpgradeFacts<'_>, role: ReleaseRole, steps: &mut Vec<Step>) {
    let adoption = facts.adoptions.iter().find(|adoption| adoption.role == role && !adoption.objects.is_empty());
    let Some(Adoption { release, apply_method, objects, .. }) = adoption.filter(|_| facts.writes_release(role)) else {
        return;
    };
    let title = format!("make helm the owner of {} object{} of {release}", objects.len(), plural_suffix(objects.len()));
    let because = "kubectl applied them, by the vendor's upgrade guide or in a run of this program; helm refuses objects \
        and fields of another owner";
    let action =
        Action::AdoptObjects { release: release.clone(), apply_method: *apply_method, objects: objects.clone() };
    steps.push(new_step(StepId::Adopt(role), title, action, because));
}

/// Whether this program applies a CRD: one of a `crds/` folder, and a template that helm would leave as it is.
fn is_applied_by_us(facts: &UpgradeFacts<'_>, crd: &CrdPlan) -> bool {
    let Some(release) = &crd.template_release else { return true };
    facts.adoptions.iter().any(|adoption| {
        adoption.release == *release
            && adoption.crds_to_apply.contains(&crd.name)
            && facts.writes_release(adoption.role)
    })
}

/// CRDs that are templates of a chart: helm has written them with the release, so this program only verifies them.
pub(super) fn push_template_steps(role: ReleaseRole, crds: &[CrdPlan], release: &str, steps: &mut Vec<Step>) {
    let changing =
        crds.iter().filter(|crd| crd.template_release.as_deref() == Some(release) && crd.decision.needs_write());
    let names: Vec<String> = changing.map(|crd| crd.name.clone()).collect();
    if names.is_empty() {
        return;
    }
    let count = names.len();
    let title =
        format!("verify {count} CRD{} of the templates of {release}: established and served", plural_suffix(count));
    let because = "helm does not verify that the API server serves the CRDs that it writes";
    steps.push(new_step(StepId::ServedTemplates(role), title, Action::VerifyServedSchema { names }, because));
}

pub(super) fn push_crd_steps(facts: &UpgradeFacts<'_>, steps: &mut Vec<Step>, left_alone: &mut Vec<UnchangedItem>) {
    let ours: Vec<&CrdPlan> = facts.crds.iter().filter(|crd| is_applied_by_us(facts, crd)).collect();
    let mut to_apply: Vec<&CrdPlan> = ours.iter().copied().filter(|crd| crd.decision.needs_write()).collect();
    // New kinds first, since nothing depends on them yet; CRDs that others may own last, after our own have succeeded.
    to_apply.sort_by_key(|crd| (crd.third_party, crd.decision != CrdDecision::New, crd.name.clone()));
    let all: Vec<String> =
        ours.iter().filter(|crd| crd.decision != CrdDecision::RemovedFromChart).map(|crd| crd.name.clone()).collect();
    if to_apply.is_empty() && facts.has_unverified_crds && !all.is_empty() {
        let title = format!(
            "verify {}: established, names accepted, served with the chart's schema",
            format_count(all.len(), "CRD")
        );
        let because = "an interrupted run applied them and did not verify that the API server serves them";
        steps.push(new_step(StepId::Served, title, Action::VerifyServedSchema { names: all.clone() }, because));
    }
    if !to_apply.is_empty() {
        let names: Vec<String> = to_apply.iter().map(|crd| crd.name.clone()).collect();
        let because = "the charts' CRDs differ from the cluster's, and the application needs them";
        let title = format!("apply {} CRD{}", names.len(), plural_suffix(names.len()));
        let mut apply = new_step(StepId::Crds, title, Action::ApplyCrds { names: names.clone() }, because);
        apply.command.clone_from(&facts.apply_command);
        steps.push(apply);
        let because = "Established was true before the update; only the served schema verifies it";
        let title = format!(
            "verify {}: established, names accepted, {} served with the chart's schema",
            format_count(all.len(), "CRD"),
            names.len()
        );
        steps.push(new_step(StepId::Served, title, Action::VerifyServedSchema { names: all }, because));
    }
    left_alone.extend(skip_unchanged_crds(facts.crds));
    left_alone.extend(facts.crds.iter().filter(|crd| crd.decision == CrdDecision::RemovedFromChart).map(|crd| {
        UnchangedItem {
            subject: UnchangedSubject::Crd(crd.name.clone()),
            reason: "no longer in the chart; no CRD is ever deleted, because its objects would be deleted too"
                .to_owned(),
        }
    }));
}

/// CRDs that no write touches.
pub(in crate::plan) fn skip_unchanged_crds(crds: &[CrdPlan]) -> Option<UnchangedItem> {
    skip_crds_with(crds, CrdDecision::Unchanged, "same content as in the chart; not written")
}

fn skip_crds_with(crds: &[CrdPlan], decision: CrdDecision, because: &str) -> Option<UnchangedItem> {
    let count = crds.iter().filter(|crd| crd.decision == decision).count();
    (count > 0).then(|| UnchangedItem { subject: UnchangedSubject::Crds(count), reason: because.to_owned() })
}
