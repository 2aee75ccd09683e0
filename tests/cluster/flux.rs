//! The Flux path on real controllers: installed by the page's four manifests, upgraded by us, judged by the audit log.

mod appliance;
mod argo;
mod back;
mod killed;
mod refused;
mod sources;
mod trouble;
mod verified;

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mural_tests::audit::{self, Entry};
use mural_tests::flux as page;
use mural_tests::sandbox::User;
use serde_json::{Value, json};

use crate::Test;
use crate::ground::{Ended, Ground, ended};
use crate::kill::env;
use crate::small::{self, CANARY, NAMESPACE, NEWER};

const TESTS: &[Test] = &[
    ("flux::the_page_gets_the_order_wrong_and_we_get_it_right", the_race),
    ("flux::whole_and_again_with_new_values", whole),
    ("flux::killed_while_the_application_is_held", killed::while_held),
    ("flux::refused_before_any_write", refused::before_any_write),
    ("flux::what_fails_ends_in_time_with_its_own_reason", trouble::in_time),
    ("flux::what_argo_cd_keeps_is_followed_and_never_written", argo::followed),
];
/// With `MURAL_OWNERS`: whole stories, about a minute each.
const OWNERS: &[Test] = &[
    ("flux::what_helm_installed_is_handed_over_as_it_is", handed_over),
    ("flux::the_appliance_rehearsal", appliance::rehearsal),
    ("flux::what_git_keeps_is_followed_and_never_written", kept_in_git),
    ("flux::charts_of_a_helm_repository", sources::helm_repository),
    ("flux::a_source_that_asks_for_a_signature_keeps_asking", verified::by_cosign),
];

/// With `MURAL_ROLLBACKS`.
const BACK: &[Test] = &[("flux::goes_back_the_application_first", back::goes_back)];

pub fn tests() -> Vec<Test> {
    let more = |asked: &str, more: &'static [Test]| if env(asked).is_some() { more } else { &[] };
    [TESTS, more("MURAL_OWNERS", OWNERS), more("MURAL_ROLLBACKS", BACK)].concat()
}

/// Flux's CRDs, both pairs in the registry, and the older one installed by the page's four manifests.
pub fn install(ground: &Ground) -> Result<()> {
    let sandbox = ground.sandbox()?;
    small::push_all(ground)?;
    page::crds(sandbox)?;
    let values = json!({"password": CANARY});
    let pair = page::Pair { crds: "0.7.1", app: "1.1.0-rc.0", values: &values };
    page::apply(sandbox, &page::manifests(sandbox, &pair))?;
    page::ready(sandbox, "mural-crds")?;
    page::ready(sandbox, "mural")
}

/// `kubectl mural upgrade`, without what the Helm path needs: charts and values are Flux's.
fn command(ground: &Ground, words: &[&str], flags: &[&str]) -> Result<std::process::Command> {
    let mut upgrade = ground.command(User::Operator, "kubectl-mural-upgrade")?;
    upgrade.args(words).args(["--namespace", NAMESPACE]).args(flags);
    Ok(upgrade)
}

fn upgrade(ground: &Ground, words: &[&str], flags: &[&str]) -> Result<Ended> {
    ended(command(ground, words, flags)?.output()?)
}

fn newer<'a>(more: &[&'a str]) -> Vec<&'a str> {
    NEWER.iter().flat_map(|(flag, value)| [*flag, *value]).chain(more.iter().copied()).collect()
}

fn patch(ground: &Ground, object: &str, name: &str, patch: &str) -> Result<()> {
    let args = ["patch", object, name, "--namespace", NAMESPACE, "--type", "merge", "--patch", patch];
    ground.run(User::Admin, "kubectl", &args)?.with(0)?;
    Ok(())
}

pub fn helm_release(ground: &Ground, name: &str) -> Result<Value> {
    ground.get(&["helmrelease", name, "--namespace", NAMESPACE])
}

