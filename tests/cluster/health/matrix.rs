//! Every check of `validate` on the sample installation: silent while it is healthy, and fired by a real action that
//! breaks it.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mural::checks::health_checks::HEALTH_CHECKS;
use mural::cluster::USER_AGENT_VALUE;
use mural_tests::charts;
use mural_tests::install::{self, NAMESPACE};
use mural_tests::proxy::{FaultEffect, FaultProxy, FaultRule};
use mural_tests::sandbox::User;
use mural_tests::scripted;
use serde_json::{Value, json};

use super::states::{
    BROKEN, BROKEN_AFTER_FIX, EXCEPTIONS, FIX_COMMANDS, FURNISHED, REQUESTED_STATES, STAND_INS, State,
};
use super::{files, findings, flux, forms, json, shell, until, validate};
use crate::test_cluster::{CommandOutput, TestCluster};

/// The outdated OpenAPI document of an API server that lags behind.
const DOCUMENT: &str = "/openapi/v3/apis/spectrocloud.com/v1alpha1";
/// Characters of a value that fills the record of a release, and no more: random ones, which cannot be packed smaller
/// than three quarters of them, and are then written as base64.
const FILLER: usize = 930_000;

/// Every check has an action that fires it, and every action names existing checks.
fn every_check_has_an_action() -> Result<()> {
    let states = BROKEN.iter().chain(&BROKEN_AFTER_FIX).chain(&REQUESTED_STATES).chain(&flux::BROKEN);
    let fired = states.flat_map(|state| state.fires).chain(&STAND_INS).copied();
    let fired = fired.chain(flux::UPGRADE_STATES.iter().map(|(id, ..)| *id));
    let told: BTreeSet<&str> = fired.chain(EXCEPTIONS.iter().map(|(id, _)| *id)).collect();
    let known: BTreeSet<&str> = HEALTH_CHECKS.iter().map(|check| check.card.id).collect();
    let without: Vec<&&str> = known.difference(&told).collect();
    let unknown: Vec<&&str> = told.difference(&known).collect();
    ensure!(without.is_empty() && unknown.is_empty(), "checks without an action: {without:?}; no checks: {unknown:?}");
    Ok(())
}

/// The sample installation, extended by objects for all checks, has no finding.
fn furnished(test_cluster: &TestCluster) -> Result<Vec<String>> {
    install::install(test_cluster.sandbox()?, &install::Args::default())?;
    lay(test_cluster)?;
    FURNISHED.iter().try_for_each(|line| shell(test_cluster, line))?;
    let expect_flags = expect_flags(test_cluster)?;
    healthy(test_cluster, &expect_flags)?;
    Ok(expect_flags)
}

/// The same with an installation by another helm.
pub fn silent_by_helm(test_cluster: &TestCluster, version: &str) -> Result<()> {
    test_cluster.use_helm(version)?;
    furnished(test_cluster).map(drop)
}

pub fn every_check_fires(test_cluster: &TestCluster) -> Result<()> {
    every_check_has_an_action()?;
    let done = one_after_another(test_cluster);
    // Also after a failure, because other tests use this sandbox.
    let mended: Vec<Result<()>> = FIX_COMMANDS.iter().map(|line| shell(test_cluster, line)).collect();
    done.and_then(|()| mended.into_iter().collect())
}

fn one_after_another(test_cluster: &TestCluster) -> Result<()> {
    let expect_flags = furnished(test_cluster)?;
    for state in &REQUESTED_STATES {
        let flags: Vec<String> =
            state.does.split(' ').map(|word| expanded(test_cluster, word)).collect::<Result<_>>()?;
        fires(&look(test_cluster, &flags)?.expect_code(3)?, state)?;
    }
    older_tools(test_cluster)?;
    let document = test_cluster.run(User::Admin, "kubectl", &["get", "--raw", DOCUMENT])?.expect_code(0)?.stdout;
    for state in &BROKEN {
        shell(test_cluster, state.does).with_context(|| state.fires.join(", "))?;
    }
    let all: Vec<&str> = BROKEN.iter().flat_map(|state| state.fires).copied().collect();
    let report = wait_for_findings(test_cluster, &expect_flags, &all)?;
    forms::every_form(test_cluster, &expect_flags, &report)?;
    older_servers(test_cluster, document)?;
    for state in &BROKEN_AFTER_FIX {
        shell(test_cluster, state.does).with_context(|| state.fires.join(", "))?;
        wait_for_findings(test_cluster, &expect_flags, state.fires)?;
    }
    unreadable(test_cluster)
}

