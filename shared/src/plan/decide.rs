//! From all that was seen to a list of steps. Pure: the same facts give the same plan.

use std::collections::BTreeMap;

use super::crds::{CrdDecision, CrdPlan};
use super::flux::{self, Ways};
use super::{Action, ChartMove, LeftAlone, Migration, ObjectChange, Step, ValueChange};
use crate::model::chart::Digest;
use crate::model::release::ReleaseRecord;

/// Written into a release's description, so that the record says which bytes it was made from.
const DIGEST_IN_DESCRIPTION: &str = "digest ";

/// What is known of one chart that may move.
#[derive(Debug, Clone)]
pub struct ChartState<'a> {
    /// Where it is and where it shall be.
    pub moves: &'a ChartMove,
    /// The newest record, where there is one.
    pub record: Option<&'a ReleaseRecord>,
    /// The run of ours in which helm was cut off, where the newest record is pending because of it.
    pub cut_off: Option<&'a str>,
    /// The exact command that writes the release.
    pub command: Vec<String>,
    /// What happens to the objects of its manifest.
    pub objects: &'a [ObjectChange],
    /// What happens to its values.
    pub values: &'a [ValueChange],
}

/// What the steps are decided from.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// The CRD chart, where it moves.
    pub crds_chart: Option<ChartState<'a>>,
    /// The application, where it moves.
    pub app: Option<ChartState<'a>>,
    /// Every CRD of the charts, and what becomes of it.
    pub crds: &'a [CrdPlan],
    /// Live CRDs that helm would delete, and that are to be kept.
    pub keep: &'a [String],
    /// The exact command that marks them.
    pub keep_command: Vec<String>,
    /// What is moved out of versions that the charts drop.
    pub migrate: &'a [Migration],
    /// The exact command that applies CRDs.
    pub apply_command: Vec<String>,
    /// The way through Flux, where Flux makes the releases.
    pub flux: Option<&'a Ways>,
    /// A run was cut off between the CRDs' apply and its proof: they are proved first, though nothing is applied.
    pub unproved: bool,
}

/// The text of a release's description: what it is, and which bytes it was made from.
#[must_use]
pub fn description(digest: &Digest) -> String {
    format!("mural upgrade, {DIGEST_IN_DESCRIPTION}{}", digest.sha256)
}

/// Whether a release already is what it shall be: deployed, made from the same bytes, with the same values.
///
/// The bytes are known by the digest in the description; a release that somebody else made is the same where version and
/// whole manifest are.
#[must_use]
pub fn nothing_to_do(state: &ChartState<'_>) -> bool {
    let Some(record) = state.record.filter(|record| record.status == "deployed") else { return false };
    if !state.values.is_empty() {
        return false;
    }
    match record.description.split_once(DIGEST_IN_DESCRIPTION) {
        Some((_, digest)) => digest.trim() == state.moves.digest.sha256,
        None => record.chart_version == state.moves.to && state.objects.is_empty(),
    }
}

/// Decides the steps, in the only order that is safe, and what is left alone.
#[must_use]
pub fn decide(facts: &Facts<'_>) -> (Vec<Step>, Vec<LeftAlone>) {
    if let Some(ways) = facts.flux {
        return flux::decide(facts, ways);
    }
    let mut steps = Vec::new();
    let mut left_alone = Vec::new();
    keep_step(facts, &mut steps);
    steps.extend(migrate_step(facts.migrate));
    crd_steps(facts, &mut steps, &mut left_alone);
    for (state, record_only) in [(&facts.crds_chart, true), (&facts.app, false)] {
        let Some(state) = state else { continue };
        let before = steps.len();
        release_step(state, record_only, &mut steps, &mut left_alone);
        templates(facts.crds, &state.moves.release, steps.len() > before, &mut steps, &mut left_alone);
    }
    if !steps.is_empty() {
        steps.push(step(
            "validate",
            "look at everything again",
            Action::Validate,
            "what was written is looked at in the end",
        ));
    }
    (steps, left_alone)
}

pub(super) fn step(id: &str, title: impl Into<String>, action: Action, because: impl Into<String>) -> Step {
    Step { id: id.to_owned(), title: title.into(), action, because: because.into(), command: Vec::new() }
}

/// Before every write of helm's: what it would delete is marked first.
pub(super) fn keep_step(facts: &Facts<'_>, steps: &mut Vec<Step>) {
    if facts.keep.is_empty() {
        return;
    }
    let count = facts.keep.len();
    let title = format!("mark {count} CRD{} to be kept", plural(count));
    let because = "helm deletes what leaves a release's manifest, and with a CRD every object of its kind";
    let mut keep = step("keep", title, Action::KeepCrds { names: facts.keep.to_vec() }, because);
    keep.command.clone_from(&facts.keep_command);
    steps.push(keep);
}

