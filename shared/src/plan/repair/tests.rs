use super::super::journal::tests::entry;
use super::super::journal::{State, Unread};
use super::*;
use crate::model::flux::FluxRef;
use serde_json::json;

fn record(revision: u64, status: &str) -> ReleaseRecord {
    ReleaseRecord { revision, status: status.into(), ..ReleaseRecord::sample("mural", "1.0.0") }
}

fn marked() -> Crd {
    let crd = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "hubs.x"}});
    crate::plan::marks::tests::marked(&Crd::new(crd).unwrap(), "kubectl-annotate")
}

fn decided(records: Vec<ReleaseRecord>, journal: &JournalSeen) -> (Vec<String>, Vec<Step>) {
    let releases = BTreeMap::from([("mural".to_owned(), records)]);
    let live = BTreeMap::from([("hubs.x".to_owned(), marked())]);
    let facts = Facts { namespace: "m", releases: &releases, live: &live, journal, app: "mural", held: Vec::new() };
    let Mending { ailments, steps, .. } = decide(&facts);
    assert_eq!(super::super::order::check(&steps), Ok(()));
    (ailments.iter().map(|one| format!("{} {}", one.id, one.mended)).collect(), steps)
}

#[test]
fn what_a_dead_run_held_is_let_go() {
    let (releases, live, journal) = (BTreeMap::new(), BTreeMap::new(), JournalSeen::default());
    let helm_release = FluxRef::new("HelmRelease", "m", "mural");
    let held = vec![Held { helm_release, run: "20261126-1".to_owned(), since: None }];
    let Mending { ailments, steps, .. } =
        decide(&Facts { namespace: "m", releases: &releases, live: &live, journal: &journal, app: "mural", held });
    assert!(ailments[0].id == "held-left-behind" && ailments[0].message.contains("20261126-1"));
    assert!(matches!(&steps[0].action, Action::LetReleaseGo { values: false, .. }));
    assert!(matches!(&steps[1].action, Action::AwaitRelease { wanted: None, .. }), "helm-controller has to look first");
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

/// A run that was moving the objects of `hubs.x` to v1, and what it left standing.
fn on_a_bridge() -> (JournalSeen, Crd) {
    use super::super::{Migration, bridge, world::LiveCrd};
    let of = |versions: &[&str], storage: &str| {
        let one = |name: &&str| json!({"name": name, "served": true, "storage": *name == storage, "schema": {"openAPIV3Schema": {"type": "object"}}});
        Crd::new(json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "hubs.x", "uid": "1"}, "status": {"storedVersions": ["v1alpha1", "v1"]},
            "spec": {"group": "x", "versions": versions.iter().map(one).collect::<Vec<_>>()}}))
        .unwrap()
    };
    let (old, wanted) = (of(&["v1alpha1"], "v1alpha1"), of(&["v1"], "v1"));
    let mut live = old.json().clone();
    live["spec"]["versions"] = bridge::versions(&old, &wanted, "v1");
    let migration = Migration {
        name: "hubs.x".into(),
        drops: vec!["v1alpha1".into()],
        to: "v1".into(),
        bridge: true,
        claimed: true,
    };
    let mut run = entry();
    run.steps[0].action = Action::MigrateObjects { crds: vec![migration] };
    run.begin("crds", jiff::Timestamp::UNIX_EPOCH);
    run.world.crds.insert("hubs.x".into(), Some(LiveCrd::of(&old)));
    (JournalSeen { runs: vec![run], unread: Vec::new() }, Crd::new(live).unwrap())
}

fn of_bridge(journal: &JournalSeen, live: Crd) -> Mending {
    let releases = BTreeMap::from([("mural".to_owned(), vec![record(1, "superseded"), record(2, "failed")])]);
    let live = BTreeMap::from([("hubs.x".to_owned(), live)]);
    let mending =
        decide(&Facts { namespace: "m", releases: &releases, live: &live, journal, app: "mural", held: Vec::new() });
    assert_eq!(super::super::order::check(&mending.steps), Ok(()));
    mending
}

#[test]
fn a_bridge_is_taken_back_when_its_run_is_over() {
    let (mut journal, live) = on_a_bridge();
    let open = of_bridge(&journal, live.clone());
    assert!(!open.ailments[0].mended && open.ailments[0].cure.contains("resume"), "{:?}", open.ailments);
    journal.runs[0].state = State::RolledBack;
    let mending = of_bridge(&journal, live.clone());
    let ids: Vec<&str> = mending.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["migrate", "mural", "crds", "served", "validate"]);
    let Action::MigrateObjects { crds } = &mending.steps[0].action else { panic!("{:?}", mending.steps) };
    assert!(crds[0].to == "v1alpha1" && crds[0].drops == ["v1"] && crds[0].bridge);
    assert_eq!(mending.wanted["hubs.x"].storage_version(), "v1alpha1");
    // Somebody has put a CRD of their own there: no bridge of ours.
    let mut other = live.json().clone();
    other["spec"]["versions"][0]["served"] = false.into();
    let other = of_bridge(&journal, Crd::new(other).unwrap());
    assert!(other.ailments.iter().all(|one| one.id != "bridge-left-standing"), "{:?}", other.ailments);
}