/// Flags with the installed charts.
fn expect_flags(test_cluster: &TestCluster) -> Result<Vec<String>> {
    let (crds, app) = charts::PAIRS[0];
    let words = ["--expect", &format!("mural={app}"), "--expect", &format!("crds={crds}")].map(str::to_owned);
    let files = ["--values", "running.yaml", "--chart", "$APP", "--crds-chart", "$CRDS"];
    let files = files.into_iter().map(|word| expanded(test_cluster, word)).collect::<Result<Vec<_>>>()?;
    Ok([&words[..], &files].concat())
}

/// Quotes the text for a shell.
fn expanded(test_cluster: &TestCluster, word: &str) -> Result<String> {
    let known = super::variables(test_cluster)?.into_iter().find(|(name, _)| word == format!("${name}"));
    Ok(known.map_or_else(|| word.to_owned(), |(_, path)| path.display().to_string()))
}

fn look(test_cluster: &TestCluster, flags: &[String]) -> Result<CommandOutput> {
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    validate(test_cluster, &[&flags[..], &["--output", "json"]].concat())
}

/// Makes sure that there is no finding, and that every check except those about Flux has inspected an item.
fn healthy(test_cluster: &TestCluster, expect_flags: &[String]) -> Result<()> {
    let strict = [expect_flags, &["--strict".to_owned()]].concat();
    let mut last = None;
    let ended = until(test_cluster, || {
        let ended = look(test_cluster, &strict)?;
        let well = ended.code == 0 && json(&ended)?["counts"]["notes"] == 0;
        last = Some(ended.stdout.clone());
        Ok(well.then_some(ended))
    });
    let report = json(&ended.with_context(|| render_findings(last.as_deref().unwrap_or_default()))?)?;
    let silent: Vec<String> = checks(&report)
        .filter(|checked| checked["verdict"] != "pass" && checked["section"] != "flux")
        .map(|checked| format!("{}: {} {}", checked["check"], checked["verdict"], checked["reason"]))
        .collect();
    ensure!(silent.is_empty(), "in a healthy installation these do not pass: {silent:#?}");
    Ok(())
}

fn checks(report: &Value) -> impl Iterator<Item = &Value> {
    report["checks"].as_array().into_iter().flatten()
}

/// The findings of a report, for a message.
fn render_findings(report: &str) -> String {
    let report: Value = serde_json::from_str(report).unwrap_or_default();
    let found = checks(&report).flat_map(|checked| checked["findings"].as_array().into_iter().flatten());
    found
        .map(|finding| format!("{} {}: {}", finding["check"], finding["subject"], finding["message"]))
        .collect::<Vec<_>>()
        .join("\n")
}

fn fires(ended: &CommandOutput, state: &State) -> Result<()> {
    let report = json(ended)?;
    let silent: Vec<&&str> = state.fires.iter().filter(|id| findings(&report, id).is_empty()).collect();
    ensure!(silent.is_empty(), "{}: {silent:?} find nothing\n{}", state.does, render_findings(&ended.stdout));
    Ok(())
}

/// Waits until each of these checks has a finding with an object, a hint and a documentation link.
fn wait_for_findings(test_cluster: &TestCluster, expect_flags: &[String], ids: &[&str]) -> Result<Value> {
    let mut silent = Vec::new();
    let report = until(test_cluster, || {
        let report = json(&look(test_cluster, expect_flags)?.expect_code(3)?)?;
        silent = ids.iter().copied().filter(|id| findings(&report, id).is_empty()).collect();
        Ok(silent.is_empty().then_some(report))
    });
    let report = report.with_context(|| format!("these find nothing: {silent:?}"))?;
    for finding in ids.iter().flat_map(|id| findings(&report, id)) {
        let has = |key: &str| finding[key].as_str().is_some_and(|text| !text.is_empty());
        ensure!(has("subject") && has("message") && has("hint") && has("docs"), "{finding}");
    }
    Ok(report)
}