/// Before the CRD that drops a version: what is stored in it would be unreadable.
pub(super) fn migrate_step(migrations: &[Migration]) -> Option<Step> {
    let told = migrations.iter().map(|migration| {
        let bridge = if migration.bridge { " over a bridge" } else { "" };
        format!("{} {} → {}{bridge}", migration.name, migration.drops.join(", "), migration.to)
    });
    let told = told.collect::<Vec<_>>().join("; ");
    let because = if migrations.iter().any(|migration| migration.claimed) {
        "the chart drops a version in which objects may be stored; going back is partial from here on"
    } else {
        "the chart drops a version: it is proved that nothing is stored in it, whatever storedVersions claims"
    };
    let action = Action::MigrateObjects { crds: migrations.to_vec() };
    (!migrations.is_empty()).then(|| step("migrate", format!("migrate {told}"), action, because))
}

/// CRDs that are templates: helm has written them with the release, so they are proved after it; never applied a second time by us.
fn templates(crds: &[CrdPlan], release: &str, written: bool, steps: &mut Vec<Step>, left_alone: &mut Vec<LeftAlone>) {
    let changing = crds.iter().filter(|crd| crd.with_release.as_deref() == Some(release) && crd.decision.writes());
    let names: Vec<String> = changing.map(|crd| crd.name.clone()).collect();
    if names.is_empty() {
        return;
    }
    let count = names.len();
    if !written {
        let what = format!("{count} CRD{} of release {release}", plural(count));
        let because = "templates of its chart, which helm writes with the release: it stays as it is".to_owned();
        left_alone.push(LeftAlone { what, because });
        return;
    }
    let title = format!("{count} CRD{} that helm wrote with {release}: established and served", plural(count));
    let because = "they are templates of the chart: helm wrote them, and says nothing of what is served";
    steps.push(step(&format!("served-{release}"), title, Action::ProveServed { names }, because));
}

fn crd_steps(facts: &Facts<'_>, steps: &mut Vec<Step>, left_alone: &mut Vec<LeftAlone>) {
    let ours: Vec<&CrdPlan> = facts.crds.iter().filter(|crd| crd.with_release.is_none()).collect();
    let mut to_apply: Vec<&CrdPlan> = ours.iter().copied().filter(|crd| crd.decision.writes()).collect();
    // New kinds first, since nothing depends on them yet; CRDs that others may own last, when our own have gone well.
    to_apply.sort_by_key(|crd| (crd.foreign, crd.decision != CrdDecision::New, crd.name.clone()));
    let all: Vec<String> =
        ours.iter().filter(|crd| crd.decision != CrdDecision::Gone).map(|crd| crd.name.clone()).collect();
    if to_apply.is_empty() && facts.unproved && !all.is_empty() {
        let title = format!("{} CRDs established, names accepted, served with the chart's schema", all.len());
        let because = "they were applied by a run that was cut off before anybody proved that they are served";
        steps.push(step("served", title, Action::ProveServed { names: all.clone() }, because));
    }
    if !to_apply.is_empty() {
        let names: Vec<String> = to_apply.iter().map(|crd| crd.name.clone()).collect();
        let because = "the charts' CRDs differ from the cluster's, and the application relies on them";
        let title = format!("apply {} CRD{}", names.len(), plural(names.len()));
        let mut apply = step("crds", title, Action::ApplyCrds { names: names.clone() }, because);
        apply.command.clone_from(&facts.apply_command);
        steps.push(apply);
        let because = "Established was already true before: only the served schema proves an update";
        let title =
            format!("{} CRDs established, names accepted, {} served with the chart's schema", all.len(), names.len());
        steps.push(step("served", title, Action::ProveServed { names: all }, because));
    }
    left_alone.extend(unchanged(facts.crds));
    left_alone.extend(facts.crds.iter().filter(|crd| crd.decision == CrdDecision::Gone).map(|crd| LeftAlone {
        what: format!("CRD {}", crd.name),
        because: "no longer in the chart; a CRD is never deleted, since its objects would go with it".to_owned(),
    }));
}

/// CRDs that no write touches.
pub(super) fn unchanged(crds: &[CrdPlan]) -> Option<LeftAlone> {
    counted(crds, CrdDecision::Unchanged, "equal to the chart's: not written, so no watch ends")
}

fn counted(crds: &[CrdPlan], decision: CrdDecision, because: &str) -> Option<LeftAlone> {
    let count = crds.iter().filter(|crd| crd.decision == decision).count();
    (count > 0).then(|| LeftAlone { what: format!("{count} CRD{}", plural(count)), because: because.to_owned() })
}

