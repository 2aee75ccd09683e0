//! For every check of `validate` an example that fires it, and one that nearly does. A check without both fails the tests.

mod check_examples;
mod cluster_fixtures;
mod example_changes;
mod installation;
mod installation_states;

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::json;

use super::health_checks::HEALTH_CHECKS;
use crate::model::check::{Level, Verdict};
use crate::model::last_run::{LastRun, UnfinishedRun};
use crate::model::metadata_keys::RUN_LABEL;
use crate::model::owner::Owner;
use check_examples::EXAMPLES;
use example_changes::waiting_containers;
pub(crate) use installation::ExampleInstallation;

type Mutation = fn(&mut ExampleInstallation);
/// A check's id, what fires it, and what nearly does.
type Example = (&'static str, Mutation, Mutation);

fn run_all(installation: &ExampleInstallation) -> Vec<(&'static str, Verdict)> {
    let all: Vec<_> = HEALTH_CHECKS.iter().collect();
    installation.run_checks(&all).into_iter().map(|checked| (checked.check, checked.verdict)).collect()
}

fn run_check(installation: &ExampleInstallation, id: &str) -> Verdict {
    run_all(installation).into_iter().find(|(check, _)| *check == id).unwrap().1
}

#[test]
fn a_healthy_installation_passes_every_check() {
    for (check, verdict) in run_all(&ExampleInstallation::healthy()) {
        assert_eq!(verdict, Verdict::Pass, "{check}");
    }
}

#[test]
fn an_unreadable_input_never_passes() {
    for (check, verdict) in run_all(&ExampleInstallation::unreadable()) {
        assert!(matches!(verdict, Verdict::Undetermined { .. }), "{check}: {verdict:?}");
    }
}

#[test]
fn every_check_has_an_example_that_fires_it_and_one_that_nearly_does() {
    for check in &HEALTH_CHECKS {
        let id = check.card.id;
        let (_, fires, nearly) = EXAMPLES.iter().find(|(name, _, _)| *name == id).expect(id);
        let (mut broken, mut near) = (ExampleInstallation::healthy(), ExampleInstallation::healthy());
        fires(&mut broken);
        nearly(&mut near);
        assert!(matches!(run_check(&broken, id), Verdict::Fail { .. }), "{id}: {:?}", run_check(&broken, id));
        assert_eq!(run_check(&near, id), Verdict::Pass, "{id}");
    }
}

/// Each folder of `checks/` that holds health checks, with its files that are no check.
static FOLDERS: [(&str, &[&str]); 11] = [
    ("cluster", &[]),
    ("crd_health", &["live_object_validator"]),
    ("flux", &[]),
    ("ownership", &[]),
    ("releases", &[]),
    ("restarts", &[]),
    ("spokes", &[]),
    ("tenants", &[]),
    ("tools", &[]),
    ("webhooks", &[]),
    ("workloads", &["pod_owner"]),
];

fn file_stems(folder: &Path) -> impl Iterator<Item = String> + use<> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
}

#[test]
fn every_file_is_in_the_list_and_its_name_is_the_id() {
    let checks = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/checks");
    let ids = |folder: &str, other_files: &[&str]| -> Vec<String> {
        let stems = file_stems(&checks.join(folder));
        let is_check = |stem: &String| stem != "mod" && !other_files.contains(&stem.as_str());
        stems.filter(is_check).map(|stem| stem.replace('_', "-")).collect()
    };
    let files: BTreeSet<String> = FOLDERS.iter().flat_map(|(folder, other_files)| ids(folder, other_files)).collect();
    let listed: BTreeSet<String> = HEALTH_CHECKS.iter().map(|check| check.card.id.to_owned()).collect();
    assert_eq!(files, listed);
    assert_eq!(listed.len(), HEALTH_CHECKS.len(), "an id stands twice in the list");
}

#[test]
fn every_folder_of_checks_is_compared_with_the_list() {
    let checks = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/checks");
    let folders: BTreeSet<String> =
        file_stems(&checks).filter(|stem| checks.join(stem).is_dir() && stem != "examples").collect();
    let known = FOLDERS.iter().map(|(folder, _)| *folder).chain(["crd_changes"]);
    assert_eq!(folders, known.map(str::to_owned).collect());
}

#[test]
fn findings_carry_the_check_a_subject_a_command_and_an_anchor() {
    for (id, fires, _) in EXAMPLES {
        let mut installation = ExampleInstallation::healthy();
        fires(&mut installation);
        let Verdict::Fail { findings } = run_check(&installation, id) else { unreachable!() };
        for finding in findings {
            assert!(finding.check == id && !finding.subject.is_empty() && !finding.message.is_empty(), "{finding:?}");
            assert_eq!(finding.docs, crate::model::check::docs_link(id));
            let command = ["kubectl ", "helm ", "clusteradm "].iter().any(|program| finding.hint.contains(program));
            assert!(command, "its hint holds no command: {finding:?}");
        }
    }
}

