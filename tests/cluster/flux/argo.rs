//! Installations that Argo CD owns. The test plays the Argo CD controller; the cluster is real.

use std::process::Stdio;

use anyhow::{Result, ensure};
use mural_tests::flux as flux_install;
use mural_tests::sandbox::User;
use serde_json::{Value, json};

use super::wait_within;
use crate::small::{self, NAMESPACE, NEWER};
use crate::test_cluster::{CommandOutput, TestCluster, to_command_output};

/// The part of the CRD that an upgrade reads.
const CRD: &str = r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"applications.argoproj.io"},
    "spec":{"group":"argoproj.io","scope":"Namespaced","names":{"kind":"Application","plural":"applications"},"versions":[{"name":"v1alpha1",
    "served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}"#;

pub fn followed(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let kubectl = |args: &[&str]| test_cluster.run(User::Admin, "kubectl", args)?.expect_code(0);
    // Argo CD renders charts and keeps no release.
    kubectl(&["delete", "secrets", "--selector", "owner=helm", "--namespace", NAMESPACE])?;
    flux_install::apply(test_cluster.sandbox()?, CRD)?;
    kubectl(&["wait", "--for=condition=Established", "crd/applications.argoproj.io", "--timeout=60s"])?;
    let older = [("mural-crds", "0.7.1"), ("mural", "1.1.0-rc.0")];
    older.iter().try_for_each(|(name, version)| application(test_cluster, name, version, version))?;
    let mark = test_cluster.mark()?;
    let refused = upgrade(test_cluster, &["--yes"])?.expect_code(5)?;
    let told = [
        "belongs to the Argo CD Application mural",
        "1-mural-crds-application.yaml  Application mural-system/mural-crds",
        "spec.source.targetRevision: 1.1.0-rc.0 → 1.1.0-rc.3",
    ];
    for part in told {
        ensure!(refused.all_text().contains(part), "does not tell {part:?}:\n{}", refused.all_text());
    }
    let follow = command(test_cluster, &["--follow", "--timeout", "60s", "--events", "json"])?
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    std::thread::sleep(std::time::Duration::from_secs(3));
    // Git has the new versions. The CRD chart is synced first, then the application.
    application(test_cluster, "mural-crds", "0.7.4", "0.7.1")?;
    application(test_cluster, "mural", "1.1.0-rc.3", "1.1.0-rc.0")?;
    synced(test_cluster, "mural-crds", "0.7.4", &small::crds(test_cluster, "0.7.4")?.display().to_string())?;
    synced(test_cluster, "mural", "1.1.0-rc.3", &small::app(test_cluster, "1.1.0-rc.3")?.display().to_string())?;
    let followed = to_command_output(follow.wait_with_output()?)?.expect_code(0)?;
    for part in ["synced to 0.7.4 and healthy", "served with the chart's schema", "synced to 1.1.0-rc.3 and healthy"] {
        ensure!(followed.all_text().contains(part), "does not tell {part:?}:\n{}", followed.all_text());
    }
    test_cluster.ensure_nothing_written(mark)
}

fn command(test_cluster: &TestCluster, more: &[&str]) -> Result<std::process::Command> {
    let mut upgrade = test_cluster.command(User::Operator, "kubectl-mural-upgrade")?;
    upgrade.args(["--namespace", NAMESPACE, "--plain-http", "--values", &small::values(test_cluster)?]).args(more);
    upgrade.args(NEWER.iter().flat_map(|(flag, value)| [*flag, *value]));
    upgrade.args(small::charts(test_cluster)?.iter().flat_map(|(flag, chart)| [*flag, chart.as_str()]));
    Ok(upgrade)
}

fn upgrade(test_cluster: &TestCluster, more: &[&str]) -> Result<CommandOutput> {
    to_command_output(command(test_cluster, more)?.output()?)
}

/// An Application, recorded from a real Argo CD, with a target version and a synced version.
fn application(test_cluster: &TestCluster, name: &str, told: &str, synced: &str) -> Result<()> {
    let status = if told == synced { "Synced" } else { "OutOfSync" };
    let object = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"project": "default", "destination": {"server": "https://kubernetes.default.svc", "namespace": NAMESPACE},
            "source": {"repoURL": test_cluster.sandbox()?.registry(), "chart": format!("mural/{name}"), "targetRevision": told, "helm": {"releaseName": name}},
            "syncPolicy": {"automated": {}, "syncOptions": ["ServerSideApply=true"]}},
        "status": {"sync": {"status": status, "revision": synced}, "health": {"status": "Healthy"},
            "operationState": {"phase": "Succeeded", "message": "successfully synced (all tasks run)"}}});
    let kubectl = ["apply", "--server-side", "--force-conflicts", "--filename", "-"];
    test_cluster.run_with(User::Admin, "kubectl", &kubectl, &object.to_string(), &[])?.expect_code(0)?;
    Ok(())
}

/// Does what the application controller does: render, apply, update the status.
fn synced(test_cluster: &TestCluster, name: &str, version: &str, chart: &str) -> Result<()> {
    let values = small::values(test_cluster)?;
    let template = ["template", name, chart, "--namespace", NAMESPACE, "--include-crds", "--values", &values];
    let rendered = test_cluster.run(User::Admin, "helm", &template)?.expect_code(0)?.stdout;
    let apply = ["apply", "--server-side", "--force-conflicts", "--namespace", NAMESPACE, "--filename", "-"];
    // The kind of a custom resource may be served a moment after its CRD.
    wait_within(20, "all of it is applied", || {
        Ok(test_cluster.run_with(User::Admin, "kubectl", &apply, &rendered, &[])?.code == 0)
    })?;
    application(test_cluster, name, version, version)?;
    let told: Value = test_cluster.get(&["applications.argoproj.io", name, "--namespace", NAMESPACE])?;
    ensure!(told["status"]["sync"]["revision"] == version, "{told}");
    Ok(())
}
