//! Going back to what was before a run: per release and per CRD what goes back, what stays and why, and what would be lost.

mod releases;
pub mod restored;
mod story;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::crds::CrdDecision;
use super::decide::plural;
use super::journal::{JournalSeen, RunEntry, State, StepStands, Task};
use super::seal::digest;
use super::world::LiveCrd;
use super::{Action, Step, bridge, marks};
use crate::checks::crd_changes::{CrdFinding, CrdVerdict};
use crate::model::check::Level;
use crate::model::crd::Crd;
use crate::model::dry_run::ServerAnswer;
use crate::model::release::ReleaseRecord;

pub use releases::{Moved, ReleaseBack};
pub use story::StepBack;

/// Whether something goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// It goes back.
    GoesBack,
    /// It cannot, or must not: it stays as it is.
    Stays,
    /// It is as it was.
    AsBefore,
}

/// One CRD.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CrdBack {
    /// Its name.
    pub name: String,
    /// Whether it goes back.
    pub way: Way,
    /// Why it stays; empty where it goes back.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub because: String,
    /// What going back costs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<String>,
}

/// What of the custom resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objects {
    /// They stay as they are now.
    Stay,
    /// `--overwrite`: those that were saved stand in place of those that are there.
    Overwritten,
}

/// The honest statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Back {
    /// The run that is undone.
    pub run: String,
    /// It, and those that it went on from.
    pub runs: Vec<String>,
    /// How far it came.
    pub state: State,
    /// Who ran it.
    pub who: String,
    /// When it began.
    pub began: jiff::Timestamp,
    /// What becomes of each step that the run has begun, in its order.
    pub steps: Vec<StepBack>,
    /// The releases, the application first.
    pub releases: Vec<ReleaseBack>,
    /// Every CRD that the run was about.
    pub crds: Vec<CrdBack>,
    /// The custom resources.
    pub objects: Objects,
    /// CRDs that are marked first, so that helm deletes none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<String>,
    /// CRDs from which the mark is taken in the end: a run of ours has set it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unmarked: Vec<String>,
}

/// What the statement is made from.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The run that is undone.
    pub run: &'a RunEntry,
    /// It, and those that it went on from, as far as the journal still has them.
    pub chain: &'a [&'a RunEntry],
    /// Rollbacks of it that were cut off.
    pub earlier: &'a [&'a RunEntry],
    /// The records of each release, oldest first.
    pub releases: &'a BTreeMap<String, Vec<ReleaseRecord>>,
    /// The live CRDs.
    pub live: &'a BTreeMap<String, Crd>,
    /// The saved CRDs; why there are none here.
    pub saved: Result<&'a BTreeMap<String, Crd>, &'a str>,
    /// The server's word on each saved CRD.
    pub forecasts: &'a BTreeMap<String, ServerAnswer>,
    /// What going back does, to the live objects too.
    pub verdicts: &'a BTreeMap<String, CrdVerdict>,
    /// `--overwrite`
    pub overwrite: bool,
}

/// The run that would be undone: the newest upgrade that wrote something and that no later run stands for.
#[must_use]
pub fn target(journal: &JournalSeen) -> Option<&RunEntry> {
    let open = |run: &&RunEntry| !matches!(run.state, State::Replaced | State::RolledBack);
    journal.runs.iter().rev().filter(open).find(|run| run.task == Task::Upgrade && run.wrote())
}

/// Rollbacks of this run that were cut off.
#[must_use]
pub fn begun<'a>(journal: &'a JournalSeen, run: &RunEntry) -> Vec<&'a RunEntry> {
    let ids = run.ids();
    journal.runs.iter().filter(|one| one.task == Task::Rollback && one.chain == ids).collect()
}

/// States what goes back, and decides the steps.
///
/// # Errors
/// Somebody else has upgraded since: the revision is named.
pub fn decide(facts: &Facts<'_>) -> Result<(Back, Vec<Step>), Moved> {
    let run = facts.run;
    let crds: Vec<CrdBack> = run.world.crds.keys().filter_map(|name| crd(facts, name)).collect();
    let all_back = crds.iter().all(|crd| crd.way != Way::Stays);
    let [app, record] = [&run.asked.app.release, &run.asked.crds.release];
    let app = releases::application(facts, app)?;
    let record = releases::record(facts, record, all_back)?;
    let kept = kept(facts, &[&app, &record]);
    let objects = if facts.overwrite { Objects::Overwritten } else { Objects::Stay };
    let unmarked = unmarked(facts, &[&app, &record], &kept);
    let mut back = Back {
        run: run.run.clone(),
        runs: run.ids(),
        state: run.state,
        who: run.who.clone(),
        began: run.began,
        steps: Vec::new(),
        releases: vec![app, record],
        crds,
        objects,
        kept,
        unmarked,
    };
    back.steps = story::of(run, &back);
    let steps = steps(&back);
    Ok((back, steps))
}