pub(super) const fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn release_step(state: &ChartState<'_>, record_only: bool, steps: &mut Vec<Step>, left_alone: &mut Vec<LeftAlone>) {
    let release = &state.moves.release;
    if nothing_to_do(state) {
        let because = "same chart bytes, same values, deployed".to_owned();
        left_alone.push(LeftAlone { what: format!("release {release} {}", state.moves.to), because });
        return;
    }
    steps.extend(unlock_step(state));
    let status = state.record.map_or("deployed", |record| record.status.as_str());
    let from = state.moves.from.as_ref().map_or_else(|| "no release".to_owned(), |from| format!("{from} is {status}"));
    let (id, title, action, because) = if record_only {
        let because = format!("{from}: without a record of {}, helm status would tell what was", state.moves.to);
        (
            "record",
            format!("record {release} {}", state.moves.to),
            Action::RecordRelease { release: release.clone() },
            because,
        )
    } else {
        let title = format!("upgrade {release} to {} and wait", state.moves.to);
        (release.as_str(), title, Action::UpgradeRelease { release: release.clone() }, why(state, &from))
    };
    let mut next = step(id, title, action, because);
    next.command.clone_from(&state.command);
    steps.push(next);
}

/// helm refuses a release whose newest revision is pending, whoever is to blame.
fn unlock_step(state: &ChartState<'_>) -> Option<Step> {
    let (record, run) = (state.record?, state.cut_off?);
    let (release, revision) = (state.moves.release.clone(), record.revision);
    let title = format!("mark revision {revision} of {release} failed, which is {}", record.status);
    let because = format!("helm was cut off in it by the end of our run {run}, which lives no more");
    Some(step(&format!("unlock-{release}"), title, Action::UnlockRelease { release, revision }, because))
}

fn why(state: &ChartState<'_>, from: &str) -> String {
    let mut reasons = vec![from.to_owned()];
    let mut by_verb: BTreeMap<&str, usize> = BTreeMap::new();
    for change in state.objects {
        let verb = match change.change {
            super::ObjectVerb::Created => "created",
            super::ObjectVerb::Changed => "changed",
            super::ObjectVerb::Removed => "removed",
        };
        *by_verb.entry(verb).or_default() += 1;
    }
    reasons.extend(by_verb.iter().map(|(verb, count)| format!("{count} object{} {verb}", plural(*count))));
    if !state.values.is_empty() {
        reasons.push(format!("{} value{} changed", state.values.len(), plural(state.values.len())));
    }
    reasons.join(", ")
}