/// The older installation, with controllers that have looked at all of it once after they started: from then on they are quiet.
pub fn older(ground: &Ground) -> Result<()> {
    ground.older()?;
    let now = jiff::Timestamp::now().to_string();
    let request = format!(r#"{{"metadata":{{"annotations":{{"reconcile.fluxcd.io/requestedAt":"{now}"}}}}}}"#);
    let objects =
        ["ocirepository", "helmrelease"].map(|kind| ["mural-crds", "mural"].map(|name| (kind, name))).concat();
    for (kind, name) in &objects {
        patch(ground, kind, name, &request)?;
    }
    within(60, "the controllers have looked", || {
        let handled = |(kind, name): &(&str, &str)| {
            let object = ground.get(&[kind, name, "--namespace", NAMESPACE])?;
            Ok(object["status"]["lastHandledReconcileAt"] == now.as_str())
        };
        Ok(objects.iter().map(handled).collect::<Result<Vec<bool>>>()?.into_iter().all(|handled| handled))
    })?;
    page::ready(ground.sandbox()?, "mural")
}

/// The chart version of the newest revision.
fn at(ground: &Ground, name: &str) -> Result<String> {
    let release = helm_release(ground, name)?;
    Ok(release.pointer("/status/history/0/chartVersion").and_then(Value::as_str).unwrap_or_default().to_owned())
}

/// Whether the CRD that the newer chart changes is the newer chart's.
fn crds_are_new(ground: &Ground) -> Result<bool> {
    Ok(ground.get(&["crd", "pools.small.example.com"])?["spec"]["versions"].to_string().contains("note"))
}

fn within(seconds: u64, what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    while !holds()? {
        ensure!(began.elapsed() < Duration::from_secs(seconds), "not within {seconds}s: {what}");
        sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// A chart's folder under another version.
fn renamed(ground: &Ground, chart: &Path, name: &str, version: &str) -> Result<PathBuf> {
    let folder = ground.files().join(format!("{name}-{version}"));
    small::lay(chart, &folder)?;
    std::fs::write(folder.join("Chart.yaml"), format!("apiVersion: v2\nname: {name}\nversion: {version}\n"))?;
    Ok(folder)
}

/// The race's application: the older one under a newer version.
const APP: &str = "1.1.0-rc.4";

/// The one provocation for both: the CRD chart's tag comes to the registry six seconds late.
fn the_race(ground: &Ground) -> Result<()> {
    let (ground, _turn) = ground.flux();
    older(ground)?;
    // An application that runs on either CRDs: else it would fail, and the log would not show what was written first.
    let app = renamed(ground, &small::app(ground, "1.1.0-rc.0")?, "mural", APP)?;
    let late = renamed(ground, &small::crds(ground, "0.7.4")?, "mural-crds", "0.7.5")?;
    small::push(ground, &app)?;
    the_page(ground, &late)?;
    older(ground)?;
    small::push(ground, &app)?;
    ours(ground, &late)
}

/// The page's two patches, the CRD source first.
fn the_page(ground: &Ground, late: &Path) -> Result<()> {
    let mark = ground.mark()?;
    patch(ground, "ocirepository", "mural-crds", r#"{"spec":{"ref":{"semver":"0.7.5"}}}"#)?;
    patch(ground, "ocirepository", "mural", &format!(r#"{{"spec":{{"ref":{{"semver":"{APP}"}}}}}}"#))?;
    within(60, "the page's application is upgraded", || Ok(at(ground, "mural")?.starts_with(APP)))?;
    ensure!(!crds_are_new(ground)?, "the CRDs came first: no race was provoked");
    let crds = helm_release(ground, "mural-crds")?;
    let ready = crds["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|one| one["type"] == "Ready" && one["status"] == "True");
    ensure!(ready, "the CRD chart's HelmRelease calls itself Ready all the while: {}", crds["status"]);
    small::push(ground, late)?;
    within(60, "the CRDs come after all", || crds_are_new(ground))?;
    let log = ground.since(mark)?;
    let told = order(&log).err().context("the audit log should show the application first")?;
    ensure!(!told.to_string().contains("nothing to compare"), "{told:#}");
    Ok(())
}

fn ours(ground: &Ground, late: &Path) -> Result<()> {
    let file = small::pack(ground, late)?;
    let mark = ground.mark()?;
    let mut child = command(ground, &[], &["--to", APP, "--crds-chart", &file, "--yes"])?
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()?;
    within(60, "our patch of the CRD source", || {
        Ok(ground.get(&["ocirepository", "mural-crds", "--namespace", NAMESPACE])?["spec"]["ref"]["semver"] == "0.7.5")
    })?;
    sleep(Duration::from_secs(6));
    ensure!(at(ground, "mural")?.starts_with("1.1.0-rc.0"), "the application moved before its CRDs");
    ensure!(child.try_wait()?.is_none(), "it did not wait");
    small::push(ground, late)?;
    let done = ended(child.wait_with_output()?)?.with(0)?;
    ensure!(done.stdout.contains("upgraded"), "{}", done.all());
    order(&ground.since(mark)?).context("by the audit log")?;
    ensure!(crds_are_new(ground)? && at(ground, "mural")?.starts_with(APP), "{}", done.all());
    Ok(())
}

/// Every CRD before every object of the application, by helm-controller's own writes; and ours in between.
fn order(log: &[Entry]) -> Result<()> {
    let writes = audit::writes_by(log, "helm-controller");
    let of_app = |entry: &Entry| entry.namespace == NAMESPACE && entry.resource == "deployments";
    let crds: Vec<&Entry> = writes.iter().copied().filter(|entry| entry.is_crd()).collect();
    let app: Vec<&Entry> = writes.iter().copied().filter(|entry| of_app(entry)).collect();
    ensure!(!crds.is_empty() && !app.is_empty(), "nothing to compare: {} CRDs, {} objects", crds.len(), app.len());
    audit::all_before(&crds, &app)?;
    let ours = audit::writes_by(log, "operator").into_iter();
    let source: Vec<&Entry> =
        ours.filter(|entry| entry.resource == "ocirepositories" && entry.name == "mural").collect();
    if source.is_empty() { Ok(()) } else { audit::all_before(&crds, &source) }
}

/// Plan, upgrade, again; then new values alone.
fn whole(ground: &Ground) -> Result<()> {
    let (ground, _turn) = ground.flux();
    older(ground)?;
    // A controller that has just been restored may have rolled the older chart out once more.
    let newest = helm_release(ground, "mural")?.pointer("/status/history/0/version").and_then(Value::as_u64);
    let before = newest.context("a revision")?;
    let mark = ground.mark()?;
    let plan = upgrade(ground, &["plan"], &newer(&["--output", "json"]))?.with(2).context("plan")?;
    let planned: Value = serde_json::from_str(&plan.stdout)?;
    let ids: Vec<&str> =
        planned["plan"]["steps"].as_array().into_iter().flatten().filter_map(|step| step["id"].as_str()).collect();
    ensure!(ids == ["mural-crds-source", "mural-crds", "served", "mural-source", "mural", "validate"], "{ids:?}");
    ground.nothing_written(mark)?;
    let mark = ground.mark()?;
    let done = upgrade(ground, &[], &newer(&["--yes"]))?.with(0).context("the upgrade")?;
    let log = ground.since(mark)?;
    order(&log)?;
    let writes = audit::writes_by(&log, "operator");
    let ours = ["ocirepositories", "helmreleases"];
    ensure!(writes.iter().all(|entry| ours.contains(&entry.resource.as_str())), "wrote past Flux: {writes:?}");
    // One upgrade of ours, one revision.
    let revision = format!("revision {} is 1.1.0-rc.3+", before + 1);
    for told in ["owner: Flux (HelmRelease mural-system/mural)", "holds 0.7.4@sha256:", &revision, "upgraded"] {
        let history = || helm_release(ground, "mural").map(|release| release["status"]["history"].to_string());
        ensure!(done.all().contains(told), "does not tell {told:?}:\n{}\n{}", done.all(), history()?);
    }
    let mark = ground.mark()?;
    let again = upgrade(ground, &[], &newer(&["--yes"]))?.with(0).context("again")?;
    ensure!(again.stdout.contains("nothing to do"), "{}", again.all());
    ground.nothing_written(mark)?;
    let values = ground.files().join("flux-values.yaml");
    std::fs::write(&values, format!("password: {CANARY}-2\nnode: \"\"\n"))?;
    let file = values.display().to_string();
    let valued = upgrade(ground, &[], &newer(&["--yes", "--values", &file]))?.with(0).context("new values")?;
    let release = helm_release(ground, "mural")?;
    ensure!(release["spec"]["values"] == json!({"password": format!("{CANARY}-2"), "node": ""}), "{release}");
    ensure!(release["spec"].get("suspend").is_none_or(|suspend| suspend != true), "left suspended");
    let told = [plan.all(), done.all(), again.all(), valued.all()].concat();
    ensure!(!told.contains(CANARY), "tells a secret:\n{told}");
    Ok(())
}

/// `flux-manifests --apply` over an installation that helm made: no object is made anew, and the values are its own; then upgraded.
fn handed_over(ground: &Ground) -> Result<()> {
    let (ground, _turn) = ground.flux();
    older(ground)?;
    // Nothing of Flux's is left but its CRDs and controllers.
    let kubectl = |args: &[&str]| ground.run(User::Admin, "kubectl", args)?.with(0);
    kubectl(&["delete", "namespace", NAMESPACE, "--timeout=60s"])?;
    kubectl(&["delete", "crd", "pools.small.example.com", "widgets.small.example.com"])?;
    small::by_helm(ground)?;
    let before = uids(ground)?;
    let mut flags = vec!["--to", "1.1.0-rc.0", "--crds", "0.7.1", "--plain-http"];
    let charts = small::charts(ground)?;
    flags.extend(charts.iter().flat_map(|(flag, chart)| [*flag, chart.as_str()]));
    let written = upgrade(ground, &["flux-manifests"], &flags)?.with(0)?;
    ensure!(
        written.stdout.matches("kind: HelmRelease").count() == 2 && written.stdout.contains("readyExpr"),
        "{}",
        written.stdout
    );
    flags.extend(["--apply", "--yes"]);
    let done = upgrade(ground, &["flux-manifests"], &flags)?.with(0)?;
    ensure!(uids(ground)? == before, "objects were made anew:\n{}", done.all());
    let secret = ground.get(&["secret", "canvas", "--namespace", NAMESPACE])?;
    ensure!(secret["data"]["password"] == base64(CANARY), "the values are not the release's own");
    ensure!(!done.all().contains(CANARY), "tells a secret:\n{}", done.all());
    let next = upgrade(ground, &[], &newer(&["--yes"]))?.with(0).context("the upgrade through Flux")?;
    ensure!(uids(ground)? == before && crds_are_new(ground)?, "{}", next.all());
    let expression = helm_release(ground, "mural")?["spec"]["dependsOn"].to_string();
    ensure!(expression.contains("0.7.4+"), "the readyExpr still asks for the old version: {expression}");
    Ok(())
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// The uid of each object of the older installation.
fn uids(ground: &Ground) -> Result<Vec<String>> {
    let objects = [["deployment", "canvas"], ["secret", "canvas"], ["pool", "first"]];
    let crds = ["pools.small.example.com", "widgets.small.example.com"].map(|name| ["crd", name]);
    let uid = |[kind, name]: &[&str; 2]| {
        Ok(ground.get(&[kind, name, "--namespace", NAMESPACE])?["metadata"]["uid"].to_string())
    };
    objects.iter().chain(&crds).map(uid).collect()
}

/// What to commit is written; applied in its order it is followed and proved; we write nothing, not even a lock.
fn kept_in_git(ground: &Ground) -> Result<()> {
    let (ground, _turn) = ground.flux();
    older(ground)?;
    let labels = ["kustomize.toolkit.fluxcd.io/name=hub", "kustomize.toolkit.fluxcd.io/namespace=flux-system"];
    for object in ["helmrelease/mural", "helmrelease/mural-crds", "ocirepository/mural", "ocirepository/mural-crds"] {
        let args = ["label", object, labels[0], labels[1], "--namespace", NAMESPACE];
        ground.run(User::Admin, "kubectl", &args)?.with(0)?;
    }
    let mark = ground.mark()?;
    let folder = ground.files().join("commit");
    let dir = folder.display().to_string();
    let refused = upgrade(ground, &[], &newer(&["--yes", "--write", &dir]))?.with(5)?;
    let files = ["1-mural-crds-ocirepository.yaml", "2-mural-helmrelease.yaml", "3-mural-ocirepository.yaml"];
    for file in files {
        ensure!(refused.all().contains(file) && folder.join(file).is_file(), "no {file}:\n{}", refused.all());
    }
    let follow = command(ground, &[], &newer(&["--follow", "--timeout", "120s"]))?
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()?;
    sleep(Duration::from_secs(3));
    for file in files {
        let args =
            ["apply", "--server-side", "--force-conflicts", "--filename", &folder.join(file).display().to_string()];
        ground.run(User::Admin, "kubectl", &args)?.with(0)?;
    }
    let followed = ended(follow.wait_with_output()?)?.with(0).context("--follow")?;
    ensure!(followed.all().contains("1.1.0-rc.3+") && followed.all().contains("served"), "{}", followed.all());
    order(&ground.since(mark)?).context("Flux keeps the order by itself")?;
    ground.nothing_written(mark)
}
