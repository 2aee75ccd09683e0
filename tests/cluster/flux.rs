//! Upgrades through Flux with its real controllers. The installation comes from the four manifests of the vendor's
//! guide; the audit log is the evidence for the order of writes.

mod appliance;
mod argo;
mod controller_failures;
mod flux_refusals;
mod flux_rollback;
mod killed_while_suspended;
mod source_signature;
mod sources;

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mural_tests::audit::{self, Entry};
use mural_tests::flux as flux_install;
use mural_tests::sandbox::User;
use serde_json::{Value, json};

use crate::Test;
use crate::kill::env;
use crate::small::{self, CANARY, NAMESPACE, NEWER};
use crate::test_cluster::{CommandOutput, TestCluster, to_command_output};

const TESTS: &[Test] = &[
    ("flux::the_guide_writes_in_the_wrong_order_and_we_do_not", the_race),
    ("flux::whole_and_again_with_new_values", whole),
    ("flux::killed_while_the_application_is_suspended", killed_while_suspended::while_held),
    ("flux::refused_before_any_write", flux_refusals::before_any_write),
    ("flux::controller_failures_end_in_time_with_their_reason", controller_failures::in_time),
    ("flux::an_argo_application_is_followed_and_never_written", argo::followed),
];
/// With `MURAL_OWNERS`. Each takes about a minute.
const OWNERS: &[Test] = &[
    ("flux::a_helm_installation_is_handed_over_unchanged", handed_over),
    ("flux::the_appliance_rehearsal", appliance::rehearsal),
    ("flux::objects_managed_in_git_are_followed_and_never_written", managed_in_git),
    ("flux::charts_of_a_helm_repository", sources::helm_repository),
    ("flux::a_source_that_asks_for_a_signature_keeps_asking", source_signature::by_cosign),
];

/// With `MURAL_ROLLBACKS`.
const ROLLBACK_TESTS: &[Test] = &[("flux::rolls_back_the_application_first", flux_rollback::goes_back)];

pub fn tests() -> Vec<Test> {
    let more = |asked: &str, more: &'static [Test]| if env(asked).is_some() { more } else { &[] };
    [TESTS, more("MURAL_OWNERS", OWNERS), more("MURAL_ROLLBACKS", ROLLBACK_TESTS)].concat()
}

/// Flux's CRDs, both pairs in the registry, and the older one installed by the four manifests of the vendor's guide.
pub fn install(test_cluster: &TestCluster) -> Result<()> {
    let sandbox = test_cluster.sandbox()?;
    small::push_all(test_cluster)?;
    flux_install::crds(sandbox)?;
    let values = json!({"password": CANARY});
    let pair = flux_install::Pair { crds: "0.7.1", app: "1.1.0-rc.0", values: &values };
    flux_install::apply(sandbox, &flux_install::manifests(sandbox, &pair))?;
    flux_install::ready(sandbox, "mural-crds")?;
    flux_install::ready(sandbox, "mural")
}

/// `kubectl mural upgrade` without chart and values flags: Flux has them.
fn command(test_cluster: &TestCluster, words: &[&str], flags: &[&str]) -> Result<std::process::Command> {
    let mut upgrade = test_cluster.command(User::Operator, "kubectl-mural-upgrade")?;
    upgrade.args(words).args(["--namespace", NAMESPACE]).args(flags);
    Ok(upgrade)
}

fn upgrade(test_cluster: &TestCluster, words: &[&str], flags: &[&str]) -> Result<CommandOutput> {
    to_command_output(command(test_cluster, words, flags)?.output()?)
}

fn newer_flags<'a>(more: &[&'a str]) -> Vec<&'a str> {
    NEWER.iter().flat_map(|(flag, value)| [*flag, *value]).chain(more.iter().copied()).collect()
}

fn patch(test_cluster: &TestCluster, object: &str, name: &str, patch: &str) -> Result<()> {
    let args = ["patch", object, name, "--namespace", NAMESPACE, "--type", "merge", "--patch", patch];
    test_cluster.run(User::Admin, "kubectl", &args)?.expect_code(0)?;
    Ok(())
}

pub fn helm_release(test_cluster: &TestCluster, name: &str) -> Result<Value> {
    test_cluster.get(&["helmrelease", name, "--namespace", NAMESPACE])
}

