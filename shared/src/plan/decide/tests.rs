use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::model::application::ApplyMethod;
use crate::model::chart::{Digest, DigestKind};
use crate::model::object::ObjectRef;
use crate::model::owner::Owner;
use crate::plan::crd_plan::CrdDecision;
use crate::plan::order::check_order;

fn chart_upgrade(to: &str) -> ChartUpgrade {
    ChartUpgrade {
        release: "mural".into(),
        owner: Owner::Helm,
        from: Some("1.0.0".into()),
        revision: Some(1),
        to: to.into(),
        chart: "oci://a.example/mural".into(),
        digest: Digest::from_bytes(b"bytes", DigestKind::Manifest),
        unread: None,
        named_changes: Vec::new(),
        forecast_doubt: None,
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
        failed_jobs: &[],
        missing_objects: &[],
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
    let jobs = ["once".to_owned()];
    let with_failed_job = ChartState { failed_jobs: &jobs, ..state(&target, &ours, &[]) };
    assert!(!is_up_to_date(&with_failed_job), "the Job of an earlier try failed");
    let object = |kind: &str| {
        let document = serde_json::json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "one"}});
        [ObjectRef::from_manifest(&document).unwrap()]
    };
    let missing =
        |objects: &[ObjectRef]| is_up_to_date(&ChartState { missing_objects: objects, ..state(&target, &ours, &[]) });
    assert!(!missing(&object("Service")), "helm creates it again");
    assert!(missing(&object("Job")), "helm would run it again, which no one asked for");
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
    assert_eq!(check_order(&steps), Ok(()));
    let ids: Vec<&str> = steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["crds", "served", "record", "mural", "validate"]);
    let Action::ApplyCrds { names } = &steps[0].action else { panic!("the CRDs come first") };
    assert_eq!(names, &["c.spectrocloud.com", "b.spectrocloud.com", "a.foreign.io"]);
    assert_eq!(left_alone.len(), 2);
}

#[test]
fn crds_that_helm_would_delete_are_annotated_first() {
    let (target, was) = (chart_upgrade("1.1.0"), record("deployed", "mural upgrade, digest sha256:00"));
    let (crds, keep) = ([crd("b.spectrocloud.com", CrdDecision::Safe, false)], ["c.spectrocloud.com".to_owned()]);
    let app = Some(state(&target, &was, &[]));
    let (steps, _) = decide_upgrade(&UpgradeFacts { app, crds: &crds, crds_to_annotate: &keep, ..empty_facts() });
    let ids: Vec<&str> = steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["annotate-keep", "crds", "served", "mural", "validate"]);
    assert_eq!(check_order(&steps), Ok(()));
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
    let (steps, _) =
        decide_upgrade(&UpgradeFacts { app: app.clone(), crds: std::slice::from_ref(&template), ..empty_facts() });
    let ids: Vec<&str> = steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["mural", "served-mural", "validate"], "as after a rollback that kept the record");
    assert!(steps[0].reason.contains("1 CRD of its templates differs on the cluster"), "{}", steps[0].reason);
    let unchanged = CrdPlan { decision: CrdDecision::Unchanged, ..template };
    assert!(decide_upgrade(&UpgradeFacts { app, crds: &[unchanged], ..empty_facts() }).0.is_empty());
}

#[test]
fn the_step_of_the_crd_chart_shows_what_helm_writes() {
    let (target, was) = (chart_upgrade("1.1.0"), record("deployed", "mural upgrade, digest sha256:00"));
    let titles = |crds: &[CrdPlan]| {
        let crds_chart = Some(state(&target, &was, &[]));
        let (steps, _) = decide_upgrade(&UpgradeFacts { crds_chart, crds, ..empty_facts() });
        steps.iter().map(|step| step.title.clone()).collect::<Vec<_>>()
    };
    let template = CrdPlan { template_release: Some("mural".into()), ..crd("b.x", CrdDecision::Safe, true) };
    assert_eq!(titles(&[template])[0], "upgrade mural to 1.1.0 (helm writes 1 CRD)");
    assert_eq!(titles(&[])[0], "set the release record of mural to 1.1.0 (no object changes)");
}

#[test]
fn a_pending_release_of_our_run_is_unlocked_before_its_step() {
    let (target, was) = (chart_upgrade("1.1.0"), record("pending-upgrade", ""));
    let app = Some(ChartState { interrupted_run: Some("7"), ..state(&target, &was, &[]) });
    let (steps, _) = decide_upgrade(&UpgradeFacts { app, ..empty_facts() });
    let ids: Vec<&str> = steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["unlock-mural", "mural", "validate"]);
    assert_eq!(steps[0].action, Action::UnlockRelease { release: "mural".into(), revision: 1 });
    assert!(steps[0].reason.contains("run 7"), "{}", steps[0].reason);
}

#[test]
fn unverified_crds_are_verified_before_the_application() {
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

/// What the vendor's upgrade guide applied with kubectl is helm's before helm writes it.
#[test]
fn helm_owns_what_kubectl_applied_before_it_writes_the_release() {
    let (target, was) = (chart_upgrade("1.1.0"), record("deployed", "mural upgrade, digest sha256:00"));
    let template = CrdPlan { template_release: Some("mural-crds".into()), ..crd("b.x", CrdDecision::Safe, true) };
    let object = ObjectRef {
        api_version: "apiextensions.k8s.io/v1".into(),
        kind: "CustomResourceDefinition".into(),
        namespace: String::new(),
        name: "b.x".into(),
    };
    let mut adoption = Adoption {
        role: ReleaseRole::Crds,
        release: "mural-crds".into(),
        apply_method: ApplyMethod::ServerSide,
        objects: vec![object],
        crds_to_apply: BTreeSet::new(),
    };
    let ids = |adoption: &Adoption, was: &ReleaseRecord| {
        let target = ChartUpgrade { release: "mural-crds".into(), ..target.clone() };
        let (crds_chart, crds) = (Some(state(&target, was, &[])), std::slice::from_ref(&template));
        let adoptions = std::slice::from_ref(adoption);
        let (steps, _) = decide_upgrade(&UpgradeFacts { crds_chart, crds, adoptions, ..empty_facts() });
        assert_eq!(check_order(&steps), Ok(()));
        steps.iter().map(|step| step.id.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&adoption, &was), ["adopt-mural-crds", "record", "served-mural-crds", "validate"]);
    let same = record("deployed", &build_description(&target.digest));
    assert_eq!(ids(&adoption, &same), ["adopt-mural-crds", "record", "served-mural-crds", "validate"]);
    adoption.crds_to_apply.insert("b.x".into());
    let with_apply = ["crds", "served", "adopt-mural-crds", "record", "served-mural-crds", "validate"];
    assert_eq!(ids(&adoption, &was), with_apply);
}
