use serde_json::{Value, json};

use super::super::journal::tests::{entry, recorded_state};
use super::*;
use crate::checks::crd_changes::object_evidence::Evidence;
use crate::checks::crd_changes::{ServerAnswer, judge_crd};
use crate::model::metadata_keys::RUN_LABEL;
use crate::model::release_role::ReleaseRole;
use crate::plan::StepId;
use crate::schema::ServerVersion;

fn crd(name: &str, spec: &Value) -> Crd {
    let (plural, group) = name.split_once('.').unwrap();
    Crd::new(json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": name, "uid": "1"}, "status": {"storedVersions": ["v1"]},
        "spec": {"group": group, "scope": "Namespaced", "names": {"kind": "Hub", "plural": plural},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}}]}}))
    .unwrap()
}

fn plain() -> Value {
    json!({"type": "object", "properties": {"a": {"type": "string"}}})
}

fn wider() -> Value {
    json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}})
}

fn record(revision: u64, version: &str, status: &str, run: &str) -> ReleaseRecord {
    let label = (!run.is_empty()).then(|| (RUN_LABEL.to_owned(), run.to_owned()));
    let sample = ReleaseRecord::sample("mural", version);
    ReleaseRecord { revision, status: status.into(), labels: label.into_iter().collect(), ..sample }
}

struct Scene {
    run: RunEntry,
    releases: BTreeMap<String, Vec<ReleaseRecord>>,
    live: BTreeMap<String, Crd>,
    saved: Result<BTreeMap<String, Crd>, String>,
    evidence: Evidence,
}

impl Scene {
    /// After a whole upgrade: hubs changed, one CRD is new.
    fn after_upgrade() -> Self {
        let (old, new) = (crd("hubs.x", &plain()), crd("hubs.x", &wider()));
        let mut run = entry();
        run.begin_step(StepId::Crds, jiff::Timestamp::UNIX_EPOCH);
        run.recorded_state.crds.insert("hubs.x".into(), Some(RecordedCrd::from_crd(&old)));
        run.crds_after_run.insert("hubs.x".into(), RecordedCrd::from_crd(&new));
        let records = vec![record(1, "1.0.0", "superseded", ""), record(2, "1.1.0", "deployed", &run.run)];
        let live = [new, crd("new.x", &plain())].map(|crd| (crd.name().to_owned(), crd));
        Self {
            run,
            releases: BTreeMap::from([("mural".to_owned(), records)]),
            live: live.into_iter().collect(),
            saved: Ok(BTreeMap::from([("hubs.x".to_owned(), old)])),
            evidence: harmless_evidence(),
        }
    }

    fn decide(&self) -> Result<(RollbackPlan, Vec<Step>), ForeignRevision> {
        let saved = self.saved.as_ref().cloned().unwrap_or_default();
        let forecasts: BTreeMap<String, CrdDryRunResult> =
            saved.iter().map(|(name, crd)| (name.clone(), CrdDryRunResult::Accepted(crd.clone()))).collect();
        let judged = saved.iter().filter_map(|(name, crd)| {
            let live = self.live.get(name)?;
            Some((
                name.clone(),
                judge_crd(Some(live), Some(crd), self.evidence.clone(), ServerVersion::NEWEST, ServerAnswer::Accepted),
            ))
        });
        decide_rollback(&RollbackFacts {
            run: &self.run,
            run_chain: &[&self.run],
            earlier_rollbacks: &[],
            releases: &self.releases,
            live: &self.live,
            backup_crds: self.saved.as_ref().map_err(String::as_str),
            forecasts: &forecasts,
            verdicts: &judged.collect(),
            overwrite: false,
        })
    }
}

fn harmless_evidence() -> Evidence {
    use crate::checks::crd_changes::object_evidence::{EvidenceCollector, ObjectSource};
    let (old, new) = (crd("hubs.x", &wider()), crd("hubs.x", &plain()));
    let mut judge = EvidenceCollector::new(&old, &new, ServerVersion::NEWEST, ObjectSource::Live);
    judge.add_live_object(
        &json!({"apiVersion": "x/v1", "kind": "Hub", "metadata": {"name": "h", "namespace": "m"}, "spec": {"a": "1"}}),
    );
    judge.finish()
}

