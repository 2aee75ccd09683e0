//! States that somebody left behind, each with its name: what it is, and what mends it.

mod bridges;

use std::collections::BTreeMap;

use serde::Serialize;

use super::decide::plural;
use super::journal::JournalSeen;
use super::{Action, Step, marks};
use crate::model::crd::Crd;
use crate::model::flux::Held;
use crate::model::release::ReleaseRecord;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ailment {
    /// `held-left-behind`, `release-pending`, `release-failed`, `keep-left-behind`, `bridge-left-standing`, `journal-damaged`
    pub id: &'static str,
    /// What it is about.
    pub subject: String,
    /// What is wrong.
    pub message: String,
    /// What is done about it; or, where nothing is, what to do.
    pub cure: String,
    /// Whether it is done here.
    pub mended: bool,
}

/// What is known.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The installation's namespace.
    pub namespace: &'a str,
    /// The records of each release, oldest first.
    pub releases: &'a BTreeMap<String, Vec<ReleaseRecord>>,
    /// The live CRDs.
    pub live: &'a BTreeMap<String, Crd>,
    /// The journal.
    pub journal: &'a JournalSeen,
    /// The release of the application: the one that is waited for.
    pub app: &'a str,
    /// HelmReleases that a run of ours suspended and did not let go.
    pub held: Vec<Held>,
}

/// What is wrong, and what mends it.
#[derive(Debug, Default)]
pub struct Mending {
    /// Everything that is wrong.
    pub ailments: Vec<Ailment>,
    /// What mends it, in an order that is safe.
    pub steps: Vec<Step>,
    /// CRDs as they are applied again.
    pub wanted: BTreeMap<String, Crd>,
}

/// Names what is wrong, and decides the steps that mend it: objects are moved before any release is written, CRDs go back
/// after the application.
#[must_use]
pub fn decide(facts: &Facts<'_>) -> Mending {
    let (mut ailments, mut steps) = (Vec::new(), Vec::new());
    let bridges = bridges::found(facts, &mut ailments);
    steps.extend(bridges.migrate());
    for (release, records) in facts.releases {
        releases(facts, release, records, &mut ailments, &mut steps);
    }
    steps.extend(bridges.restore());
    keep(facts, &mut ailments, &mut steps);
    journal(facts, &mut ailments, &mut steps);
    held(facts, &mut ailments, &mut steps);
    if !steps.is_empty() {
        steps.push(step("validate", "look at everything again".to_owned(), Action::Validate));
    }
    Mending { ailments, steps, wanted: bridges.wanted() }
}

fn step(id: &str, title: String, action: Action) -> Step {
    let because = "it was left behind".to_owned();
    Step { id: id.to_owned(), title, action, because, command: Vec::new() }
}

/// Through Flux, the application is suspended until its CRDs are served: a run that died before it let go leaves it so.
fn held(facts: &Facts<'_>, ailments: &mut Vec<Ailment>, steps: &mut Vec<Step>) {
    for Held { helm_release, run, .. } in &facts.held {
        let title = format!("let {helm_release} go on");
        ailments.push(Ailment {
            id: "held-left-behind",
            subject: helm_release.to_string(),
            message: format!("was suspended by our run {run} until its CRDs would be served, and nobody let it go"),
            cure: format!("{title}, as its source is now. To end that upgrade instead, ask for it again"),
            mended: true,
        });
        let action = Action::LetReleaseGo { helm_release: helm_release.clone(), values: false, depends_on: None };
        steps.push(step("go-on", title, action));
        let title = format!("{helm_release} is Ready at what its source holds");
        let (helm_release, wanted) = (helm_release.clone(), None);
        let action = Action::AwaitRelease { crds: false, asks: true, helm_release, wanted };
        steps.push(step("ready", title, action));
    }
}

