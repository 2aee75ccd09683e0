//! From all that was seen to a list of steps. Pure: the same facts give the same plan.

use std::collections::BTreeMap;

use super::crd_plan::{CrdDecision, CrdPlan};
use super::flux::{self, FluxRoutes};
use super::{
    Action, ChartUpgrade, CrdMigration, ObjectChange, Step, StepId, UnchangedItem, UnchangedSubject, ValueChange,
};
use crate::model::chart::Digest;
use crate::model::release::ReleaseRecord;
use crate::model::release_role::ReleaseRole;
use crate::model::release_status::ReleaseStatus;

/// Written into a release's description, so that the record says which bytes it was made from.
const DIGEST_IN_DESCRIPTION: &str = "digest ";

/// What is known of one chart that may move.
#[derive(Debug, Clone)]
pub struct ChartState<'a> {
    /// Where it is and where it shall be.
    pub upgrade: &'a ChartUpgrade,
    /// The newest record, where there is one.
    pub record: Option<&'a ReleaseRecord>,
    /// The run of ours in which helm was cut off, where the newest record is pending because of it.
    pub interrupted_run: Option<&'a str>,
    /// The exact command that writes the release.
    pub command: Vec<String>,
    /// What happens to the objects of its manifest.
    pub objects: &'a [ObjectChange],
    /// What happens to its values.
    pub values: &'a [ValueChange],
}

/// What the steps are decided from.
#[derive(Debug, Clone)]
pub struct UpgradeFacts<'a> {
    /// The CRD chart, where it moves.
    pub crds_chart: Option<ChartState<'a>>,
    /// The application, where it moves.
    pub app: Option<ChartState<'a>>,
    /// Every CRD of the charts, and what becomes of it.
    pub crds: &'a [CrdPlan],
    /// Live CRDs that helm would delete, and that are to be kept.
    pub crds_to_annotate: &'a [String],
    /// The exact command that marks them.
    pub annotate_command: Vec<String>,
    /// What is moved out of versions that the charts drop.
    pub migrations: &'a [CrdMigration],
    /// The exact command that applies CRDs.
    pub apply_command: Vec<String>,
    /// The way through Flux, where Flux makes the releases.
    pub flux: Option<&'a FluxRoutes>,
    /// A run was cut off between the CRDs' apply and its proof: they are proved first, though nothing is applied.
    pub has_unverified_crds: bool,
}

/// The text of a release's description: what it is, and which bytes it was made from.
#[must_use]
pub fn build_description(digest: &Digest) -> String {
    format!("mural upgrade, {DIGEST_IN_DESCRIPTION}{}", digest.sha256)
}

/// Whether a release already is what it shall be: deployed, made from the same bytes, with the same values.
///
/// The bytes are known by the digest in the description; a release that somebody else made is the same where version and
/// whole manifest are.
#[must_use]
pub fn is_up_to_date(state: &ChartState<'_>) -> bool {
    let Some(record) = state.record.filter(|record| record.status == ReleaseStatus::Deployed) else { return false };
    if !state.values.is_empty() {
        return false;
    }
    match record.description.split_once(DIGEST_IN_DESCRIPTION) {
        Some((_, digest)) => digest.trim() == state.upgrade.digest.sha256,
        None => record.chart_version == state.upgrade.to && state.objects.is_empty(),
    }
}

/// Decides the steps, in the only order that is safe, and what is left alone.
#[must_use]
pub fn decide_upgrade(facts: &UpgradeFacts<'_>) -> (Vec<Step>, Vec<UnchangedItem>) {
    if let Some(routes) = facts.flux {
        return flux::decide_flux_upgrade(facts, routes);
    }
    let mut steps = Vec::new();
    let mut left_alone = Vec::new();
    push_annotate_step(facts, &mut steps);
    steps.extend(build_migrate_step(facts.migrations));
    push_crd_steps(facts, &mut steps, &mut left_alone);
    for (role, state) in [(ReleaseRole::Crds, &facts.crds_chart), (ReleaseRole::App, &facts.app)] {
        let Some(state) = state else { continue };
        let before = steps.len();
        push_release_step(role, state, &mut steps, &mut left_alone);
        push_template_steps(
            role,
            facts.crds,
            &state.upgrade.release,
            steps.len() > before,
            &mut steps,
            &mut left_alone,
        );
    }
    if !steps.is_empty() {
        steps.push(new_step(
            StepId::Validate,
            "look at everything again",
            Action::Validate,
            "what was written is looked at in the end",
        ));
    }
    (steps, left_alone)
}

