//! What is refused before any write, each with its own reason; and what only looks like trouble.

use anyhow::{Context, Result, ensure};
use mural_tests::audit;
use mural_tests::flux as page;
use mural_tests::sandbox::User;
use serde_json::{Value, json};

use super::{helm_release, newer, older, patch, renamed, upgrade};
use crate::ground::{Ground, ended};
use crate::keep::apply;
use crate::small::{self, NAMESPACE};

/// The labels of what a Kustomization of Flux keeps, and none.
const GIT: &str = r#"{"metadata":{"labels":{"kustomize.toolkit.fluxcd.io/name":"hub","kustomize.toolkit.fluxcd.io/namespace":"flux-system"}}}"#;
const NOT_GIT: &str =
    r#"{"metadata":{"labels":{"kustomize.toolkit.fluxcd.io/name":null,"kustomize.toolkit.fluxcd.io/namespace":null}}}"#;

pub fn before_any_write(ground: &Ground) -> Result<()> {
    let (ground, _turn) = ground.flux();
    older(ground)?;
    asked_wrong(ground)?;
    bent(ground)?;
    two_makers(ground)?;
    not_allowed(ground)?;
    a_plan_whose_owner_changed(ground)?;
    a_pin(ground)
}

fn refuses(ground: &Ground, flags: &[&str], code: i32, told: &str) -> Result<()> {
    let mark = ground.mark()?;
    let ended = upgrade(ground, &[], flags)?.with(code).with_context(|| told.to_owned())?;
    ensure!(ended.all().contains(told), "does not tell {told:?}:\n{}", ended.all());
    ground.nothing_written(mark)
}

