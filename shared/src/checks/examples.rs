//! For every check of `validate` an example that fires it, and one that nearly does. A check without both fails the tests.

mod world;

use semver::Version;
use serde_json::json;

use super::validate::{ALL, run};
use super::{Level, Verdict};
use crate::model::owner::Owner;
pub(crate) use world::World;

type Change = fn(&mut World);
/// A check's id, what fires it, and what nearly does.
type Example = (&'static str, Change, Change);

fn flux() -> Owner {
    Owner::Flux { helm_release: "mural-system/mural".into(), kept_in_git: false }
}

fn waiting(reason: &str) -> serde_json::Value {
    json!([{"name": "main", "restartCount": 7, "state": {"waiting": {"reason": reason, "message": "registry/canvas:1.1.0-rc.3: not found"}}}])
}

fn says(kind: &str, status: &str) -> serde_json::Value {
    json!({"type": kind, "status": status, "reason": "R", "message": "m"})
}

const EXAMPLES: [Example; 22] = [
    ("helm-version", |w| w.tools.helm = Ok(Version::new(3, 16, 4)), |w| w.tools.helm = Ok(Version::new(3, 17, 0))),
    (
        "kubectl-version",
        |w| w.tools.kubectl = Ok(Version::new(1, 30, 9)),
        |w| w.tools.kubectl = Ok(Version::new(1, 31, 0)),
    ),
    (
        "kubectl-skew",
        |w| w.tools.kubectl = Ok(Version::new(1, 35, 0)),
        |w| w.tools.kubectl = Ok(Version::new(1, 32, 0)),
    ),
    ("server-version", |w| w.view.hub.version = "v1.30.9".into(), |w| w.view.hub.version = "v1.31+".into()),
    ("namespace-exists", |w| w.view.hub.namespace_exists = Ok(false), |_| {}),
    (
        "owner-found",
        |w| drop(w.view.owners.insert("mural".into(), Owner::Nobody)),
        |w| drop(w.view.owners.insert("mural".into(), flux())),
    ),
    (
        "owner-same",
        |w| drop(w.view.owners.insert("mural".into(), flux())),
        |w| {
            w.view.owners.insert("mural".into(), flux());
            w.view.owners.insert("mural-crds".into(), flux());
        },
    ),
    ("release-present", |w| drop(w.view.releases.insert("mural".into(), Ok(Vec::new()))), |_| {}),
    (
        "release-deployed",
        |w| w.record("mural").status = "pending-upgrade".into(),
        |w| {
            let mut old = w.record("mural").clone();
            (old.revision, old.status) = (2, "failed".into());
            w.view.releases.get_mut("mural").unwrap().as_mut().unwrap().insert(0, old);
        },
    ),
    (
        "release-version",
        |w| w.record("mural").chart_version = "1.1.0-rc.0".into(),
        |w| w.record("mural").chart_version = "v1.1.0-rc.3+7".into(),
    ),
    ("release-record-size", |w| w.record("mural").size = 1_040_000, |w| w.record("mural").size = 900_000),
    (
        "crd-present",
        |w| w.record("mural-crds").crds.push("tenants.x".into()),
        |w| {
            let more = w.view.crds.as_ref().unwrap()["hubs.x"].clone();
            w.view.crds.as_mut().unwrap().insert("tenants.x".into(), more);
        },
    ),
    (
        "crd-established",
        |w| w.crd("status.conditions.1", says("Established", "False")),
        |w| w.crd("status.conditions.1.message", json!("")),
    ),
    (
        "crd-names-accepted",
        |w| w.crd("status.conditions.0", says("NamesAccepted", "False")),
        |w| w.crd("status.conditions.0.reason", json!("Other")),
    ),
    (
        "crd-structural",
        |w| w.crd("status.conditions", json!([says("NonStructuralSchema", "True")])),
        |w| w.crd("status.conditions", json!([says("NonStructuralSchema", "False")])),
    ),
    (
        "crd-stored-versions",
        |w| w.crd("status.storedVersions", json!(["v1alpha1", "v1beta1"])),
        |w| w.crd("spec.versions.1.served", json!(false)),
    ),
    (
        "crd-terminating",
        |w| w.crd("metadata.deletionTimestamp", json!("2026-11-23T07:00:00Z")),
        |w| w.crd("metadata.finalizers", json!(["a/b"])),
    ),
    (
        "workload-present",
        |w| w.view.workloads.owners.as_mut().unwrap().retain(|object| object["metadata"]["name"] != "canvas"),
        |w| w.view.workloads.owners.as_mut().unwrap().retain(|object| object["metadata"]["name"] != "stranger"),
    ),
    (
        "workload-ready",
        |w| w.live("canvas", "status.readyReplicas", json!(1)),
        |w| w.live("stranger", "status.readyReplicas", json!(1)),
    ),
    (
        "pod-trouble",
        |w| w.live("canvas-7d9f-a", "status.containerStatuses", waiting("CrashLoopBackOff")),
        |w| w.live("canvas-7d9f-a", "status.containerStatuses", waiting("ContainerCreating")),
    ),
    (
        "claim-bound",
        |w| w.live("data-db-0", "status.phase", json!("Pending")),
        |w| w.live("stranger-0", "status.phase", json!("Pending")),
    ),
    (
        "job-failed",
        |w| w.live("seed", "status.conditions.0.type", json!("Failed")),
        |w| w.live("seed", "status.conditions", json!([])),
    ),
];

fn verdicts(world: &World) -> Vec<(&'static str, Verdict)> {
    let all: Vec<_> = ALL.iter().collect();
    run(&world.seen(), &all).into_iter().map(|checked| (checked.check, checked.verdict)).collect()
}

fn verdict(world: &World, id: &str) -> Verdict {
    verdicts(world).into_iter().find(|(check, _)| *check == id).unwrap().1
}

#[test]
fn a_healthy_installation_passes_every_check() {
    for (check, verdict) in verdicts(&World::healthy()) {
        assert_eq!(verdict, Verdict::Pass, "{check}");
    }
}

#[test]
fn what_could_not_be_seen_never_passes() {
    for (check, verdict) in verdicts(&World::unseen()) {
        assert!(matches!(verdict, Verdict::Undetermined { .. }), "{check}: {verdict:?}");
    }
}

#[test]
fn every_check_has_an_example_that_fires_it_and_one_that_nearly_does() {
    for check in &ALL {
        let id = check.card.id;
        let (_, fires, nearly) = EXAMPLES.iter().find(|(name, _, _)| *name == id).expect(id);
        let (mut broken, mut near) = (World::healthy(), World::healthy());
        fires(&mut broken);
        nearly(&mut near);
        assert!(matches!(verdict(&broken, id), Verdict::Fail { .. }), "{id}: {:?}", verdict(&broken, id));
        assert_eq!(verdict(&near, id), Verdict::Pass, "{id}");
    }
}

#[test]
fn findings_carry_the_check_a_subject_and_an_anchor() {
    for (id, fires, _) in EXAMPLES {
        let mut world = World::healthy();
        fires(&mut world);
        let Verdict::Fail { findings } = verdict(&world, id) else { unreachable!() };
        for finding in findings {
            assert!(finding.check == id && !finding.subject.is_empty() && !finding.message.is_empty(), "{finding:?}");
            assert_eq!(finding.docs, format!("CHECKS.md#{id}"));
        }
    }
}

#[test]
fn a_workload_names_the_pod_that_keeps_it_and_the_pod_is_not_told_twice() {
    let mut world = World::healthy();
    world.live("canvas", "status.readyReplicas", json!(1));
    world.live("canvas-7d9f-a", "status.containerStatuses", waiting("ImagePullBackOff"));
    let Verdict::Fail { findings } = verdict(&world, "workload-ready") else { unreachable!() };
    assert_eq!(findings[0].message, "1/2 ready: ImagePullBackOff in main: registry/canvas:1.1.0-rc.3: not found");
    assert_eq!(findings[0].hint, "kubectl -n mural-system describe pod canvas-7d9f-a");
    assert_eq!(verdict(&world, "pod-trouble"), Verdict::Pass);
}

#[test]
fn a_failed_job_of_a_cron_job_is_a_warning() {
    let mut world = World::healthy();
    world.live("nightly-1", "status.conditions.0.type", json!("Failed"));
    let Verdict::Fail { findings } = verdict(&world, "job-failed") else { unreachable!() };
    assert_eq!(findings[0].level, Level::Warning);
}

#[test]
fn argo_cd_makes_no_release_and_that_is_said() {
    let mut world = World::healthy();
    for release in ["mural", "mural-crds"] {
        world.view.owners.insert(release.into(), Owner::Argo { application: "palette".into() });
        world.view.releases.insert(release.into(), Ok(Vec::new()));
    }
    for id in ["release-present", "release-deployed", "workload-ready", "crd-present"] {
        let Verdict::Skipped { reason } = verdict(&world, id) else { unreachable!("{id}") };
        assert!(reason.contains("Argo CD"), "{reason}");
    }
    assert_eq!(verdict(&world, "owner-found"), Verdict::Pass);
}

#[test]
fn what_lies_in_another_namespace_is_not_passed_unseen() {
    let mut world = World::healthy();
    let elsewhere = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: far, namespace: other}\n";
    world.record("mural").manifest = crate::model::secret::Hidden::new(elsewhere.into());
    assert!(matches!(verdict(&world, "workload-ready"), Verdict::Undetermined { .. }));
}

#[test]
fn one_that_could_not_be_seen_is_told_beside_findings() {
    let mut world = World::healthy();
    world.view.owners.insert("mural".into(), Owner::Nobody);
    world.view.owners.insert("mural-crds".into(), Owner::Undetermined { reason: "forbidden".into() });
    let Verdict::Fail { findings } = verdict(&world, "owner-found") else { unreachable!() };
    assert_eq!(findings.len(), 2);
    assert!(findings.iter().all(|finding| finding.level == Level::Error));
}
