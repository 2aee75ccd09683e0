//! States that somebody left behind, each with its name: what it is, and what mends it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::decide::plural;
use super::journal::{JournalSeen, StepStands};
use super::world::LiveCrd;
use super::{Action, Step};
use crate::model::crd::Crd;
use crate::model::flux::FluxRef;
use crate::model::release::{POLICY, ReleaseRecord};

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
    /// HelmReleases that a run of ours suspended and did not let go, each with the run.
    pub held: Vec<(FluxRef, String)>,
}

/// Names what is wrong, and decides the steps that mend it.
#[must_use]
pub fn decide(facts: &Facts<'_>) -> (Vec<Ailment>, Vec<Step>) {
    let (mut ailments, mut steps) = (Vec::new(), Vec::new());
    for (release, records) in facts.releases {
        releases(facts, release, records, &mut ailments, &mut steps);
    }
    keep(facts, &mut ailments, &mut steps);
    bridges(facts, &mut ailments);
    journal(facts, &mut ailments, &mut steps);
    held(facts, &mut ailments, &mut steps);
    if !steps.is_empty() {
        steps.push(step("validate", "look at everything again".to_owned(), Action::Validate));
    }
    (ailments, steps)
}

fn step(id: &str, title: String, action: Action) -> Step {
    let because = "it was left behind".to_owned();
    Step { id: id.to_owned(), title, action, because, command: Vec::new() }
}