/// Puts older versions of helm and kubectl first on `PATH`.
fn older_tools(test_cluster: &TestCluster) -> Result<()> {
    let file = |name: &str| test_cluster.files().join(name);
    scripted::write_program(&file("old-helm"), "printf v3.16.4\n")?;
    scripted::write_program(&file("old-kubectl"), r#"printf '{"clientVersion": {"gitVersion": "v1.30.9"}}'"#)?;
    let env = [("HELM_BIN", file("old-helm")), ("KUBECTL_PATH", file("old-kubectl"))];
    let env: Vec<(&str, &Path)> = env.iter().map(|(name, path)| (*name, path.as_path())).collect();
    let flags = ["--only", "tools", "--output", "json"];
    let ended = test_cluster.run_with(User::Operator, "kubectl-mural-validate", &flags, "", &env)?.expect_code(3)?;
    fires(&ended, &State { fires: &STAND_INS[..3], does: "an older helm and kubectl" })
}

/// An API server of another version, and one with an outdated schema.
fn older_servers(test_cluster: &TestCluster, document: String) -> Result<()> {
    let proxy = FaultProxy::start(&test_cluster.sandbox()?.kubeconfig(User::Operator), test_cluster.files())?;
    let version = json!({"major": "1", "minor": "30", "gitVersion": "v1.30.9"}).to_string();
    proxy.add_fault(FaultRule::for_path("/version", FaultEffect::Json(version)).for_agent(USER_AGENT_VALUE).times(9));
    proxy.add_fault(
        FaultRule::for_path_containing(DOCUMENT, FaultEffect::Json(document)).for_agent(USER_AGENT_VALUE).times(9),
    );
    let kubeconfig = proxy.kubeconfig().to_owned();
    let flags = ["--only", "server-version,crd-schema-served", "--output", "json"];
    let env = [("KUBECONFIG", kubeconfig.as_path())];
    let ended = test_cluster.run_with(User::Operator, "kubectl-mural-validate", &flags, "", &env)?.expect_code(3)?;
    fires(&ended, &State { fires: &STAND_INS[3..], does: "an older API server, that lags behind" })
}

/// Bad input that needs a cluster: each gets a clear message with the object, and the right exit code.
fn unreadable(test_cluster: &TestCluster) -> Result<()> {
    let says = |flags: &[&str], code: i32, words: &[&str]| -> Result<()> {
        let ended = validate(test_cluster, flags)?.expect_code(code).with_context(|| flags.join(" "))?;
        let all = ended.all_text();
        words.iter().try_for_each(|word| {
            ensure!(all.contains(word), "{} does not say {word:?}:\n{all}", flags.join(" "));
            Ok(())
        })
    };
    says(&["--context", "nowhere"], 1, &["no context \"nowhere\"", "choose one with --context"])?;
    says(
        &["--namespace", "tenant-a"],
        3,
        &["namespace tenant-a contains neither release mural nor mural-crds", "found mural in mural-system"],
    )?;
    says(&["--release", "other", "--crds-release", "another"], 3, &["no namespace contains them"])?;
    // Half an installation.
    says(
        &["--release", "other"],
        3,
        &["owner-detected", "release other", "is not installed in namespace mural-system"],
    )?;
    let corrupt = r#"for one in $(kubectl -n mural-system get secrets --selector owner=helm,name=mural --output name); do kubectl -n mural-system patch $one --patch '{"data":{"release":"bm90IGEgcmVjb3Jk"}}'; done"#;
    shell(test_cluster, corrupt)?;
    says(&["--output", "wide"], 3, &["Secret mural-system/sh.helm.release.v1.mural.", "undetermined"])
}

/// Writes the files that the states use.
fn lay(test_cluster: &TestCluster) -> Result<()> {
    files(test_cluster)?;
    let write = |name: &str, text: String| std::fs::write(test_cluster.files().join(name), text);
    let authority = STANDARD.encode(std::fs::read(test_cluster.sandbox()?.dir().join("pki/ca.crt"))?);
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.000000Z");
    let cluster = "cluster.open-cluster-management.io/v1";
    write(
        "furnished.yaml",
        [
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "edge-1"}}),
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "tenant-a"}}),
            json!({"apiVersion": cluster, "kind": "ManagedCluster", "metadata": {"name": "edge-1"}, "spec": {"hubAcceptsClient": true, "leaseDurationSeconds": 120}}),
            json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "managed-cluster-lease", "namespace": "edge-1"}, "spec": {"leaseDurationSeconds": 120, "renewTime": now.to_string()}}),
            hook("probe", "Ignore", "canvas", &authority, &json!({"apiGroups": ["spectrocloud.com"], "apiVersions": ["*"], "operations": ["DELETE"], "resources": ["settings"]})),
        ]
        .map(|object| object.to_string())
        .join("\n---\n"),
    )?;
    let pods = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]});
    write("guard.yaml", hook("guard", "Fail", "canvas", &authority, &pods).to_string())?;
    write("job-failed.yaml", job("example.com/setup", Some("job-failed")).to_string())?;
    write("job-stuck.yaml", job("example.com/setup:no-such-image", None).to_string())?;
    write("impostor.yaml", impostor().to_string())?;
    write(
        "held.yaml",
        json!({"apiVersion": "spectrocloud.com/v1beta1", "kind": "DefinitionRevision", "metadata": {"name": "held", "namespace": NAMESPACE, "finalizers": ["mural.test/held"]}, "spec": {"revision": 1}}).to_string(),
    )?;
    write(
        "helm-release.yaml",
        json!({"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "metadata": {"name": "mural-crds", "namespace": NAMESPACE}, "spec": {"interval": "10m", "chartRef": {"kind": "OCIRepository", "name": "mural-crds"}}}).to_string(),
    )?;
    write("filler.txt", filler())?;
    lesser(test_cluster)
}

fn hook(name: &str, policy: &str, service: &str, authority: &str, rule: &Value) -> Value {
    json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": name}, "webhooks": [{
        "name": format!("{name}.example.com"), "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": policy, "timeoutSeconds": 1,
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}},
        "clientConfig": {"service": {"namespace": NAMESPACE, "name": service}, "caBundle": authority}, "rules": [rule]}]})
}