fn releases(
    facts: &Facts<'_>,
    release: &str,
    records: &[ReleaseRecord],
    ailments: &mut Vec<Ailment>,
    steps: &mut Vec<Step>,
) {
    let Some(newest) = records.last() else { return };
    let (revision, status, at) = (newest.revision, &newest.status, &newest.last_deployed);
    let mut told = |id: &'static str, message: String, cure: String, mended: bool| {
        ailments.push(Ailment { id, subject: format!("release {release}"), message, cure, mended });
    };
    if status.starts_with("pending-") {
        let title = format!("mark revision {revision} of {release} failed");
        told(
            "release-pending",
            format!("revision {revision} is {status} since {at}: helm refuses every upgrade until it ends"),
            format!("{title}. If another helm is at work on it right now, do not"),
            true,
        );
        let action = Action::UnlockRelease { release: release.to_owned(), revision };
        return steps.push(step(&format!("unlock-{release}"), title, action));
    }
    if status == "uninstalling" {
        let cure = format!("helm uninstall {release} --namespace {} ends it", facts.namespace);
        return told("release-pending", format!("revision {revision} was being uninstalled at {at}"), cure, false);
    }
    failed(facts, release, records, ailments, steps);
}

/// Of a failed release without a deployed revision: the last that stood is the one to go back to.
fn failed(
    facts: &Facts<'_>,
    release: &str,
    records: &[ReleaseRecord],
    ailments: &mut Vec<Ailment>,
    steps: &mut Vec<Step>,
) {
    let failed = records.last().filter(|newest| newest.status == "failed");
    let Some(newest) = failed.filter(|_| !records.iter().any(|record| record.status == "deployed")) else { return };
    let mut told = |message: String, cure: String, mended: bool| {
        ailments.push(Ailment { id: "release-failed", subject: format!("release {release}"), message, cure, mended });
    };
    let revision = newest.revision;
    let message =
        format!("revision {revision} failed, and none is deployed: helm takes the failed one for what is there");
    match records.iter().rev().find(|record| record.good()) {
        Some(good) => {
            let title = format!("{release} back to revision {}, {}", good.revision, good.chart_version);
            told(message, title.clone(), true);
            let (revision, wait) = (good.revision, release == facts.app);
            let action = Action::RollbackRelease { release: release.to_owned(), revision, wait };
            steps.push(step(release, title, action));
        }
        None => {
            let cure = format!(
                "no revision of it ever stood: helm uninstall {release} --namespace {}, then install it anew",
                facts.namespace
            );
            told(message, cure, false);
        }
    }
}

/// Marks that a run of ours has set, and that no run is left to need.
fn keep(facts: &Facts<'_>, ailments: &mut Vec<Ailment>, steps: &mut Vec<Step>) {
    let (open, over): (Vec<_>, Vec<_>) = facts.journal.runs.iter().partition(|run| run.unfinished());
    let needed = marks::ours(open, facts.live);
    let names: Vec<String> = marks::ours(over, facts.live).difference(&needed).cloned().collect();
    if names.is_empty() {
        return;
    }
    for name in &names {
        ailments.push(Ailment {
            id: "keep-left-behind",
            subject: format!("CRD {name}"),
            message: "a run of ours marked it helm.sh/resource-policy: keep, and that run is over".to_owned(),
            cure: "take the mark away; the CRD and its objects stay".to_owned(),
            mended: true,
        });
    }
    let title = format!("take the mark from {} CRD{}", names.len(), plural(names.len()));
    steps.push(step("unkeep", title, Action::UnkeepCrds { names }));
}

fn journal(facts: &Facts<'_>, ailments: &mut Vec<Ailment>, steps: &mut Vec<Step>) {
    let mut runs = Vec::new();
    for unread in &facts.journal.unread {
        let cure = match unread.newer {
            true => "use the version that wrote it, or a newer one".to_owned(),
            false => "set it aside: what it told is lost; releases and CRDs are not touched".to_owned(),
        };
        let (subject, message) = (format!("run {} in the journal", unread.run), unread.reason.clone());
        ailments.push(Ailment { id: "journal-damaged", subject, message, cure, mended: !unread.newer });
        if !unread.newer {
            runs.push(unread.run.clone());
        }
    }
    if !runs.is_empty() {
        steps.push(step(
            "forget",
            format!("set {} damaged run{} aside", runs.len(), plural(runs.len())),
            Action::ForgetRuns { runs },
        ));
    }
}

#[cfg(test)]
mod tests;