fn ids(steps: &[Step]) -> Vec<&str> {
    steps.iter().map(|step| step.id.as_str()).collect()
}

fn reason_for_leaving(rollback: &RollbackPlan, name: &str) -> String {
    let crd = rollback.crds.iter().find(|crd| crd.name == name).unwrap();
    assert_eq!(crd.decision, RollbackDecision::Leave, "{crd:?}");
    crd.reason.clone()
}

#[test]
fn the_application_goes_first_and_a_new_crd_stays() {
    let (back, steps) = Scene::after_upgrade().decide().unwrap();
    assert_eq!(ids(&steps), ["mural", "crds", "served", "validate"]);
    assert_eq!(super::super::order::check_order(&steps), Ok(()));
    let expected = Action::RollbackRelease { release: "mural".into(), revision: 1, wait: true };
    assert_eq!((&steps[0].action, back.releases[0].to_revision), (&expected, Some(1)));
    assert!(reason_for_leaving(&back, "new.x").contains("never deletes"));
}

#[test]
fn a_later_revision_of_another_client_is_refused() {
    let mut scene = Scene::after_upgrade();
    let records = scene.releases.get_mut("mural").unwrap();
    records.push(record(3, "1.2.0", "deployed", ""));
    assert_eq!(scene.decide().unwrap_err().revision, 3);
    // helm copies labels: the second revision with the same run label is another client's.
    let run = scene.run.run.clone();
    scene.releases.get_mut("mural").unwrap()[2] = record(3, "1.2.0", "deployed", &run);
    assert_eq!(scene.decide().unwrap_err().revision, 3);
}

#[test]
fn a_crd_whose_going_back_hurts_stays_with_the_reason() {
    let changed = |bend: &dyn Fn(&mut Scene)| {
        let mut scene = Scene::after_upgrade();
        bend(&mut scene);
        let (back, steps) = scene.decide().unwrap();
        assert_eq!(ids(&steps), ["mural", "validate"]);
        reason_for_leaving(&back, "hubs.x")
    };
    let stored = changed(&|scene| {
        let mut live = scene.live["hubs.x"].json().clone();
        live["status"]["storedVersions"] = json!(["v1", "v2"]);
        scene.live.insert("hubs.x".into(), Crd::new(live).unwrap());
    });
    assert!(stored.contains("stored as v2"), "{stored}");
    let elsewhere = changed(&|scene| scene.saved = Err("the saved copy is on desk".into()));
    assert!(elsewhere.contains("on desk"), "{elsewhere}");
    let others = changed(&|scene| {
        let other = crd("hubs.x", &json!({"type": "object", "properties": {"c": {"type": "string"}}}));
        scene.live.insert("hubs.x".into(), other);
    });
    assert!(others.contains("someone else has changed it"), "{others}");
    let unseen = changed(&|scene| scene.evidence = Evidence::default());
    assert!(unseen.contains('b'), "no check of objects for the field: {unseen}");
}

#[test]
fn a_record_that_would_not_be_true_stays() {
    let mut scene = Scene::after_upgrade();
    let before = crate::plan::recorded_state::RecordedRevision { revision: 1, status: "deployed".into() };
    scene.run.recorded_state.releases.insert("mural-crds".into(), Some(before));
    let run = scene.run.run.clone();
    scene
        .releases
        .insert("mural-crds".into(), vec![record(1, "0.7.1", "superseded", ""), record(2, "0.7.4", "deployed", &run)]);
    let (back, _) = scene.decide().unwrap();
    assert_eq!(
        (back.releases[1].decision, back.releases[1].to_revision),
        (RollbackDecision::Leave, None),
        "a new CRD stays"
    );
    scene.live.remove("new.x");
    let (_, steps) = scene.decide().unwrap();
    assert_eq!(ids(&steps), ["mural", "crds", "served", "record", "validate"]);
    assert_eq!(super::super::order::check_order(&steps), Ok(()));
}