/// The CRDs that bear a mark of the run's, or of this way back: taken away in the end, where no release stands half-way. Until
/// then helm may still compare with the manifest that they have left.
fn unmarked(facts: &Facts<'_>, releases: &[&ReleaseBack], kept: &[String]) -> Vec<String> {
    let stands = |release: &&ReleaseBack| {
        let newest = facts.releases.get(&release.release).and_then(|records| records.last());
        release.way == Way::GoesBack || newest.is_none_or(|newest| newest.status == "deployed")
    };
    if !releases.iter().all(stands) {
        return Vec::new();
    }
    let runs = facts.chain.iter().chain(facts.earlier).copied();
    marks::ours(runs, facts.live).into_iter().chain(kept.iter().cloned()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// One CRD; none where it neither was nor is there.
fn crd(facts: &Facts<'_>, name: &str) -> Option<CrdBack> {
    let before = facts.run.world.crds.get(name).and_then(Option::as_ref);
    let live = facts.live.get(name);
    let told =
        |way: Way, because: String, lost: Vec<String>| Some(CrdBack { name: name.to_owned(), way, because, lost });
    let stays = |because: String| told(Way::Stays, because, Vec::new());
    let (before, live) = match (before, live) {
        (None, None) => return None,
        (None, Some(_)) => {
            return stays("it was not there before; a CRD, and every object of it, is never deleted".into());
        }
        (Some(_), None) => {
            return stays(
                "somebody has deleted it, and its objects with it: helm mural crds restore brings both back".into(),
            );
        }
        (Some(before), Some(live)) => (before, live),
    };
    let now = LiveCrd::of(live);
    if now == *before {
        return told(Way::AsBefore, String::new(), Vec::new());
    }
    match refusal(facts, name, before, &now) {
        Some(because) => stays(because),
        None => judged(facts, name, live).map_or_else(stays, |lost| told(Way::GoesBack, String::new(), lost)),
    }
}

/// Why a CRD cannot go back, whatever is in it.
fn refusal(facts: &Facts<'_>, name: &str, before: &LiveCrd, now: &LiveCrd) -> Option<String> {
    if now.uid != before.uid {
        return Some("it was deleted and made anew since".to_owned());
    }
    if now.spec == before.spec {
        let (is, was) = (now.stored_versions.join(", "), before.stored_versions.join(", "));
        return Some(format!(
            "its spec is as before; its objects were rewritten, and are stored as {is} instead of {was}"
        ));
    }
    // A rollback that was cut off left it as it is, and so may have the run.
    let ours = |run: &&RunEntry| run.left.get(name).is_none_or(|left| left.spec == now.spec);
    let runs = facts.earlier.iter().copied().chain([facts.run]);
    if !runs.into_iter().any(|run| ours(&run)) {
        return Some("somebody has changed it since the run".to_owned());
    }
    let saved = match facts.saved {
        Err(why) => return Some(why.to_owned()),
        Ok(saved) => saved,
    };
    let Some(saved) = saved.get(name) else {
        return Some("the saved copy does not hold it".to_owned());
    };
    let has = |version: &&String| saved.versions().any(|one| one.name == version.as_str());
    let missing: Vec<&str> = now.stored_versions.iter().filter(|version| !has(version)).map(String::as_str).collect();
    if missing.is_empty() {
        return None;
    }
    let missing = missing.join(", ");
    let unreadable =
        format!("objects may be stored as {missing}, which the saved CRD has not: they would be unreadable");
    let on_a_bridge = facts.live.get(name).is_some_and(|live| {
        now.stored_versions.iter().any(|to| bridge::before(live, to, |spec| digest(spec) == before.spec).is_some())
    });
    let more = "; afterwards kubectl mural upgrade repair moves them back, and the CRD with them";
    Some(if on_a_bridge { unreadable + more } else { unreadable })
}

/// What going back costs.
///
/// # Errors
/// It would break an object, or the server refuses.
fn judged(facts: &Facts<'_>, name: &str, live: &Crd) -> Result<Vec<String>, String> {
    match facts.forecasts.get(name) {
        None => return Err("the API server could not be asked about it".to_owned()),
        Some(Err(words)) => return Err(format!("the API server refuses it: {words}")),
        Some(Ok(_)) => {}
    }
    let Some(verdict) = facts.verdicts.get(name) else { return Err("its objects could not be looked at".to_owned()) };
    let told = |level: Level| {
        let of = verdict.findings.iter().filter(move |finding| finding.level == level);
        let place = |finding: &CrdFinding| finding.path.as_ref().map_or_else(String::new, |path| format!("{path}: "));
        of.map(|finding| format!("{}{}", place(finding), finding.message)).collect::<Vec<_>>()
    };
    if matches!(verdict.decision, CrdDecision::Breaking | CrdDecision::Refused) {
        let why = told(Level::Error).into_iter().chain(verdict.server_errors.clone());
        return Err(why.take(3).collect::<Vec<_>>().join("; "));
    }
    let mut lost = told(Level::Warning);
    let saved = facts.saved.ok().and_then(|saved| saved.get(name));
    if let Some(saved) = saved.filter(|saved| saved.storage_version() != live.storage_version()) {
        let (is, was) = (live.storage_version(), saved.storage_version());
        lost.push(format!(
            "objects that were stored as {is} stay so until each is written again; new ones are stored as {was}"
        ));
    }
    Ok(lost)
}

/// CRDs that stand in the manifest that is there and not in the one that helm goes back to: helm would delete them.
fn kept(facts: &Facts<'_>, releases: &[&ReleaseBack]) -> Vec<String> {
    let mut all = BTreeSet::new();
    for release in releases.iter().filter(|release| release.way == Way::GoesBack) {
        let records = facts.releases.get(&release.release).map_or(&[][..], Vec::as_slice);
        let names = |record: Option<&ReleaseRecord>| -> BTreeSet<String> {
            let objects = record.and_then(|record| record.objects().ok()).unwrap_or_default();
            objects.iter().filter_map(|object| Crd::name_of(object).map(str::to_owned)).collect()
        };
        let to = names(records.iter().find(|record| Some(record.revision) == release.to));
        // helm compares with the newest revision, and after a failure with the deployed one: neither may cost a CRD.
        let from = records.iter().filter(|record| Some(record.revision) > release.to).flat_map(|one| names(Some(one)));
        all.extend(from.filter(|name| !to.contains(name)));
    }
    let bare = |name: &String| {
        facts.live.get(name).is_some_and(|crd| crd.annotation(crate::model::release::POLICY) != Some("keep"))
    };
    all.into_iter().filter(bare).collect()
}

fn steps(back: &Back) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut step = |id: &str, title: String, action: Action, because: &str| {
        steps.push(Step { id: id.to_owned(), title, action, because: because.to_owned(), command: Vec::new() });
    };
    if !back.kept.is_empty() {
        let title = format!("mark {} CRD{} to be kept", back.kept.len(), plural(back.kept.len()));
        let because = "helm deletes what leaves a release's manifest, and with a CRD every object of its kind";
        step("keep", title, Action::KeepCrds { names: back.kept.clone() }, because);
    }
    let [app, record] = back.releases.as_slice() else { return steps };
    release_step(app, true, &mut step);
    crd_steps(back, &mut step);
    if back.objects == Objects::Overwritten {
        let names: Vec<String> =
            back.crds.iter().filter(|crd| crd.way != Way::Stays).map(|crd| crd.name.clone()).collect();
        let title = "put the saved objects in place of those that are there".to_owned();
        step("objects", title, Action::RestoreObjects { names }, "--overwrite asks for it");
    }
    release_step(record, false, &mut step);
    if !back.unmarked.is_empty() {
        let (count, names) = (back.unmarked.len(), back.unmarked.clone());
        let title = format!("take our mark helm.sh/resource-policy: keep from {count} CRD{}", plural(count));
        let because = "a run of ours has set it, and no release leaves a CRD behind any more";
        step("unkeep", title, Action::UnkeepCrds { names }, because);
    }
    step(
        "validate",
        "look at everything again".to_owned(),
        Action::Validate,
        "what was written is looked at in the end",
    );
    if steps.len() == 1 { Vec::new() } else { steps }
}

fn crd_steps(back: &Back, step: &mut impl FnMut(&str, String, Action, &str)) {
    let names: Vec<String> =
        back.crds.iter().filter(|crd| crd.way == Way::GoesBack).map(|crd| crd.name.clone()).collect();
    if !names.is_empty() {
        let title = format!("apply {} CRD{} as saved before the run", names.len(), plural(names.len()));
        step(
            "crds",
            title,
            Action::RestoreCrds { names: names.clone() },
            "they differ from what was there before the run",
        );
        let title = format!("{} CRD{} established and served as saved", names.len(), plural(names.len()));
        step("served", title, Action::ProveServed { names }, "an apply that is accepted proves nothing");
    }
}

fn release_step(release: &ReleaseBack, wait: bool, step: &mut impl FnMut(&str, String, Action, &str)) {
    let (Way::GoesBack, Some(revision)) = (release.way, release.to) else { return };
    let name = &release.release;
    if let Some(pending) = release.pending {
        let title = format!("mark revision {pending} of {name} failed, in which helm was cut off");
        let action = Action::UnlockRelease { release: name.clone(), revision: pending };
        step(&format!("unlock-{name}"), title, action, "no helm goes on from a revision that is pending");
    }
    let (id, and_wait) = if wait { (name.as_str(), " and wait") } else { ("record", "") };
    let title = format!("{name} back to revision {revision}{and_wait}");
    let action = Action::RollbackRelease { release: name.clone(), revision, wait };
    step(id, title, action, "it is the revision that was there before the run");
}

/// Whether a rollback of ours has begun to bring this release back.
fn going_back(earlier: &[&RunEntry], release: &str) -> bool {
    let begun = |run: &&RunEntry| {
        run.steps.iter().any(|step| {
            step.stands != StepStands::Planned
                && matches!(&step.action, Action::RollbackRelease { release: of, .. } if of == release)
        })
    };
    earlier.iter().any(begun)
}

#[cfg(test)]
mod tests;