pub(super) fn new_step(id: StepId, title: impl Into<String>, action: Action, because: impl Into<String>) -> Step {
    Step { id, title: title.into(), action, reason: because.into(), command: Vec::new() }
}

/// Before every write of helm's: what it would delete is marked first.
pub(super) fn push_annotate_step(facts: &UpgradeFacts<'_>, steps: &mut Vec<Step>) {
    if facts.crds_to_annotate.is_empty() {
        return;
    }
    let count = facts.crds_to_annotate.len();
    let title = format!("mark {count} CRD{} to be kept", plural_suffix(count));
    let because = "helm deletes what leaves a release's manifest, and with a CRD every object of its kind";
    let mut step =
        new_step(StepId::Keep, title, Action::AddKeepAnnotation { names: facts.crds_to_annotate.to_vec() }, because);
    step.command.clone_from(&facts.annotate_command);
    steps.push(step);
}

/// Before the CRD that drops a version: what is stored in it would be unreadable.
pub(super) fn build_migrate_step(migrations: &[CrdMigration]) -> Option<Step> {
    let descriptions = migrations.iter().map(|migration| {
        let bridge = if migration.needs_transitional_crd { " over a bridge" } else { "" };
        format!("{} {} → {}{bridge}", migration.name, migration.dropped_versions.join(", "), migration.target_version)
    });
    let summary = descriptions.collect::<Vec<_>>().join("; ");
    let because = if migrations.iter().any(|migration| migration.in_stored_versions) {
        "the chart drops a version in which objects may be stored"
    } else {
        "the chart drops a version: it is proved that nothing is stored in it, whatever storedVersions claims"
    };
    let action = Action::MigrateObjects { crds: migrations.to_vec() };
    (!migrations.is_empty()).then(|| new_step(StepId::Migrate, format!("migrate {summary}"), action, because))
}

/// CRDs that are templates: helm has written them with the release, so they are proved after it; never applied a second time by us.
fn push_template_steps(
    role: ReleaseRole,
    crds: &[CrdPlan],
    release: &str,
    written: bool,
    steps: &mut Vec<Step>,
    left_alone: &mut Vec<UnchangedItem>,
) {
    let changing =
        crds.iter().filter(|crd| crd.template_release.as_deref() == Some(release) && crd.decision.needs_write());
    let names: Vec<String> = changing.map(|crd| crd.name.clone()).collect();
    if names.is_empty() {
        return;
    }
    let count = names.len();
    if !written {
        let subject = UnchangedSubject::TemplateCrds { count, release: release.to_owned() };
        let because = "templates of its chart, which helm writes with the release: it stays as it is".to_owned();
        left_alone.push(UnchangedItem { subject, reason: because });
        return;
    }
    let title = format!("{count} CRD{} that helm wrote with {release}: established and served", plural_suffix(count));
    let because = "they are templates of the chart: helm wrote them, and says nothing of what is served";
    steps.push(new_step(StepId::ServedTemplates(role), title, Action::VerifyServedSchema { names }, because));
}

