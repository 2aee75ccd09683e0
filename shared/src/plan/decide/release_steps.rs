//! The steps that write a release, and whether a release needs any.

use std::collections::BTreeMap;

use super::{ChartState, UpgradeFacts, new_step, plural_suffix};
use crate::model::chart::Digest;
use crate::model::crd::CRD_KIND;
use crate::model::object::ObjectRef;
use crate::model::release_role::ReleaseRole;
use crate::model::release_status::ReleaseStatus;
use crate::model::text_format::format_count;
use crate::plan::{Action, ObjectChangeKind, Step, StepId, UnchangedItem, UnchangedSubject};

/// Written into a release's description, so that the record has the digest of its chart.
const DIGEST_IN_DESCRIPTION: &str = "digest ";

/// Missing objects that a reason names; further ones are counted.
const MAX_LISTED_OBJECTS: usize = 3;

/// The description of a release, with the digest of its chart.
#[must_use]
pub fn build_description(digest: &Digest) -> String {
    format!("mural upgrade, {DIGEST_IN_DESCRIPTION}{}", digest.sha256)
}

/// Whether a release is in the wanted state already: deployed, from the same bytes, with the same values, no Job of it failed, and
/// its objects are on the cluster.
///
/// The description holds the digest of the bytes. A release that someone else wrote counts as the same if version and whole
///  manifest are equal.
#[must_use]
pub fn is_up_to_date(state: &ChartState<'_>) -> bool {
    let Some(record) = state.record.filter(|record| record.status == ReleaseStatus::Deployed) else { return false };
    if !state.values.is_empty() || !state.failed_jobs.is_empty() || list_missing_objects(state).next().is_some() {
        return false;
    }
    match record.description.split_once(DIGEST_IN_DESCRIPTION) {
        Some((_, digest)) => digest.trim() == state.upgrade.digest.sha256,
        None => record.chart_version == state.upgrade.to && state.objects.is_empty(),
    }
}

/// Missing objects that are not meant to end. A deleted Job or pod is no reason for another upgrade: helm would run it again.
fn list_missing_objects<'a>(state: &ChartState<'a>) -> impl Iterator<Item = &'a ObjectRef> {
    state.missing_objects.iter().filter(|object| !runs_once(object))
}

fn runs_once(object: &ObjectRef) -> bool {
    matches!(object.kind.as_str(), "Job" | "Pod")
}

/// Why a release stays unchanged; a deleted Job is named, because the release alone does not show it.
fn describe_unchanged(state: &ChartState<'_>) -> String {
    let mut reason = "same chart bytes, same values, deployed".to_owned();
    if let Some(object) = state.missing_objects.iter().find(|object| runs_once(object)) {
        let (release, revision) = (&state.upgrade.release, state.upgrade.revision.unwrap_or_default());
        reason += &format!("; {object} is not on the cluster: helm rollback {release} {revision} would run it again");
    }
    reason
}

pub(super) fn push_release_step(
    facts: &UpgradeFacts<'_>,
    role: ReleaseRole,
    state: &ChartState<'_>,
    steps: &mut Vec<Step>,
    left_alone: &mut Vec<UnchangedItem>,
) {
    let release = &state.upgrade.release;
    if !facts.writes_release(role) {
        let because = describe_unchanged(state);
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
            format_crd_release_title(facts, state),
            Action::RecordRelease { release: release.clone() },
            describe_crd_release_reason(facts, state, &from),
        ),
        ReleaseRole::App => (
            StepId::Release(role),
            format!("upgrade {release} to {} and wait", state.upgrade.to),
            Action::UpgradeRelease { release: release.clone() },
            describe_reason(facts, state, &from),
        ),
    };
    let mut next = new_step(id, title, action, because);
    next.command.clone_from(&state.command);
    steps.push(next);
}

/// helm refuses a release whose newest revision is pending, whatever the cause.
fn build_unlock_step(role: ReleaseRole, state: &ChartState<'_>) -> Option<Step> {
    let (record, run) = (state.record?, state.interrupted_run?);
    let (release, revision) = (state.upgrade.release.clone(), record.revision);
    let title = format!("mark revision {revision} of {release} failed (it is {})", record.status);
    let because = format!("run {run} was interrupted while helm wrote it, and has ended");
    Some(new_step(StepId::Unlock(role), title, Action::UnlockRelease { release, revision }, because))
}

/// What `helm upgrade` of the CRD chart writes: CRDs that are templates, other objects, or only the release record.
fn format_crd_release_title(facts: &UpgradeFacts<'_>, state: &ChartState<'_>) -> String {
    let (release, to) = (&state.upgrade.release, &state.upgrade.to);
    let (crds, objects) = (facts.count_changed_templates(release), count_other_objects(state));
    let written = [(crds, "CRD"), (objects, "object")].into_iter().filter(|(count, _)| *count > 0);
    let written: Vec<String> = written.map(|(count, noun)| format_count(count, noun)).collect();
    match written.as_slice() {
        [] => format!("set the release record of {release} to {to} (no object changes)"),
        written => format!("upgrade {release} to {to} (helm writes {})", written.join(" and ")),
    }
}

/// Changed objects of the manifest that are no CRDs.
fn count_other_objects(state: &ChartState<'_>) -> usize {
    state.objects.iter().filter(|change| change.object.kind != CRD_KIND).count()
}

fn describe_crd_release_reason(facts: &UpgradeFacts<'_>, state: &ChartState<'_>, from: &str) -> String {
    match describe_changed_templates(facts, state) {
        Some(changed) => format!("{from}, but {changed}"),
        None if facts.count_changed_templates(&state.upgrade.release) + count_other_objects(state) > 0 => {
            describe_reason(facts, state, from)
        }
        None => format!("{from}; helm status shows the version of the release record"),
    }
}

/// Why a release is written although its record is right.
fn describe_changed_templates(facts: &UpgradeFacts<'_>, state: &ChartState<'_>) -> Option<String> {
    let count = facts.count_changed_templates(&state.upgrade.release);
    let verb = if count == 1 { "differs" } else { "differ" };
    let text = || format!("{count} CRD{} of its templates {verb} on the cluster", plural_suffix(count));
    (is_up_to_date(state) && count > 0).then(text)
}

fn describe_reason(facts: &UpgradeFacts<'_>, state: &ChartState<'_>, from: &str) -> String {
    let mut reasons = vec![from.to_owned()];
    reasons.extend(describe_changed_templates(facts, state));
    let mut by_verb: BTreeMap<&str, usize> = BTreeMap::new();
    for change in state.objects {
        let verb = match change.change {
            ObjectChangeKind::Create => "created",
            ObjectChangeKind::Update => "changed",
            ObjectChangeKind::Delete => "removed",
        };
        *by_verb.entry(verb).or_default() += 1;
    }
    reasons.extend(by_verb.iter().map(|(verb, count)| format!("{count} object{} {verb}", plural_suffix(*count))));
    if !state.values.is_empty() {
        reasons.push(format!("{} value{} changed", state.values.len(), plural_suffix(state.values.len())));
    }
    reasons.extend(state.failed_jobs.iter().map(|job| format!("Job {job} failed")));
    reasons.extend(list_missing_objects(state).take(MAX_LISTED_OBJECTS).map(|object| format!("{object} is missing")));
    let rest = list_missing_objects(state).count().saturating_sub(MAX_LISTED_OBJECTS);
    if rest > 0 {
        reasons.push(format!("{} more missing", format_count(rest, "object")));
    }
    reasons.join(", ")
}
