use super::super::journal::tests::entry;
use super::super::journal::{RunState, UnreadableRun};
use super::*;
use crate::model::flux::FluxRef;
use serde_json::json;

fn record(revision: u64, status: &str) -> ReleaseRecord {
    ReleaseRecord { revision, status: status.into(), ..ReleaseRecord::sample("mural", "1.0.0") }
}

fn annotated_crd() -> Crd {
    let crd = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "hubs.x"}});
    crate::plan::keep_annotation::tests::annotate_keep(&Crd::new(crd).unwrap(), "kubectl-annotate")
}

fn decide_issues(records: Vec<ReleaseRecord>, journal: &JournalSnapshot) -> (Vec<String>, Vec<Step>) {
    let releases = BTreeMap::from([("mural".to_owned(), records)]);
    let live = BTreeMap::from([("hubs.x".to_owned(), annotated_crd())]);
    let facts = RepairFacts {
        namespace: "m",
        releases: &releases,
        live: &live,
        journal,
        app_release: "mural",
        suspended_releases: Vec::new(),
    };
    let RepairPlan { issues, steps, .. } = decide_repair(&facts);
    assert_eq!(super::super::order::check_order(&steps), Ok(()));
    (issues.iter().map(|one| format!("{} {}", one.id, one.fixable)).collect(), steps)
}

#[test]
fn a_release_suspended_by_a_dead_run_is_resumed() {
    let (releases, live, journal) = (BTreeMap::new(), BTreeMap::new(), JournalSnapshot::default());
    let helm_release = FluxRef::new("HelmRelease", "m", "mural");
    let held = vec![SuspendedHelmRelease { helm_release, run: "20261126-1".to_owned(), suspended_at: None }];
    let RepairPlan { issues: ailments, steps, .. } = decide_repair(&RepairFacts {
        namespace: "m",
        releases: &releases,
        live: &live,
        journal: &journal,
        app_release: "mural",
        suspended_releases: held,
    });
    assert!(ailments[0].id == "helmrelease-suspended" && ailments[0].message.contains("20261126-1"));
    assert!(matches!(&steps[0].action, Action::ResumeHelmRelease { has_new_values: false, .. }));
    assert!(
        matches!(&steps[1].action, Action::AwaitHelmRelease { target: None, .. }),
        "helm-controller must observe it first"
    );
    assert_eq!(super::super::order::check_order(&steps), Ok(()));
}

#[test]
fn a_healthy_installation_has_no_issue() {
    let (ailments, steps) = decide_issues(vec![record(1, "deployed")], &JournalSnapshot::default());
    assert!(ailments.is_empty() && steps.is_empty());
    let (ailments, _) = decide_issues(vec![record(1, "deployed"), record(2, "failed")], &JournalSnapshot::default());
    assert!(ailments.is_empty(), "helm upgrades from a failed revision without help");
}

#[test]
fn pending_and_failed_releases_are_fixed() {
    let journal = JournalSnapshot::default();
    let (ailments, steps) = decide_issues(vec![record(1, "deployed"), record(2, "pending-rollback")], &journal);
    assert_eq!(ailments, ["release-pending true"]);
    assert_eq!(steps[0].action, Action::UnlockRelease { release: "mural".into(), revision: 2 });
    let (ailments, steps) = decide_issues(vec![record(1, "superseded"), record(2, "failed")], &journal);
    let rollback = Action::RollbackRelease { release: "mural".into(), revision: 1, wait: true };
    assert_eq!((ailments, &steps[0].action), (vec!["release-failed true".to_owned()], &rollback));
    let (ailments, steps) = decide_issues(vec![record(1, "failed")], &journal);
    assert_eq!((ailments, steps.len()), (vec!["release-failed false".to_owned()], 0));
}

#[test]
fn a_mark_is_left_behind_when_its_run_is_over() {
    let mut run = entry();
    run.steps[0].action = Action::AddKeepAnnotation { names: vec!["hubs.x".into()] };
    run.begin_step(StepId::Crds, jiff::Timestamp::UNIX_EPOCH);
    let mut journal = JournalSnapshot { runs: vec![run], unreadable_runs: Vec::new() };
    assert!(decide_issues(Vec::new(), &journal).0.is_empty(), "resume may need it");
    journal.runs[0].state = RunState::RolledBack;
    let (ailments, steps) = decide_issues(Vec::new(), &journal);
    assert_eq!(ailments, ["keep-annotation-left true"]);
    assert_eq!(steps[0].action, Action::RemoveKeepAnnotation { names: vec!["hubs.x".into()] });
}