/// Through Flux, the application is suspended until its CRDs are served: a run that died before it let go leaves it so.
fn held(facts: &Facts<'_>, ailments: &mut Vec<Ailment>, steps: &mut Vec<Step>) {
    for (helm_release, run) in &facts.held {
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
    let ended = facts.journal.runs.iter().filter(|run| !run.unfinished());
    let needed: Vec<&String> = facts.journal.runs.iter().filter(|run| run.unfinished()).flat_map(kept).collect();
    let mut names: Vec<String> = ended.flat_map(kept).filter(|name| !needed.contains(name)).cloned().collect();
    names.sort();
    names.dedup();
    names.retain(|name| {
        facts.live.get(name).is_some_and(|crd| crd.annotation(POLICY) == Some("keep") && marked_by_hand(crd))
    });
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
    steps.push(step(
        "unkeep",
        format!("take the mark from {} CRD{}", names.len(), plural(names.len())),
        Action::UnkeepCrds { names },
    ));
}

fn kept(run: &super::journal::RunEntry) -> Vec<&String> {
    let begun = run.steps.iter().filter(|step| step.stands != StepStands::Planned);
    let names = begun.filter_map(|step| match &step.action {
        Action::KeepCrds { names } => Some(names),
        _ => None,
    });
    names.flatten().collect()
}

/// `kubectl annotate` owns the mark: it is not the chart's own.
fn marked_by_hand(crd: &Crd) -> bool {
    let entries = crd.json().pointer("/metadata/managedFields").and_then(serde_json::Value::as_array);
    let ours = |entry: &&serde_json::Value| {
        entry["manager"] == "kubectl-annotate"
            && entry["fieldsV1"]["f:metadata"]["f:annotations"].get(format!("f:{POLICY}")).is_some()
    };
    entries.into_iter().flatten().any(|entry| ours(&entry))
}

/// A CRD that stands between the cluster's old one and the chart's.
fn bridges(facts: &Facts<'_>, ailments: &mut Vec<Ailment>) {
    let Some(run) = facts.journal.runs.last() else { return };
    for name in run.moving() {
        let (before, live) = (run.world.crds.get(name).and_then(Option::as_ref), facts.live.get(name));
        let (Some(before), Some(live)) = (before, live.map(LiveCrd::of)) else { continue };
        let proved = run.steps.iter().any(|step| matches!(&step.action, Action::ProveServed { names } if step.stands == StepStands::Done && names.iter().any(|one| one == name)));
        if proved || live.spec == before.spec {
            continue;
        }
        let cure = if run.unfinished() {
            "kubectl mural upgrade resume goes on over it; rollback says what can go back"
        } else {
            "helm mural crds apply CHART puts the chart's CRD in its place"
        };
        ailments.push(Ailment {
            id: "bridge-left-standing",
            subject: format!("CRD {name}"),
            message: format!("run {} was moving its objects: it has the old versions and the new one", run.run),
            cure: cure.to_owned(),
            mended: false,
        });
    }
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
mod tests {
    use super::super::journal::tests::entry;
    use super::super::journal::{State, Unread};
    use super::*;
    use serde_json::json;

    fn record(revision: u64, status: &str) -> ReleaseRecord {
        ReleaseRecord { revision, status: status.into(), ..ReleaseRecord::sample("mural", "1.0.0") }
    }

    fn marked() -> Crd {
        let fields = json!({"f:metadata": {"f:annotations": {"f:helm.sh/resource-policy": {}}}});
        Crd::new(json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "hubs.x", "annotations": {"helm.sh/resource-policy": "keep"},
                "managedFields": [{"manager": "kubectl-annotate", "operation": "Update", "fieldsV1": fields}]}}))
        .unwrap()
    }

    fn decided(records: Vec<ReleaseRecord>, journal: &JournalSeen) -> (Vec<String>, Vec<Step>) {
        let releases = BTreeMap::from([("mural".to_owned(), records)]);
        let live = BTreeMap::from([("hubs.x".to_owned(), marked())]);
        let facts = Facts { namespace: "m", releases: &releases, live: &live, journal, app: "mural", held: Vec::new() };
        let (ailments, steps) = decide(&facts);
        assert_eq!(super::super::order::check(&steps), Ok(()));
        (ailments.iter().map(|one| format!("{} {}", one.id, one.mended)).collect(), steps)
    }

    #[test]
    fn what_a_dead_run_held_is_let_go() {
        let (releases, live, journal) = (BTreeMap::new(), BTreeMap::new(), JournalSeen::default());
        let held = vec![(FluxRef::new("HelmRelease", "m", "mural"), "20261126-1".to_owned())];
        let (ailments, steps) =
            decide(&Facts { namespace: "m", releases: &releases, live: &live, journal: &journal, app: "mural", held });
        assert!(ailments[0].id == "held-left-behind" && ailments[0].message.contains("20261126-1"));
        assert!(matches!(&steps[0].action, Action::LetReleaseGo { values: false, .. }));
        assert_eq!(super::super::order::check(&steps), Ok(()));
    }

    #[test]
    fn a_healthy_installation_has_nothing_to_mend() {
        let (ailments, steps) = decided(vec![record(1, "deployed")], &JournalSeen::default());
        assert!(ailments.is_empty() && steps.is_empty());
        let (ailments, _) = decided(vec![record(1, "deployed"), record(2, "failed")], &JournalSeen::default());
        assert!(ailments.is_empty(), "helm goes on from a failed revision by itself");
    }

    #[test]
    fn pending_and_failed_releases_are_mended() {
        let nothing = JournalSeen::default();
        let (ailments, steps) = decided(vec![record(1, "deployed"), record(2, "pending-rollback")], &nothing);
        assert_eq!(ailments, ["release-pending true"]);
        assert_eq!(steps[0].action, Action::UnlockRelease { release: "mural".into(), revision: 2 });
        let (ailments, steps) = decided(vec![record(1, "superseded"), record(2, "failed")], &nothing);
        let back = Action::RollbackRelease { release: "mural".into(), revision: 1, wait: true };
        assert_eq!((ailments, &steps[0].action), (vec!["release-failed true".to_owned()], &back));
        let (ailments, steps) = decided(vec![record(1, "failed")], &nothing);
        assert_eq!((ailments, steps.len()), (vec!["release-failed false".to_owned()], 0));
    }

    #[test]
    fn a_mark_is_left_behind_when_its_run_is_over() {
        let mut run = entry();
        run.steps[0].action = Action::KeepCrds { names: vec!["hubs.x".into()] };
        run.begin("crds", jiff::Timestamp::UNIX_EPOCH);
        let mut journal = JournalSeen { runs: vec![run], unread: Vec::new() };
        assert!(decided(Vec::new(), &journal).0.is_empty(), "resume may need it");
        journal.runs[0].state = State::RolledBack;
        let (ailments, steps) = decided(Vec::new(), &journal);
        assert_eq!(ailments, ["keep-left-behind true"]);
        assert_eq!(steps[0].action, Action::UnkeepCrds { names: vec!["hubs.x".into()] });
    }

    #[test]
    fn what_nobody_can_read_is_set_aside_and_what_is_newer_is_not() {
        let unread = |run: &str, newer| Unread { run: run.into(), reason: "r".into(), newer };
        let journal = JournalSeen { runs: Vec::new(), unread: vec![unread("1", false), unread("2", true)] };
        let (ailments, steps) = decided(Vec::new(), &journal);
        assert_eq!(ailments, ["journal-damaged true", "journal-damaged false"]);
        assert_eq!(steps[0].action, Action::ForgetRuns { runs: vec!["1".into()] });
    }
}