#[test]
fn a_workload_names_its_pod_and_the_pod_is_reported_once() {
    let mut installation = ExampleInstallation::healthy();
    installation.set_workload_field("canvas", "status.readyReplicas", json!(1));
    installation.set_workload_field(
        "canvas-7d9f-a",
        "status.containerStatuses",
        waiting_containers("ImagePullBackOff"),
    );
    let Verdict::Fail { findings } = run_check(&installation, "workload-ready") else { unreachable!() };
    assert_eq!(findings[0].message, "1/2 ready: ImagePullBackOff in main: registry/canvas:1.1.0-rc.3: not found");
    assert_eq!(findings[0].hint, "kubectl -n mural-system describe pod canvas-7d9f-a");
    assert_eq!(run_check(&installation, "pod-failing"), Verdict::Pass);
}

#[test]
fn an_image_that_is_not_the_releases_is_put_back() {
    let mut installation = ExampleInstallation::healthy();
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: canvas}\nspec: {template: {spec: {containers: [{name: main, image: 'canvas:1'}]}}}\n";
    installation.newest_record("mural").manifest = crate::model::secret::Hidden::new(deployment.into());
    installation.set_workload_field(
        "canvas",
        "spec.template",
        json!({"spec": {"containers": [{"name": "main", "image": "canvas:2"}]}}),
    );
    assert_eq!(run_check(&installation, "workload-ready"), Verdict::Pass, "another image alone is not a finding");
    installation.set_workload_field("canvas", "status.readyReplicas", json!(1));
    let message_and_hint = |installation: &ExampleInstallation| {
        let Verdict::Fail { findings } = run_check(installation, "workload-ready") else { unreachable!() };
        (findings[0].message.clone(), findings[0].hint.clone())
    };
    let (message, hint) = message_and_hint(&installation);
    assert!(message.ends_with("; its image canvas:2 differs from the release"), "{message}");
    assert!(
        hint.ends_with("; restore it: kubectl -n mural-system set image deployment/canvas main=canvas:1"),
        "{hint}"
    );
    installation.set_workload_field("canvas", "spec.template.spec.containers.0.image", json!("canvas:1"));
    assert_eq!(message_and_hint(&installation).1, "kubectl -n mural-system describe deployment canvas");
}

#[test]
fn an_owner_creates_missing_objects_again() {
    let mut installation = ExampleInstallation::healthy();
    installation.view.workloads.objects.as_mut().unwrap().retain(|object| object["metadata"]["name"] != "canvas");
    let hint = |installation: &ExampleInstallation| {
        let Verdict::Fail { findings } = run_check(installation, "workload-present") else { unreachable!() };
        findings[0].hint.clone()
    };
    assert_eq!(hint(&installation), "helm rollback mural 3 -n mural-system");
    let flux = Owner::Flux { helm_release: "flux-system/app".into(), managed_in_git: false };
    installation.view.owners.insert("mural".into(), flux);
    let forced = "kubectl -n flux-system annotate helmrelease app --overwrite reconcile.fluxcd.io/requestedAt=";
    assert!(hint(&installation).starts_with(forced), "{}", hint(&installation));
    installation.view.owners.insert("mural".into(), Owner::Argo { application: "palette".into() });
    assert_eq!(hint(&installation), "argocd app sync palette");
}

#[test]
fn a_webhook_in_its_own_way_keeps_what_its_selector_says() {
    let mut installation = ExampleInstallation::healthy();
    let rules = json!([{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}]);
    installation::set_field(&mut installation.health_inputs.webhooks.as_mut().unwrap()[0], "webhooks.0.rules", rules);
    let selector = json!({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]});
    installation::set_field(
        &mut installation.health_inputs.webhooks.as_mut().unwrap()[0],
        "webhooks.0.namespaceSelector",
        selector,
    );
    let Verdict::Fail { findings } = run_check(&installation, "webhook-deadlock") else { unreachable!() };
    let hint = &findings[0].hint;
    assert!(
        hint.starts_with("kubectl patch validatingwebhookconfiguration hue-admission --type json --patch '["),
        "{hint}"
    );
    assert!(
        hint.contains(r#""path":"/webhooks/0/namespaceSelector""#) && hint.contains("tier") && hint.contains("NotIn"),
        "{hint}"
    );
}

#[test]
fn a_failed_revision_names_the_one_to_go_back_to() {
    let mut installation = ExampleInstallation::healthy();
    let mut failed = installation.newest_record("mural").clone();
    (failed.revision, failed.status) = (4, "failed".into());
    installation.view.releases.get_mut("mural").unwrap().as_mut().unwrap().push(failed);
    let Verdict::Fail { findings } = run_check(&installation, "release-deployed") else { unreachable!() };
    assert!(
        findings[0].hint.ends_with("back to revision 3: helm rollback mural 3 -n mural-system"),
        "{}",
        findings[0].hint
    );
}