#[test]
fn a_damaged_run_is_discarded_and_a_newer_format_is_not() {
    let unread = |run: &str, newer| UnreadableRun { run: run.into(), reason: "r".into(), from_newer_version: newer };
    let journal = JournalSnapshot { runs: Vec::new(), unreadable_runs: vec![unread("1", false), unread("2", true)] };
    let (ailments, steps) = decide_issues(Vec::new(), &journal);
    assert_eq!(ailments, ["journal-damaged true", "journal-damaged false"]);
    assert_eq!(steps[0].action, Action::DiscardRuns { runs: vec!["1".into()] });
}

/// A run that migrated the objects of `hubs.x` to v1, and the transitional CRD that it left.
fn interrupted_migration() -> (JournalSnapshot, Crd) {
    use super::super::{CrdMigration, crd_migration, recorded_state::RecordedCrd};
    let of = |versions: &[&str], storage: &str| {
        let one = |name: &&str| json!({"name": name, "served": true, "storage": *name == storage, "schema": {"openAPIV3Schema": {"type": "object"}}});
        Crd::new(json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "hubs.x", "uid": "1"}, "status": {"storedVersions": ["v1alpha1", "v1"]},
            "spec": {"group": "x", "versions": versions.iter().map(one).collect::<Vec<_>>()}}))
        .unwrap()
    };
    let (old, wanted) = (of(&["v1alpha1"], "v1alpha1"), of(&["v1"], "v1"));
    let mut live = old.json().clone();
    live["spec"]["versions"] = crd_migration::build_transitional_versions(&old, &wanted, "v1");
    let migration = CrdMigration {
        name: "hubs.x".into(),
        dropped_versions: vec!["v1alpha1".into()],
        target_version: "v1".into(),
        needs_transitional_crd: true,
        in_stored_versions: true,
    };
    let mut run = entry();
    run.steps[0].action = Action::MigrateObjects { crds: vec![migration] };
    run.begin_step(StepId::Crds, jiff::Timestamp::UNIX_EPOCH);
    run.recorded_state.crds.insert("hubs.x".into(), Some(RecordedCrd::from_crd(&old)));
    (JournalSnapshot { runs: vec![run], unreadable_runs: Vec::new() }, Crd::new(live).unwrap())
}

fn repair_migration(journal: &JournalSnapshot, live: Crd) -> RepairPlan {
    let releases = BTreeMap::from([("mural".to_owned(), vec![record(1, "superseded"), record(2, "failed")])]);
    let live = BTreeMap::from([("hubs.x".to_owned(), live)]);
    let repair = decide_repair(&RepairFacts {
        namespace: "m",
        releases: &releases,
        live: &live,
        journal,
        app_release: "mural",
        suspended_releases: Vec::new(),
    });
    assert_eq!(super::super::order::check_order(&repair.steps), Ok(()));
    repair
}

#[test]
fn a_bridge_is_taken_back_when_its_run_is_over() {
    let (mut journal, live) = interrupted_migration();
    let open = repair_migration(&journal, live.clone());
    assert!(!open.issues[0].fixable && open.issues[0].fix.contains("resume"), "{:?}", open.issues);
    journal.runs[0].state = RunState::RolledBack;
    let repair = repair_migration(&journal, live.clone());
    let ids: Vec<&str> = repair.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["migrate", "mural", "crds", "served", "validate"]);
    let Action::MigrateObjects { crds } = &repair.steps[0].action else { panic!("{:?}", repair.steps) };
    assert!(
        crds[0].target_version == "v1alpha1" && crds[0].dropped_versions == ["v1"] && crds[0].needs_transitional_crd
    );
    assert_eq!(repair.crds_to_apply["hubs.x"].storage_version(), "v1alpha1");
    // Someone else has applied their own CRD: it is no transitional CRD of ours.
    let mut other = live.json().clone();
    other["spec"]["versions"][0]["served"] = false.into();
    let other = repair_migration(&journal, Crd::new(other).unwrap());
    assert!(other.issues.iter().all(|one| one.id != "transitional-crd-left"), "{:?}", other.issues);
}