/// Installs the older pair, and waits until the controllers have reconciled everything once. After that they write
/// nothing.
pub fn install_older(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let now = jiff::Timestamp::now().to_string();
    let request = format!(r#"{{"metadata":{{"annotations":{{"reconcile.fluxcd.io/requestedAt":"{now}"}}}}}}"#);
    let objects =
        ["ocirepository", "helmrelease"].map(|kind| ["mural-crds", "mural"].map(|name| (kind, name))).concat();
    for (kind, name) in &objects {
        patch(test_cluster, kind, name, &request)?;
    }
    wait_within(60, "the controllers have looked", || {
        let handled = |(kind, name): &(&str, &str)| {
            let object = test_cluster.get(&[kind, name, "--namespace", NAMESPACE])?;
            Ok(object["status"]["lastHandledReconcileAt"] == now.as_str())
        };
        Ok(objects.iter().map(handled).collect::<Result<Vec<bool>>>()?.into_iter().all(|handled| handled))
    })?;
    flux_install::ready(test_cluster.sandbox()?, "mural")
}

/// The chart version of the newest revision.
fn deployed_version(test_cluster: &TestCluster, name: &str) -> Result<String> {
    let release = helm_release(test_cluster, name)?;
    Ok(release.pointer("/status/history/0/chartVersion").and_then(Value::as_str).unwrap_or_default().to_owned())
}

/// Whether the changed CRD has the newer chart's content.
fn crds_are_new(test_cluster: &TestCluster) -> Result<bool> {
    Ok(test_cluster.get(&["crd", "pools.small.example.com"])?["spec"]["versions"].to_string().contains("note"))
}

fn wait_within(seconds: u64, what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    while !holds()? {
        ensure!(began.elapsed() < Duration::from_secs(seconds), "not within {seconds}s: {what}");
        sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// A chart's folder under another version.
fn copy_chart_as(test_cluster: &TestCluster, chart: &Path, name: &str, version: &str) -> Result<PathBuf> {
    let folder = test_cluster.files().join(format!("{name}-{version}"));
    small::copy_folder(chart, &folder)?;
    std::fs::write(folder.join("Chart.yaml"), format!("apiVersion: v2\nname: {name}\nversion: {version}\n"))?;
    Ok(folder)
}

/// The race's application: the older one under a newer version.
const APP: &str = "1.1.0-rc.4";

/// Pushes the CRD chart's tag six seconds late, for the guide's commands and for ours.
fn the_race(test_cluster: &TestCluster) -> Result<()> {
    let (test_cluster, _turn) = test_cluster.flux_cluster();
    install_older(test_cluster)?;
    // The application runs with either CRDs. Otherwise it would fail, and the log would not show the order.
    let app = copy_chart_as(test_cluster, &small::app(test_cluster, "1.1.0-rc.0")?, "mural", APP)?;
    let late = copy_chart_as(test_cluster, &small::crds(test_cluster, "0.7.4")?, "mural-crds", "0.7.5")?;
    small::push(test_cluster, &app)?;
    upgrade_by_guide(test_cluster, &late)?;
    install_older(test_cluster)?;
    small::push(test_cluster, &app)?;
    ours(test_cluster, &late)
}

/// The two patches of the vendor's guide, the CRD source first.
fn upgrade_by_guide(test_cluster: &TestCluster, late: &Path) -> Result<()> {
    let mark = test_cluster.mark()?;
    patch(test_cluster, "ocirepository", "mural-crds", r#"{"spec":{"ref":{"semver":"0.7.5"}}}"#)?;
    patch(test_cluster, "ocirepository", "mural", &format!(r#"{{"spec":{{"ref":{{"semver":"{APP}"}}}}}}"#))?;
    wait_within(60, "the guide's application is upgraded", || {
        Ok(deployed_version(test_cluster, "mural")?.starts_with(APP))
    })?;
    ensure!(!crds_are_new(test_cluster)?, "the CRDs came first: no race was provoked");
    let crds = helm_release(test_cluster, "mural-crds")?;
    let ready = crds["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|one| one["type"] == "Ready" && one["status"] == "True");
    ensure!(ready, "the CRD chart's HelmRelease calls itself Ready all the while: {}", crds["status"]);
    small::push(test_cluster, late)?;
    wait_within(60, "the CRDs come after all", || crds_are_new(test_cluster))?;
    let log = test_cluster.entries_since(mark)?;
    let told = order(&log).err().context("the audit log should show the application first")?;
    ensure!(!told.to_string().contains("nothing to compare"), "{told:#}");
    Ok(())
}

fn ours(test_cluster: &TestCluster, late: &Path) -> Result<()> {
    let file = small::pack(test_cluster, late)?;
    let mark = test_cluster.mark()?;
    let mut child = command(test_cluster, &[], &["--to", APP, "--crds-chart", &file, "--yes"])?
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()?;
    wait_within(60, "our patch of the CRD source", || {
        Ok(test_cluster.get(&["ocirepository", "mural-crds", "--namespace", NAMESPACE])?["spec"]["ref"]["semver"]
            == "0.7.5")
    })?;
    sleep(Duration::from_secs(6));
    ensure!(
        deployed_version(test_cluster, "mural")?.starts_with("1.1.0-rc.0"),
        "the application moved before its CRDs"
    );
    ensure!(child.try_wait()?.is_none(), "it did not wait");
    small::push(test_cluster, late)?;
    let done = to_command_output(child.wait_with_output()?)?.expect_code(0)?;
    ensure!(done.stdout.contains("upgraded"), "{}", done.all_text());
    order(&test_cluster.entries_since(mark)?).context("by the audit log")?;
    ensure!(
        crds_are_new(test_cluster)? && deployed_version(test_cluster, "mural")?.starts_with(APP),
        "{}",
        done.all_text()
    );
    Ok(())
}

/// Makes sure that helm-controller wrote every CRD before any object of the application, and that our patch came
/// between.
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

/// Plan, upgrade, the same upgrade again, and then new values only.
fn whole(test_cluster: &TestCluster) -> Result<()> {
    let (test_cluster, _turn) = test_cluster.flux_cluster();
    install_older(test_cluster)?;
    // A controller that was just restored may have rolled out the older chart again.
    let newest = helm_release(test_cluster, "mural")?.pointer("/status/history/0/version").and_then(Value::as_u64);
    let before = newest.context("a revision")?;
    let mark = test_cluster.mark()?;
    let plan = upgrade(test_cluster, &["plan"], &newer_flags(&["--output", "json"]))?.expect_code(2).context("plan")?;
    let planned: Value = serde_json::from_str(&plan.stdout)?;
    let ids: Vec<&str> =
        planned["plan"]["steps"].as_array().into_iter().flatten().filter_map(|step| step["id"].as_str()).collect();
    ensure!(ids == ["mural-crds-source", "mural-crds", "served", "mural-source", "mural", "validate"], "{ids:?}");
    test_cluster.ensure_nothing_written(mark)?;
    let mark = test_cluster.mark()?;
    let done = upgrade(test_cluster, &[], &newer_flags(&["--yes"]))?.expect_code(0).context("the upgrade")?;
    let log = test_cluster.entries_since(mark)?;
    order(&log)?;
    let writes = audit::writes_by(&log, "operator");
    let ours = ["ocirepositories", "helmreleases"];
    ensure!(writes.iter().all(|entry| ours.contains(&entry.resource.as_str())), "wrote past Flux: {writes:?}");
    // One upgrade of ours, one revision.
    let revision = format!("revision {} is 1.1.0-rc.3+", before + 1);
    for told in ["owner: Flux (HelmRelease mural-system/mural)", "has 0.7.4@sha256:", &revision, "upgraded"] {
        let history = || helm_release(test_cluster, "mural").map(|release| release["status"]["history"].to_string());
        ensure!(done.all_text().contains(told), "does not tell {told:?}:\n{}\n{}", done.all_text(), history()?);
    }
    let mark = test_cluster.mark()?;
    let again = upgrade(test_cluster, &[], &newer_flags(&["--yes"]))?.expect_code(0).context("again")?;
    ensure!(again.stdout.contains("nothing to do"), "{}", again.all_text());
    test_cluster.ensure_nothing_written(mark)?;
    let values = test_cluster.files().join("flux-values.yaml");
    std::fs::write(&values, format!("password: {CANARY}-2\nnode: \"\"\n"))?;
    let file = values.display().to_string();
    let valued = upgrade(test_cluster, &[], &newer_flags(&["--yes", "--values", &file]))?
        .expect_code(0)
        .context("new values")?;
    let release = helm_release(test_cluster, "mural")?;
    ensure!(release["spec"]["values"] == json!({"password": format!("{CANARY}-2"), "node": ""}), "{release}");
    ensure!(release["spec"].get("suspend").is_none_or(|suspend| suspend != true), "left suspended");
    let told = [plan.all_text(), done.all_text(), again.all_text(), valued.all_text()].concat();
    ensure!(!told.contains(CANARY), "shows a secret:\n{told}");
    Ok(())
}

/// `flux-manifests --apply` for an installation by helm: no object is recreated, and the values stay. Then an upgrade
/// through Flux.
fn handed_over(test_cluster: &TestCluster) -> Result<()> {
    let (test_cluster, _turn) = test_cluster.flux_cluster();
    install_older(test_cluster)?;
    // Only the CRDs and controllers of Flux are left.
    let kubectl = |args: &[&str]| test_cluster.run(User::Admin, "kubectl", args)?.expect_code(0);
    kubectl(&["delete", "namespace", NAMESPACE, "--timeout=60s"])?;
    kubectl(&["delete", "crd", "pools.small.example.com", "widgets.small.example.com"])?;
    small::install_with_helm(test_cluster)?;
    let crds_chart = small::crds(test_cluster, "0.7.1")?.display().to_string();
    let record = ["install", "mural-crds", &crds_chart, "--namespace", NAMESPACE, "--set", "keep=me"];
    test_cluster.run(User::Admin, "helm", &record)?.expect_code(0)?;
    let before = uids(test_cluster)?;
    let mut flags = vec!["--to", "1.1.0-rc.0", "--crds", "0.7.1", "--plain-http"];
    let charts = small::charts(test_cluster)?;
    flags.extend(charts.iter().flat_map(|(flag, chart)| [*flag, chart.as_str()]));
    let written = upgrade(test_cluster, &["flux-manifests"], &flags)?.expect_code(0)?;
    ensure!(
        written.stdout.matches("kind: HelmRelease").count() == 2 && written.stdout.contains("readyExpr"),
        "{}",
        written.stdout
    );
    flags.extend(["--apply", "--yes"]);
    let done = upgrade(test_cluster, &["flux-manifests"], &flags)?.expect_code(0)?;
    ensure!(uids(test_cluster)? == before, "objects were created again:\n{}", done.all_text());
    let crds_values = &helm_release(test_cluster, "mural-crds")?["spec"]["values"];
    ensure!(crds_values["keep"] == "me", "the stored values of the CRD chart are lost: {crds_values}");
    let secret = test_cluster.get(&["secret", "canvas", "--namespace", NAMESPACE])?;
    ensure!(secret["data"]["password"] == base64(CANARY), "the values are not the release's own");
    ensure!(!done.all_text().contains(CANARY), "tells a secret:\n{}", done.all_text());
    let next =
        upgrade(test_cluster, &[], &newer_flags(&["--yes"]))?.expect_code(0).context("the upgrade through Flux")?;
    ensure!(uids(test_cluster)? == before && crds_are_new(test_cluster)?, "{}", next.all_text());
    let expression = helm_release(test_cluster, "mural")?["spec"]["dependsOn"].to_string();
    ensure!(expression.contains("0.7.4+"), "the readyExpr still asks for the old version: {expression}");
    Ok(())
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// The uid of each object of the older installation.
fn uids(test_cluster: &TestCluster) -> Result<Vec<String>> {
    let objects = [["deployment", "canvas"], ["secret", "canvas"], ["pool", "first"]];
    let crds = ["pools.small.example.com", "widgets.small.example.com"].map(|name| ["crd", name]);
    let uid = |[kind, name]: &[&str; 2]| {
        Ok(test_cluster.get(&[kind, name, "--namespace", NAMESPACE])?["metadata"]["uid"].to_string())
    };
    objects.iter().chain(&crds).map(uid).collect()
}

/// The plugin writes files to commit. Once they are applied in order, it follows and verifies the roll-out, and writes
/// nothing itself, not even a Lease.
fn managed_in_git(test_cluster: &TestCluster) -> Result<()> {
    let (test_cluster, _turn) = test_cluster.flux_cluster();
    install_older(test_cluster)?;
    let labels = ["kustomize.toolkit.fluxcd.io/name=hub", "kustomize.toolkit.fluxcd.io/namespace=flux-system"];
    for object in ["helmrelease/mural", "helmrelease/mural-crds", "ocirepository/mural", "ocirepository/mural-crds"] {
        let args = ["label", object, labels[0], labels[1], "--namespace", NAMESPACE];
        test_cluster.run(User::Admin, "kubectl", &args)?.expect_code(0)?;
    }
    let mark = test_cluster.mark()?;
    let folder = test_cluster.files().join("commit");
    let dir = folder.display().to_string();
    let refused = upgrade(test_cluster, &[], &newer_flags(&["--yes", "--write", &dir]))?.expect_code(5)?;
    let files = ["1-mural-crds-ocirepository.yaml", "2-mural-helmrelease.yaml", "3-mural-ocirepository.yaml"];
    for file in files {
        ensure!(refused.all_text().contains(file) && folder.join(file).is_file(), "no {file}:\n{}", refused.all_text());
    }
    let follow = command(test_cluster, &[], &newer_flags(&["--follow", "--timeout", "120s"]))?
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()?;
    sleep(Duration::from_secs(3));
    for file in files {
        let args =
            ["apply", "--server-side", "--force-conflicts", "--filename", &folder.join(file).display().to_string()];
        test_cluster.run(User::Admin, "kubectl", &args)?.expect_code(0)?;
    }
    let followed = to_command_output(follow.wait_with_output()?)?.expect_code(0).context("--follow")?;
    ensure!(
        followed.all_text().contains("1.1.0-rc.3+") && followed.all_text().contains("served"),
        "{}",
        followed.all_text()
    );
    order(&test_cluster.entries_since(mark)?).context("Flux keeps the order by itself")?;
    test_cluster.ensure_nothing_written(mark)
}
