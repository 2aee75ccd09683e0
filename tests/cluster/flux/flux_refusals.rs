//! States of Flux in which an upgrade is refused before any write, and states that only look like it.

use anyhow::{Context, Result, ensure};
use mural_tests::audit;
use mural_tests::flux as flux_install;
use mural_tests::sandbox::User;
use serde_json::{Value, json};

use super::{copy_chart_as, helm_release, install_older, newer_flags, patch, upgrade};
use crate::crd_backup::apply;
use crate::small::{self, NAMESPACE};
use crate::test_cluster::{TestCluster, to_command_output};

/// Sets and removes the labels of an object that a Kustomization manages.
const GIT: &str = r#"{"metadata":{"labels":{"kustomize.toolkit.fluxcd.io/name":"hub","kustomize.toolkit.fluxcd.io/namespace":"flux-system"}}}"#;
const NOT_GIT: &str =
    r#"{"metadata":{"labels":{"kustomize.toolkit.fluxcd.io/name":null,"kustomize.toolkit.fluxcd.io/namespace":null}}}"#;

pub fn before_any_write(test_cluster: &TestCluster) -> Result<()> {
    let (test_cluster, _turn) = test_cluster.flux_cluster();
    install_older(test_cluster)?;
    wrong_requests(test_cluster)?;
    patched_objects_are_refused(test_cluster)?;
    two_makers(test_cluster)?;
    not_allowed(test_cluster)?;
    a_plan_whose_owner_changed(test_cluster)?;
    a_pin(test_cluster)
}

fn ensure_refused(test_cluster: &TestCluster, flags: &[&str], code: i32, expected: &str) -> Result<()> {
    let mark = test_cluster.mark()?;
    let ended = upgrade(test_cluster, &[], flags)?.expect_code(code).with_context(|| expected.to_owned())?;
    ensure!(ended.all_text().contains(expected), "does not tell {expected:?}:\n{}", ended.all_text());
    test_cluster.ensure_nothing_written(mark)
}