/// What is asked for does not fit what Flux has.
fn asked_wrong(ground: &Ground) -> Result<()> {
    refuses(ground, &["--to", "1.1.0-rc.3", "--crds", "0.7.9", "--yes"], 5, "has no version 0.7.9")?;
    refuses(ground, &newer(&["--yes", "--mode", "helm"]), 5, "which would put it back")?;
    let integer = renamed(ground, &small::app(ground, "1.1.0-rc.3")?, "mural", "1.1.0-rc.5")?;
    std::fs::write(integer.join("values.schema.json"), r#"{"properties":{"password":{"type":"integer"}}}"#)?;
    refuses(ground, &["--chart", &small::pack(ground, &integer)?, "--crds", "0.7.4", "--yes"], 5, "values-schema")?;
    refuses(ground, &newer(&["--yes", "--source", "canvas"]), 5, "and not from canvas")
}

/// An object is bent, which is refused, and bent back.
fn bend(ground: &Ground, object: &str, name: &str, there: &str, back: &str, told: &str) -> Result<()> {
    patch(ground, object, name, there)?;
    refuses(ground, &newer(&["--yes"]), 5, told)?;
    patch(ground, object, name, back)
}

fn bent(ground: &Ground) -> Result<()> {
    let (on, off) = (r#"{"spec":{"suspend":true}}"#, r#"{"spec":{"suspend":null}}"#);
    bend(ground, "helmrelease", "mural", on, off, "is suspended, and not by us")?;
    bend(ground, "ocirepository", "mural-crds", on, off, "would not take up the new version")?;
    bend(ground, "helmrelease", "mural", GIT, NOT_GIT, "keeps that in Git")?;
    let policy = |crds: &str| format!(r#"{{"spec":{{"upgrade":{{"crds":{crds}}}}}}}"#);
    bend(
        ground,
        "helmrelease",
        "mural-crds",
        &policy("\"Skip\""),
        &policy("\"CreateReplace\""),
        "which writes no CRD",
    )?;
    // A source in another namespace is looked for there.
    let from = |namespace: &str| format!(r#"{{"spec":{{"chartRef":{{"namespace":{namespace}}}}}}}"#);
    let there = "and OCIRepository elsewhere/mural-crds is not there";
    bend(ground, "helmrelease", "mural-crds", &from("\"elsewhere\""), &from("null"), there)?;
    page::ready(ground.sandbox()?, "mural-crds")
}

/// Two HelmReleases of one release.
fn two_makers(ground: &Ground) -> Result<()> {
    let mut second = helm_release(ground, "mural")?;
    second["metadata"] = json!({"name": "mural-too", "namespace": NAMESPACE});
    second["status"] = Value::Null;
    (second["spec"]["releaseName"], second["spec"]["suspend"]) = ("mural".into(), true.into());
    apply(ground, &[second])?;
    refuses(
        ground,
        &newer(&["--yes"]),
        5,
        "is made by HelmRelease mural-system/mural and HelmRelease mural-system/mural-too",
    )?;
    let delete = ["delete", "helmrelease", "mural-too", "--namespace", NAMESPACE];
    ground.run(User::Admin, "kubectl", &delete)?.with(0).map(drop)
}

/// Who may do everything but patch the sources.
fn not_allowed(ground: &Ground) -> Result<()> {
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
        ground,
        &[
            json!({"apiVersion": format!("{rbac}/v1"), "kind": "ClusterRole", "metadata": named, "rules": rules}),
            json!({"apiVersion": format!("{rbac}/v1"), "kind": "ClusterRoleBinding", "metadata": named,
                "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "all-but-sources"},
                "subjects": [{"apiGroup": rbac, "kind": "User", "name": "viewer"}]}),
        ],
    )?;
    let mark = ground.mark()?;
    let mut viewer = ground.command(User::Viewer, "kubectl-mural-upgrade")?;
    let refused = ended(viewer.args(["--namespace", NAMESPACE]).args(newer(&["--yes"])).output()?)?.with(5)?;
    for told in ["viewer may not", "patch ocirepositories"] {
        ensure!(refused.all().contains(told), "does not tell {told:?}:\n{}", refused.all());
    }
    let tried = audit::writes_by(&ground.since(mark)?, "viewer").len();
    ensure!(tried == 0, "tried to write {tried} times");
    let delete = ["delete", "clusterrole,clusterrolebinding", "all-but-sources"];
    ground.run(User::Admin, "kubectl", &delete)?.with(0).map(drop)
}

/// Between the plan and its doing the installation went into Git.
fn a_plan_whose_owner_changed(ground: &Ground) -> Result<()> {
    let file = ground.files().join("flux-plan.json").display().to_string();
    upgrade(ground, &["plan"], &newer(&["--save", &file]))?.with(2)?;
    for object in ["helmrelease", "ocirepository"] {
        patch(ground, object, "mural", GIT)?;
    }
    let mark = ground.mark()?;
    let mut apply = ground.command(User::Operator, "kubectl-mural-upgrade")?;
    let refused = ended(apply.args(["apply", &file, "--yes"]).output()?)?.with(5)?;
    ensure!(refused.all().contains("Git") && refused.all().contains("saved-plan-holds"), "{}", refused.all());
    ground.nothing_written(mark)?;
    for object in ["helmrelease", "ocirepository"] {
        patch(ground, object, "mural", NOT_GIT)?;
    }
    Ok(())
}

/// A digest goes before any version: it is moved with it, and is no contradiction that stays.
fn a_pin(ground: &Ground) -> Result<()> {
    let crds = ground.get(&["ocirepository", "mural-crds", "--namespace", NAMESPACE])?;
    let revision = crds["status"]["artifact"]["revision"].as_str().unwrap_or_default().to_owned();
    let digest = revision.split_once('@').context("a revision with its digest")?.1;
    patch(ground, "ocirepository", "mural-crds", &json!({"spec": {"ref": {"digest": digest}}}).to_string())?;
    page::ready(ground.sandbox()?, "mural-crds")?;
    let planned = upgrade(ground, &["plan"], &newer(&["--output", "json"]))?.with(2)?;
    let planned: Value = serde_json::from_str(&planned.stdout)?;
    let steps = planned["plan"]["steps"].as_array().cloned().unwrap_or_default();
    let step = steps.iter().find(|step| step["id"] == "mural-crds-source").context("the source moves")?;
    let told = step["command"].to_string();
    ensure!(told.contains("sha256:") && !told.contains(digest) && told.contains("0.7.4"), "{told}");
    Ok(())
}