#[cfg(test)]
impl Facts<'_> {
    /// Nothing is known, and nothing is to be done.
    pub(super) const fn nothing() -> Self {
        Facts {
            crds_chart: None,
            app: None,
            crds: &[],
            keep: &[],
            migrate: &[],
            keep_command: Vec::new(),
            apply_command: Vec::new(),
            flux: None,
            unproved: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::chart::DigestOf;
    use crate::model::owner::Owner;

    fn moves(to: &str) -> ChartMove {
        ChartMove {
            release: "mural".into(),
            owner: Owner::Helm,
            from: Some("1.0.0".into()),
            revision: Some(1),
            to: to.into(),
            chart: "oci://a.example/mural".into(),
            digest: Digest::of_bytes(b"bytes", DigestOf::Manifest),
        }
    }

    fn record(status: &str, description: &str) -> ReleaseRecord {
        let record = ReleaseRecord::sample("mural", "1.1.0");
        ReleaseRecord { revision: 1, status: status.into(), description: description.into(), ..record }
    }

    fn state<'a>(moves: &'a ChartMove, record: &'a ReleaseRecord, values: &'a [ValueChange]) -> ChartState<'a> {
        ChartState { moves, record: Some(record), cut_off: None, command: Vec::new(), objects: &[], values }
    }

    fn nothing() -> Facts<'static> {
        Facts::nothing()
    }

    fn crd(name: &str, decision: CrdDecision, foreign: bool) -> CrdPlan {
        CrdPlan {
            name: name.into(),
            decision,
            foreign,
            with_release: None,
            notes: Vec::new(),
            taken_over: BTreeMap::new(),
        }
    }

    #[test]
    fn the_same_bytes_and_values_are_nothing_to_do() {
        let target = moves("1.1.0");
        let ours = record("deployed", &description(&target.digest));
        assert!(nothing_to_do(&state(&target, &ours, &[])));
        let other_bytes = record("deployed", "mural upgrade, digest sha256:00");
        assert!(!nothing_to_do(&state(&target, &other_bytes, &[])));
        let failed = record("failed", &description(&target.digest));
        assert!(!nothing_to_do(&state(&target, &failed, &[])));
        let value = [ValueChange { key: "a".into(), old: None, new: Some("1".into()) }];
        assert!(!nothing_to_do(&state(&target, &ours, &value)));
        let by_hand = record("deployed", "Upgrade complete");
        assert!(nothing_to_do(&state(&target, &by_hand, &[])));
        assert!(!nothing_to_do(&state(&moves("1.2.0"), &by_hand, &[])));
    }

    #[test]
    fn crds_are_applied_and_proved_before_the_application_and_foreign_ones_last() {
        let crds = [
            crd("a.foreign.io", CrdDecision::New, true),
            crd("b.spectrocloud.com", CrdDecision::Safe, false),
            crd("c.spectrocloud.com", CrdDecision::New, false),
            crd("d.spectrocloud.com", CrdDecision::Unchanged, false),
            crd("e.spectrocloud.com", CrdDecision::Gone, false),
        ];
        let (target, was) = (moves("1.1.0"), record("deployed", "mural upgrade, digest sha256:00"));
        let app = Some(state(&target, &was, &[]));
        let facts = Facts { crds_chart: app.clone(), app, crds: &crds, ..nothing() };
        let (steps, left_alone) = decide(&facts);
        assert_eq!(super::super::order::check(&steps), Ok(()));
        let ids: Vec<&str> = steps.iter().map(|step| step.id.as_str()).collect();
        assert_eq!(ids, ["crds", "served", "record", "mural", "validate"]);
        let Action::ApplyCrds { names } = &steps[0].action else { panic!("the CRDs come first") };
        assert_eq!(names, &["c.spectrocloud.com", "b.spectrocloud.com", "a.foreign.io"]);
        assert_eq!(left_alone.len(), 2);
    }

    #[test]
    fn what_helm_would_delete_is_marked_before_anything_else() {
        let (target, was) = (moves("1.1.0"), record("deployed", "mural upgrade, digest sha256:00"));
        let (crds, keep) = ([crd("b.spectrocloud.com", CrdDecision::Safe, false)], ["c.spectrocloud.com".to_owned()]);
        let app = Some(state(&target, &was, &[]));
        let (steps, _) = decide(&Facts { app, crds: &crds, keep: &keep, ..nothing() });
        let ids: Vec<&str> = steps.iter().map(|step| step.id.as_str()).collect();
        assert_eq!(ids, ["keep", "crds", "served", "mural", "validate"]);
        assert_eq!(super::super::order::check(&steps), Ok(()));
    }

    #[test]
    fn a_crd_that_is_a_template_is_written_by_helm_and_proved_by_us() {
        let (target, was) = (moves("1.1.0"), record("deployed", "mural upgrade, digest sha256:00"));
        let template = CrdPlan { with_release: Some("mural".into()), ..crd("b.x", CrdDecision::Safe, true) };
        let app = Some(state(&target, &was, &[]));
        let (steps, _) = decide(&Facts { app, crds: std::slice::from_ref(&template), ..nothing() });
        let ids: Vec<&str> = steps.iter().map(|step| step.id.as_str()).collect();
        assert_eq!(ids, ["mural", "served-mural", "validate"]);
        let same = record("deployed", &description(&target.digest));
        let app = Some(state(&target, &same, &[]));
        let (steps, left_alone) = decide(&Facts { app, crds: &[template], ..nothing() });
        assert!(steps.is_empty() && left_alone.iter().any(|left| left.because.contains("templates of its chart")));
    }

    #[test]
    fn what_our_run_left_pending_is_unlocked_right_before_its_own_step() {
        let (target, was) = (moves("1.1.0"), record("pending-upgrade", ""));
        let app = Some(ChartState { cut_off: Some("7"), ..state(&target, &was, &[]) });
        let (steps, _) = decide(&Facts { app, ..nothing() });
        let ids: Vec<&str> = steps.iter().map(|step| step.id.as_str()).collect();
        assert_eq!(ids, ["unlock-mural", "mural", "validate"]);
        assert_eq!(steps[0].action, Action::UnlockRelease { release: "mural".into(), revision: 1 });
        assert!(steps[0].because.contains("run 7"), "{}", steps[0].because);
    }

    #[test]
    fn crds_that_nobody_proved_are_proved_before_the_application() {
        let (target, was) = (moves("1.1.0"), record("deployed", "mural upgrade, digest sha256:00"));
        let crds = [crd("b.spectrocloud.com", CrdDecision::Unchanged, false)];
        let app = Some(state(&target, &was, &[]));
        let (steps, _) = decide(&Facts { app, crds: &crds, unproved: true, ..nothing() });
        let ids: Vec<&str> = steps.iter().map(|step| step.id.as_str()).collect();
        assert_eq!(ids, ["served", "mural", "validate"]);
    }

    #[test]
    fn nothing_to_write_is_no_step_at_all() {
        assert!(decide(&nothing()).0.is_empty());
    }
}