#[test]
fn crds_that_helm_would_delete_on_a_rollback_are_annotated_first() {
    let mut scene = Scene::after_upgrade();
    let manifest = scene.live["new.x"].json().to_string();
    scene.releases.get_mut("mural").unwrap()[1].manifest = crate::model::secret::Hidden::new(manifest);
    let (back, steps) = scene.decide().unwrap();
    assert_eq!((back.crds_to_annotate, ids(&steps)[0]), (vec!["new.x".to_owned()], "annotate-keep"));
}

#[test]
fn nothing_was_written_is_nothing_to_go_back_from() {
    let journal = |state: RunState| {
        let mut run = Scene::after_upgrade().run;
        run.state = state;
        JournalSnapshot { runs: vec![run], unreadable_runs: Vec::new() }
    };
    assert!(find_target_run(&journal(RunState::Open)).is_some() && find_target_run(&journal(RunState::Done)).is_some());
    assert!(find_target_run(&journal(RunState::RolledBack)).is_none());
    assert!(find_target_run(&JournalSnapshot { runs: vec![entry()], unreadable_runs: Vec::new() }).is_none());
    let mut scene = Scene::after_upgrade();
    scene.run.recorded_state.crds = recorded_state().crds.into_iter().filter(|(name, _)| name == "none").collect();
    scene.releases.get_mut("mural").unwrap().truncate(1);
    assert!(scene.decide().unwrap().1.is_empty());
}

#[test]
fn our_own_marks_are_taken_away_in_the_end_and_no_others() {
    let scene = || {
        let mut scene = Scene::after_upgrade();
        scene.run.steps[0].action = Action::AddKeepAnnotation { names: vec!["hubs.x".into(), "new.x".into()] };
        let by = |crd: &Crd, manager: &str| crate::plan::keep_annotation::tests::annotate_keep(crd, manager);
        let (hubs, new) = (by(&scene.live["hubs.x"], "kubectl-annotate"), by(&scene.live["new.x"], "ann"));
        scene.live.extend([hubs, new].map(|crd| (crd.name().to_owned(), crd)));
        scene
    };
    let (back, steps) = scene().decide().unwrap();
    assert_eq!(
        (back.crds_to_unannotate.as_slice(), ids(&steps)),
        (&["hubs.x".to_owned()][..], vec!["mural", "crds", "served", "remove-keep-annotation", "validate"])
    );
    assert_eq!(super::super::order::check_order(&steps), Ok(()));
    assert_eq!(
        (back.steps[0].decision, back.steps[0].summary.as_str()),
        (RollbackDecision::RollBack, "1 of 2 annotations are removed in the end")
    );
    // A release that is rolled back in part: helm may still compare with a manifest that has the CRD.
    let mut half = scene();
    half.releases.insert("mural-crds".into(), vec![record(1, "0.7.4", "failed", &half.run.run)]);
    let (back, _) = half.decide().unwrap();
    assert_eq!(
        (back.releases[1].decision, back.crds_to_unannotate.len(), back.steps[0].decision),
        (RollbackDecision::Leave, 0, RollbackDecision::Leave)
    );
}

#[test]
fn each_step_of_the_run_has_a_decision() {
    let mut scene = Scene::after_upgrade();
    scene.run.begin_step(StepId::Release(ReleaseRole::App), jiff::Timestamp::UNIX_EPOCH);
    let (back, _) = scene.decide().unwrap();
    let decisions: Vec<(&str, RollbackDecision)> =
        back.steps.iter().map(|step| (step.step.as_str(), step.decision)).collect();
    assert_eq!(
        decisions,
        [("crds", RollbackDecision::RollBack), ("mural", RollbackDecision::RollBack)],
        "validate writes nothing"
    );
    assert!(back.steps[1].summary.contains("to the content of revision 1 (1.0.0)"), "{:?}", back.steps);
}