fn push_crd_steps(facts: &UpgradeFacts<'_>, steps: &mut Vec<Step>, left_alone: &mut Vec<UnchangedItem>) {
    let ours: Vec<&CrdPlan> = facts.crds.iter().filter(|crd| crd.template_release.is_none()).collect();
    let mut to_apply: Vec<&CrdPlan> = ours.iter().copied().filter(|crd| crd.decision.needs_write()).collect();
    // New kinds first, since nothing depends on them yet; CRDs that others may own last, when our own have gone well.
    to_apply.sort_by_key(|crd| (crd.third_party, crd.decision != CrdDecision::New, crd.name.clone()));
    let all: Vec<String> =
        ours.iter().filter(|crd| crd.decision != CrdDecision::RemovedFromChart).map(|crd| crd.name.clone()).collect();
    if to_apply.is_empty() && facts.has_unverified_crds && !all.is_empty() {
        let title = format!("{} CRDs established, names accepted, served with the chart's schema", all.len());
        let because = "they were applied by a run that was cut off before anybody proved that they are served";
        steps.push(new_step(StepId::Served, title, Action::VerifyServedSchema { names: all.clone() }, because));
    }
    if !to_apply.is_empty() {
        let names: Vec<String> = to_apply.iter().map(|crd| crd.name.clone()).collect();
        let because = "the charts' CRDs differ from the cluster's, and the application relies on them";
        let title = format!("apply {} CRD{}", names.len(), plural_suffix(names.len()));
        let mut apply = new_step(StepId::Crds, title, Action::ApplyCrds { names: names.clone() }, because);
        apply.command.clone_from(&facts.apply_command);
        steps.push(apply);
        let because = "Established was already true before: only the served schema proves an update";
        let title =
            format!("{} CRDs established, names accepted, {} served with the chart's schema", all.len(), names.len());
        steps.push(new_step(StepId::Served, title, Action::VerifyServedSchema { names: all }, because));
    }
    left_alone.extend(skip_unchanged_crds(facts.crds));
    left_alone.extend(facts.crds.iter().filter(|crd| crd.decision == CrdDecision::RemovedFromChart).map(|crd| {
        UnchangedItem {
            subject: UnchangedSubject::Crd(crd.name.clone()),
            reason: "no longer in the chart; a CRD is never deleted, since its objects would go with it".to_owned(),
        }
    }));
}

/// CRDs that no write touches.
pub(super) fn skip_unchanged_crds(crds: &[CrdPlan]) -> Option<UnchangedItem> {
    skip_crds_with(crds, CrdDecision::Unchanged, "equal to the chart's: not written, so no watch ends")
}

fn skip_crds_with(crds: &[CrdPlan], decision: CrdDecision, because: &str) -> Option<UnchangedItem> {
    let count = crds.iter().filter(|crd| crd.decision == decision).count();
    (count > 0).then(|| UnchangedItem { subject: UnchangedSubject::Crds(count), reason: because.to_owned() })
}