#[test]
fn advice_continues_an_unfinished_run_and_keeps_a_rollback() {
    let mut installation = ExampleInstallation::healthy();
    let mut failed = installation.newest_record("mural").clone();
    (failed.revision, failed.status) = (4, "failed".into());
    failed.labels.insert(RUN_LABEL.to_owned(), "r2".to_owned());
    installation.view.releases.get_mut("mural").unwrap().as_mut().unwrap().push(failed);
    let command = "kubectl mural upgrade resume -f values.yaml".to_owned();
    let unfinished = Some(UnfinishedRun { runs: vec!["r1".to_owned(), "r2".to_owned()], command });
    let last = LastRun { run: "r2".to_owned(), unfinished, rolled_back_crds: ["hubs.x".to_owned()].into() };
    installation.health_inputs.last_run = Ok(Some(last));
    let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object"}}}});
    installation.set_crd_field("spec.versions.0.schema", schema);
    let hints = ["release-deployed", "crd-matches-chart"].map(|check| {
        let Verdict::Fail { findings } = run_check(&installation, check) else { unreachable!() };
        findings[0].hint.clone()
    });
    assert!(hints[0].starts_with("kubectl mural upgrade resume -f values.yaml"), "{hints:?}");
    assert!(hints[1].starts_with("kubectl mural upgrade status"), "{hints:?}");
}

#[test]
fn a_failed_job_of_a_cron_job_is_a_warning() {
    let mut installation = ExampleInstallation::healthy();
    installation.set_workload_field("nightly-1", "status.conditions.0.type", json!("Failed"));
    let Verdict::Fail { findings } = run_check(&installation, "job-failed") else { unreachable!() };
    assert_eq!(findings[0].level, Level::Warning);
}

#[test]
fn objects_of_other_namespaces_are_read_there() {
    let mut installation = ExampleInstallation::healthy();
    let far = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: far, namespace: mural-other}\n";
    installation.newest_record("mural").manifest = crate::model::secret::Hidden::new(far.into());
    assert!(matches!(run_check(&installation, "workload-present"), Verdict::Fail { .. }));
    let there =
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "far", "namespace": "mural-other"}});
    installation.health_inputs.other_namespaces.get_mut("mural-other").unwrap().objects = Ok(vec![there]);
    assert_eq!(run_check(&installation, "workload-present"), Verdict::Pass);
}

#[test]
fn without_a_record_of_the_crd_chart_the_products_crds_are_looked_at() {
    let mut installation = ExampleInstallation::healthy();
    installation.view.releases.insert("mural-crds".into(), Ok(Vec::new()));
    let mut crd = installation.view.crds.as_ref().unwrap()["hubs.x"].json().clone();
    crd["metadata"]["name"] = json!("hubs.spectrocloud.com");
    crd["spec"]["group"] = json!("spectrocloud.com");
    crd["status"]["storedVersions"] = json!(["v1alpha1", "v1beta1"]);
    installation
        .view
        .crds
        .as_mut()
        .unwrap()
        .insert("hubs.spectrocloud.com".into(), crate::model::crd::Crd::new(crd).unwrap());
    let Verdict::Fail { findings } = run_check(&installation, "crd-stored-versions") else { unreachable!() };
    assert_eq!(findings[0].subject, "CRD hubs.spectrocloud.com");
    assert!(matches!(run_check(&installation, "crd-present"), Verdict::Skipped { .. }));
}

#[test]
fn a_write_by_helm_that_changed_no_data_asks_for_no_restart() {
    let mut installation = ExampleInstallation::healthy();
    let mut old = installation.newest_record("mural").clone();
    (old.revision, old.status) = (2, "superseded".into());
    installation.view.releases.get_mut("mural").unwrap().as_mut().unwrap().insert(0, old);
    installation.set_secret_write("dex", "helm", "2026-11-22T10:00:00Z");
    assert_eq!(run_check(&installation, "restart-required"), Verdict::Pass);
    installation.set_secret_write("dex", "kubectl-edit", "2026-11-22T10:00:00Z");
    let Verdict::Fail { findings } = run_check(&installation, "restart-required") else { unreachable!() };
    assert_eq!(findings[0].hint, "kubectl -n mural-system rollout restart deployment canvas");
}

#[test]
fn unread_objects_of_other_namespaces_do_not_pass() {
    let mut installation = ExampleInstallation::healthy();
    let elsewhere = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: far, namespace: other}\n";
    installation.newest_record("mural").manifest = crate::model::secret::Hidden::new(elsewhere.into());
    assert!(matches!(run_check(&installation, "workload-ready"), Verdict::Undetermined { .. }));
}

#[test]
fn an_unreadable_object_is_reported_with_the_findings() {
    let mut installation = ExampleInstallation::healthy();
    installation.view.owners.insert("mural".into(), Owner::NotInstalled);
    installation.view.owners.insert("mural-crds".into(), Owner::Undetermined { reason: "forbidden".into() });
    let Verdict::Fail { findings } = run_check(&installation, "owner-detected") else { unreachable!() };
    assert_eq!(findings.len(), 2);
    assert!(findings.iter().all(|finding| finding.level == Level::Error));
}