/// A Job that replaces the chart's hook.
fn job(image: &str, fails: Option<&str>) -> Value {
    let annotations = fails.map_or_else(|| json!({}), |how| json!({"mural.test/fail": how}));
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "mural-setup", "namespace": NAMESPACE}, "spec": {"backoffLimit": 0,
        "template": {"metadata": {"annotations": annotations}, "spec": {"restartPolicy": "Never", "containers": [{"name": "setup", "image": image}]}}}})
}

/// A CRD that claims the names of another.
fn impostor() -> Value {
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "othercomputeconfigs.spectrocloud.com"},
        "spec": {"group": "spectrocloud.com", "scope": "Namespaced", "names": {"kind": "ComputeConfig", "plural": "othercomputeconfigs", "singular": "computeconfig", "listKind": "ComputeConfigList"},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]}})
}

/// Pseudo-random letters (xorshift), equal in every run.
fn filler() -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(LETTERS[usize::try_from(state >> 58).unwrap_or_default()])
    };
    (0..FILLER).map(|_| next()).collect()
}

/// Builds the application's chart without the template of dex, with the same version.
fn lesser(test_cluster: &TestCluster) -> Result<()> {
    shell(
        test_cluster,
        "mkdir -p lesser && tar -xzf $APP -C lesser --strip-components 1 && rm lesser/templates/dex.yaml",
    )
}