pub(super) const fn plural_suffix(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn push_release_step(
    role: ReleaseRole,
    state: &ChartState<'_>,
    steps: &mut Vec<Step>,
    left_alone: &mut Vec<UnchangedItem>,
) {
    let release = &state.upgrade.release;
    if is_up_to_date(state) {
        let because = "same chart bytes, same values, deployed".to_owned();
        let subject = UnchangedSubject::Release { release: release.clone(), version: state.upgrade.to.clone() };
        left_alone.push(UnchangedItem { subject, reason: because });
        return;
    }
    steps.extend(build_unlock_step(role, state));
    let status = state.record.map_or(&ReleaseStatus::Deployed, |record| &record.status);
    let from =
        state.upgrade.from.as_ref().map_or_else(|| "no release".to_owned(), |from| format!("{from} is {status}"));
    let (id, title, action, because) = match role {
        ReleaseRole::Crds => (
            StepId::Record,
            format!("record {release} {}", state.upgrade.to),
            Action::RecordRelease { release: release.clone() },
            format!("{from}: without a record of {}, helm status would tell what was", state.upgrade.to),
        ),
        ReleaseRole::App => (
            StepId::Release(role),
            format!("upgrade {release} to {} and wait", state.upgrade.to),
            Action::UpgradeRelease { release: release.clone() },
            describe_reason(state, &from),
        ),
    };
    let mut next = new_step(id, title, action, because);
    next.command.clone_from(&state.command);
    steps.push(next);
}

/// helm refuses a release whose newest revision is pending, whoever is to blame.
fn build_unlock_step(role: ReleaseRole, state: &ChartState<'_>) -> Option<Step> {
    let (record, run) = (state.record?, state.interrupted_run?);
    let (release, revision) = (state.upgrade.release.clone(), record.revision);
    let title = format!("mark revision {revision} of {release} failed, which is {}", record.status);
    let because = format!("helm was cut off in it by the end of our run {run}, which lives no more");
    Some(new_step(StepId::Unlock(role), title, Action::UnlockRelease { release, revision }, because))
}

fn describe_reason(state: &ChartState<'_>, from: &str) -> String {
    let mut reasons = vec![from.to_owned()];
    let mut by_verb: BTreeMap<&str, usize> = BTreeMap::new();
    for change in state.objects {
        let verb = match change.change {
            super::ObjectChangeKind::Create => "created",
            super::ObjectChangeKind::Update => "changed",
            super::ObjectChangeKind::Delete => "removed",
        };
        *by_verb.entry(verb).or_default() += 1;
    }
    reasons.extend(by_verb.iter().map(|(verb, count)| format!("{count} object{} {verb}", plural_suffix(*count))));
    if !state.values.is_empty() {
        reasons.push(format!("{} value{} changed", state.values.len(), plural_suffix(state.values.len())));
    }
    reasons.join(", ")
}

#[cfg(test)]
impl UpgradeFacts<'_> {
    /// Nothing is known, and nothing is to be done.
    pub(super) const fn empty() -> Self {
        UpgradeFacts {
            crds_chart: None,
            app: None,
            crds: &[],
            crds_to_annotate: &[],
            migrations: &[],
            annotate_command: Vec::new(),
            apply_command: Vec::new(),
            flux: None,
            has_unverified_crds: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::chart::DigestKind;
    use crate::model::owner::Owner;

    fn chart_upgrade(to: &str) -> ChartUpgrade {
        ChartUpgrade {
            release: "mural".into(),
            owner: Owner::Helm,
            from: Some("1.0.0".into()),
            revision: Some(1),
            to: to.into(),
            chart: "oci://a.example/mural".into(),
            digest: Digest::from_bytes(b"bytes", DigestKind::Manifest),
        }
    }

    fn record(status: &str, description: &str) -> ReleaseRecord {
        let record = ReleaseRecord::sample("mural", "1.1.0");
        ReleaseRecord { revision: 1, status: status.into(), description: description.into(), ..record }
    }

    fn state<'a>(moves: &'a ChartUpgrade, record: &'a ReleaseRecord, values: &'a [ValueChange]) -> ChartState<'a> {
        ChartState {
            upgrade: moves,
            record: Some(record),
            interrupted_run: None,
            command: Vec::new(),
            objects: &[],
            values,
        }
    }

    fn empty_facts() -> UpgradeFacts<'static> {
        UpgradeFacts::empty()
    }

    fn crd(name: &str, decision: CrdDecision, foreign: bool) -> CrdPlan {
        CrdPlan {
            name: name.into(),
            decision,
            third_party: foreign,
            template_release: None,
            notes: Vec::new(),
            forced_conflicts: BTreeMap::new(),
        }
    }

    #[test]
    fn the_same_bytes_and_values_are_nothing_to_do() {
        let target = chart_upgrade("1.1.0");
        let ours = record("deployed", &build_description(&target.digest));
        assert!(is_up_to_date(&state(&target, &ours, &[])));
        let other_bytes = record("deployed", "mural upgrade, digest sha256:00");
        assert!(!is_up_to_date(&state(&target, &other_bytes, &[])));
        let failed = record("failed", &build_description(&target.digest));
        assert!(!is_up_to_date(&state(&target, &failed, &[])));
        let value = [ValueChange { key: "a".into(), old: None, new: Some("1".into()) }];
        assert!(!is_up_to_date(&state(&target, &ours, &value)));
        let by_hand = record("deployed", "Upgrade complete");
        assert!(is_up_to_date(&state(&target, &by_hand, &[])));
        assert!(!is_up_to_date(&state(&chart_upgrade("1.2.0"), &by_hand, &[])));
    }

    #[test]
    fn crds_are_applied_and_proved_before_the_application_and_foreign_ones_last() {
        let crds = [
            crd("a.foreign.io", CrdDecision::New, true),
            crd("b.spectrocloud.com", CrdDecision::Safe, false),
            crd("c.spectrocloud.com", CrdDecision::New, false),
            crd("d.spectrocloud.com", CrdDecision::Unchanged, false),
            crd("e.spectrocloud.com", CrdDecision::RemovedFromChart, false),
        ];
        let (target, was) = (chart_upgrade("1.1.0"), record("deployed", "mural upgrade, digest sha256:00"));
        let app = Some(state(&target, &was, &[]));
        let facts = UpgradeFacts { crds_chart: app.clone(), app, crds: &crds, ..empty_facts() };
        let (steps, left_alone) = decide_upgrade(&facts);
        assert_eq!(super::super::order::check_order(&steps), Ok(()));
        let ids: Vec<&str> = steps.iter().map(|step| step.id.as_str()).collect();
        assert_eq!(ids, ["crds", "served", "record", "mural", "validate"]);
        let Action::ApplyCrds { names } = &steps[0].action else { panic!("the CRDs come first") };
        assert_eq!(names, &["c.spectrocloud.com", "b.spectrocloud.com", "a.foreign.io"]);
        assert_eq!(left_alone.len(), 2);
    }

    #[test]
    fn what_helm_would_delete_is_marked_before_anything_else() {
        let (target, was) = (chart_upgrade("1.1.0"), record("deployed", "mural upgrade, digest sha256:00"));
        let (crds, keep) = ([crd("b.spectrocloud.com", CrdDecision::Safe, false)], ["c.spectrocloud.com".to_owned()]);
        let app = Some(state(&target, &was, &[]));
        let (steps, _) = decide_upgrade(&UpgradeFacts { app, crds: &crds, crds_to_annotate: &keep, ..empty_facts() });
        let ids: Vec<&str> = steps.iter().map(|step| step.id.as_str()).collect();
        assert_eq!(ids, ["keep", "crds", "served", "mural", "validate"]);
        assert_eq!(super::super::order::check_order(&steps), Ok(()));
    }

    #[test]
    fn a_crd_that_is_a_template_is_written_by_helm_and_proved_by_us() {
        let (target, was) = (chart_upgrade("1.1.0"), record("deployed", "mural upgrade, digest sha256:00"));
        let template = CrdPlan { template_release: Some("mural".into()), ..crd("b.x", CrdDecision::Safe, true) };
        let app = Some(state(&target, &was, &[]));
        let (steps, _) = decide_upgrade(&UpgradeFacts { app, crds: std::slice::from_ref(&template), ..empty_facts() });
        let ids: Vec<&str> = steps.iter().map(|step| step.id.as_str()).collect();
        assert_eq!(ids, ["mural", "served-mural", "validate"]);
        let same = record("deployed", &build_description(&target.digest));
        let app = Some(state(&target, &same, &[]));
        let (steps, left_alone) = decide_upgrade(&UpgradeFacts { app, crds: &[template], ..empty_facts() });
        assert!(steps.is_empty() && left_alone.iter().any(|left| left.reason.contains("templates of its chart")));
    }

    #[test]
    fn what_our_run_left_pending_is_unlocked_right_before_its_own_step() {
        let (target, was) = (chart_upgrade("1.1.0"), record("pending-upgrade", ""));
        let app = Some(ChartState { interrupted_run: Some("7"), ..state(&target, &was, &[]) });
        let (steps, _) = decide_upgrade(&UpgradeFacts { app, ..empty_facts() });
        let ids: Vec<&str> = steps.iter().map(|step| step.id.as_str()).collect();
        assert_eq!(ids, ["unlock-mural", "mural", "validate"]);
        assert_eq!(steps[0].action, Action::UnlockRelease { release: "mural".into(), revision: 1 });
        assert!(steps[0].reason.contains("run 7"), "{}", steps[0].reason);
    }

    #[test]
    fn crds_that_nobody_proved_are_proved_before_the_application() {
        let (target, was) = (chart_upgrade("1.1.0"), record("deployed", "mural upgrade, digest sha256:00"));
        let crds = [crd("b.spectrocloud.com", CrdDecision::Unchanged, false)];
        let app = Some(state(&target, &was, &[]));
        let (steps, _) = decide_upgrade(&UpgradeFacts { app, crds: &crds, has_unverified_crds: true, ..empty_facts() });
        let ids: Vec<&str> = steps.iter().map(|step| step.id.as_str()).collect();
        assert_eq!(ids, ["served", "mural", "validate"]);
    }

    /// A release may have the name of a step.
    #[test]
    fn each_step_has_an_id_of_its_own_whatever_the_release_is_called() {
        let was = record("deployed", "mural upgrade, digest sha256:00");
        let crds = [crd("b.spectrocloud.com", CrdDecision::Safe, false)];
        for name in ["served", "crds", "record", "validate"] {
            let target = ChartUpgrade { release: name.into(), ..chart_upgrade("1.1.0") };
            let app = Some(state(&target, &was, &[]));
            let (steps, _) = decide_upgrade(&UpgradeFacts { app, crds: &crds, ..empty_facts() });
            let ids: BTreeSet<StepId> = steps.iter().map(|step| step.id).collect();
            assert_eq!(ids.len(), steps.len(), "--release {name}: {steps:?}");
        }
    }

    #[test]
    fn nothing_to_write_is_no_step_at_all() {
        assert!(decide_upgrade(&empty_facts()).0.is_empty());
    }
}