/// Requests that contradict the Flux objects.
fn wrong_requests(test_cluster: &TestCluster) -> Result<()> {
    ensure_refused(test_cluster, &["--to", "1.1.0-rc.3", "--crds", "0.7.9", "--yes"], 64, "has no version 0.7.9")?;
    ensure_refused(test_cluster, &newer_flags(&["--yes", "--mode", "helm"]), 5, "which would revert the upgrade")?;
    let integer = copy_chart_as(test_cluster, &small::app(test_cluster, "1.1.0-rc.3")?, "mural", "1.1.0-rc.5")?;
    std::fs::write(integer.join("values.schema.json"), r#"{"properties":{"password":{"type":"integer"}}}"#)?;
    ensure_refused(
        test_cluster,
        &["--chart", &small::pack(test_cluster, &integer)?, "--crds", "0.7.4", "--yes"],
        5,
        "values-schema",
    )?;
    ensure_refused(test_cluster, &newer_flags(&["--yes", "--source", "canvas"]), 5, "not from canvas")
}

/// Patches an object, expects a refusal, and reverts the patch.
fn with_patch_refused(
    test_cluster: &TestCluster,
    object: &str,
    name: &str,
    there: &str,
    back: &str,
    expected: &str,
) -> Result<()> {
    patch(test_cluster, object, name, there)?;
    ensure_refused(test_cluster, &newer_flags(&["--yes"]), 5, expected)?;
    patch(test_cluster, object, name, back)
}

fn patched_objects_are_refused(test_cluster: &TestCluster) -> Result<()> {
    let (on, off) = (r#"{"spec":{"suspend":true}}"#, r#"{"spec":{"suspend":null}}"#);
    with_patch_refused(test_cluster, "helmrelease", "mural", on, off, "is suspended, but not by an upgrade run")?;
    with_patch_refused(test_cluster, "ocirepository", "mural-crds", on, off, "would not fetch the new version")?;
    with_patch_refused(test_cluster, "helmrelease", "mural", GIT, NOT_GIT, "applies from Git")?;
    let policy = |crds: &str| format!(r#"{{"spec":{{"upgrade":{{"crds":{crds}}}}}}}"#);
    with_patch_refused(
        test_cluster,
        "helmrelease",
        "mural-crds",
        &policy("\"Skip\""),
        &policy("\"CreateReplace\""),
        "which applies no CRD",
    )?;
    // The source of another namespace is read there.
    let from = |namespace: &str| format!(r#"{{"spec":{{"chartRef":{{"namespace":{namespace}}}}}}}"#);
    let there = "and OCIRepository elsewhere/mural-crds does not exist";
    with_patch_refused(test_cluster, "helmrelease", "mural-crds", &from("\"elsewhere\""), &from("null"), there)?;
    flux_install::ready(test_cluster.sandbox()?, "mural-crds")
}

/// Two HelmReleases of one release.
fn two_makers(test_cluster: &TestCluster) -> Result<()> {
    let mut second = helm_release(test_cluster, "mural")?;
    second["metadata"] = json!({"name": "mural-too", "namespace": NAMESPACE});
    second["status"] = Value::Null;
    (second["spec"]["releaseName"], second["spec"]["suspend"]) = ("mural".into(), true.into());
    apply(test_cluster, &[second])?;
    ensure_refused(
        test_cluster,
        &newer_flags(&["--yes"]),
        5,
        "is managed by HelmRelease mural-system/mural and HelmRelease mural-system/mural-too",
    )?;
    let delete = ["delete", "helmrelease", "mural-too", "--namespace", NAMESPACE];
    test_cluster.run(User::Admin, "kubectl", &delete)?.expect_code(0).map(drop)
}

/// A user with all permissions except to patch the sources.
fn not_allowed(test_cluster: &TestCluster) -> Result<()> {
    let rule = |groups: &[&str], resources: &[&str], verbs: &[&str]| json!({"apiGroups": groups, "resources": resources, "verbs": verbs});
    let all = ["create", "update", "patch", "delete"];
    let rules = [
        rule(&["*"], &["*"], &["get", "list", "watch"]),
        rule(&["coordination.k8s.io", ""], &["leases", "secrets"], &all),
        rule(&["helm.toolkit.fluxcd.io", "apiextensions.k8s.io", "apps", "small.example.com"], &["*"], &all),
    ];
    let rbac = "rbac.authorization.k8s.io";
    let named = json!({"name": "all-but-sources"});
    apply(
        test_cluster,
        &[
            json!({"apiVersion": format!("{rbac}/v1"), "kind": "ClusterRole", "metadata": named, "rules": rules}),
            json!({"apiVersion": format!("{rbac}/v1"), "kind": "ClusterRoleBinding", "metadata": named,
                "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "all-but-sources"},
                "subjects": [{"apiGroup": rbac, "kind": "User", "name": "viewer"}]}),
        ],
    )?;
    let mark = test_cluster.mark()?;
    let mut viewer = test_cluster.command(User::Viewer, "kubectl-mural-upgrade")?;
    let refused = to_command_output(viewer.args(["--namespace", NAMESPACE]).args(newer_flags(&["--yes"])).output()?)?
        .expect_code(5)?;
    for told in ["viewer may not", "patch ocirepositories"] {
        ensure!(refused.all_text().contains(told), "does not tell {told:?}:\n{}", refused.all_text());
    }
    let tried = audit::writes_by(&test_cluster.entries_since(mark)?, "viewer").len();
    ensure!(tried == 0, "tried to write {tried} times");
    let delete = ["delete", "clusterrole,clusterrolebinding", "all-but-sources"];
    test_cluster.run(User::Admin, "kubectl", &delete)?.expect_code(0).map(drop)
}

/// A saved plan, and an installation that moved to Git before `apply`.
fn a_plan_whose_owner_changed(test_cluster: &TestCluster) -> Result<()> {
    let file = test_cluster.files().join("flux-plan.json").display().to_string();
    upgrade(test_cluster, &["plan"], &newer_flags(&["--save", &file]))?.expect_code(2)?;
    for object in ["helmrelease", "ocirepository"] {
        patch(test_cluster, object, "mural", GIT)?;
    }
    let mark = test_cluster.mark()?;
    let mut apply = test_cluster.command(User::Operator, "kubectl-mural-upgrade")?;
    let refused = to_command_output(apply.args(["apply", &file, "--yes"]).output()?)?.expect_code(5)?;
    ensure!(refused.all_text().contains("Git") && refused.all_text().contains("no-drift"), "{}", refused.all_text());
    test_cluster.ensure_nothing_written(mark)?;
    for object in ["helmrelease", "ocirepository"] {
        patch(test_cluster, object, "mural", NOT_GIT)?;
    }
    Ok(())
}

/// A pinned digest takes precedence over a version, so the upgrade updates both.
fn a_pin(test_cluster: &TestCluster) -> Result<()> {
    let crds = test_cluster.get(&["ocirepository", "mural-crds", "--namespace", NAMESPACE])?;
    let revision = crds["status"]["artifact"]["revision"].as_str().unwrap_or_default().to_owned();
    let digest = revision.split_once('@').context("a revision with its digest")?.1;
    patch(test_cluster, "ocirepository", "mural-crds", &json!({"spec": {"ref": {"digest": digest}}}).to_string())?;
    flux_install::ready(test_cluster.sandbox()?, "mural-crds")?;
    let planned = upgrade(test_cluster, &["plan"], &newer_flags(&["--output", "json"]))?.expect_code(2)?;
    let planned: Value = serde_json::from_str(&planned.stdout)?;
    let steps = planned["plan"]["steps"].as_array().cloned().unwrap_or_default();
    let step = steps.iter().find(|step| step["id"] == "mural-crds-source").context("the source moves")?;
    let told = step["command"].to_string();
    ensure!(told.contains("sha256:") && !told.contains(digest) && told.contains("0.7.4"), "{told}");
    Ok(())
}
