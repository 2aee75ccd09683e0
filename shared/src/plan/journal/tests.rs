use super::*;
use crate::ask::{AllowedActions, FluxSourceNames, HelmOptions, OwnerMode, StoredValues};
use crate::model::chart::ChartRef;
use crate::model::release_role::ReleaseRole;
use crate::model::signature::SignatureRequirements;
use crate::plan::recorded_state::RecordedRevision;
use crate::plan::saved_plan::RequestedChart;
use crate::plan::value_hash::ValueHash;
use serde_json::json;

pub(crate) fn recorded_state() -> RecordedState {
    let named = |value: &str| BTreeMap::from([("mural".to_owned(), value.to_owned())]);
    let crd = RecordedCrd { uid: "1".into(), spec_digest: "old".into(), stored_versions: vec!["v1".into()] };
    RecordedState {
        cluster_uid: "uid-1".into(),
        owners: named("Helm"),
        chart_digests: named("sha256:1"),
        releases: BTreeMap::from([(
            "mural".to_owned(),
            Some(RecordedRevision { revision: 1, status: "deployed".into() }),
        )]),
        crds: BTreeMap::from([("hubs.x".to_owned(), Some(crd)), ("new.x".to_owned(), None)]),
        rendered_crd_digests: BTreeMap::from([("hubs.x".to_owned(), "sha256:2".to_owned())]),
        values: ValueHash::new("salt", StoredValues::HelmDefault, &json!({"password": "canary"})),
    }
}

pub(crate) fn entry() -> RunEntry {
    let chart = |release: &str| RequestedChart {
        release: release.into(),
        chart: ChartRef::parse("oci://a.example/mural").unwrap(),
        version: None,
    };
    let request = RecordedRequest {
        namespace: "mural-system".into(),
        crds: chart("mural-crds"),
        app: chart("mural"),
        mode: OwnerMode::Auto,
        allowed_actions: AllowedActions::default(),
        helm: HelmOptions::default(),
        sources: FluxSourceNames::default(),
        signature: SignatureRequirements::default(),
    };
    let step = |id: StepId, action: Action| Step {
        id,
        title: id.to_string(),
        action,
        reason: String::new(),
        command: Vec::new(),
    };
    let steps = [
        step(StepId::Crds, Action::ApplyCrds { names: vec!["hubs.x".into()] }),
        step(StepId::Release(ReleaseRole::App), Action::UpgradeRelease { release: "mural".into() }),
        step(StepId::Validate, Action::Validate),
    ];
    let identity = HolderIdentity {
        run: "20261123-0712".into(),
        user: "ann".into(),
        host: "desk".into(),
        ..HolderIdentity::default()
    };
    RunEntry::new(Task::Upgrade, &identity, request, recorded_state(), &steps, Timestamp::UNIX_EPOCH)
}

#[test]
fn a_run_shows_its_progress() {
    let mut run = entry();
    assert!(run.is_unfinished() && !run.has_written());
    run.begin_step(StepId::Crds, Timestamp::UNIX_EPOCH);
    assert!(run.has_written());
    run.end_step(StepId::Crds, StepPhase::Done, &"x".repeat(5000), Timestamp::UNIX_EPOCH);
    run.begin_step(StepId::Release(ReleaseRole::App), Timestamp::UNIX_EPOCH);
    assert_eq!(run.summarize_steps(), "done crds; started mural; pending validate");
    assert_eq!(run.steps[0].detail.len(), MAX_DETAIL_CHARS);
    run.end_run(RunState::Done, Timestamp::UNIX_EPOCH);
    assert!(!run.is_unfinished());
}

#[test]
fn a_resumed_run_keeps_the_state_before_the_first() {
    let mut earlier = entry();
    earlier.crds_after_run.insert("hubs.x".into(), recorded_state().crds["hubs.x"].clone().unwrap());
    let mut later = entry();
    later.run = "20261123-0800".into();
    later.recorded_state.releases.clear();
    let later = later.resume_from(&earlier);
    assert_eq!(
        (later.run_ids().len(), later.recorded_state == earlier.recorded_state, later.crds_after_run.len()),
        (2, true, 1)
    );
    assert!(later.has_written(), "the run that it resumes counts");
}

#[test]
fn the_step_that_ran_is_marked_whatever_the_release_is_called() {
    let mut run = entry();
    run.request.app.release = "crds".into();
    run.steps[1].action = Action::UpgradeRelease { release: "crds".into() };
    run.begin_step(run.steps[1].id, Timestamp::UNIX_EPOCH);
    let phases: Vec<StepPhase> = run.steps.iter().map(|step| step.phase).collect();
    assert_eq!(phases, [StepPhase::Pending, StepPhase::Running, StepPhase::Pending]);
}

#[test]
fn no_value_is_in_it() {
    let text = serde_json::to_string(&entry()).unwrap();
    assert!(!text.contains("canary"), "{text}");
    let read: RunEntry = serde_json::from_str(&text).unwrap();
    assert_eq!(read, entry());
}
