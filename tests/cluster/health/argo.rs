//! `validate` on an installation that an Argo CD Application owns. The test plays the Argo CD controller; the cluster is real.

use anyhow::{Result, ensure};
use mural_tests::flux as flux_install;
use mural_tests::sandbox::User;
use serde_json::json;

use super::{json, until, validate};
use crate::small::NAMESPACE;
use crate::test_cluster::TestCluster;

/// The part of the CRD that a check reads.
const CRD: &str = r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"applications.argoproj.io"},
    "spec":{"group":"argoproj.io","scope":"Namespaced","names":{"kind":"Application","plural":"applications"},"versions":[{"name":"v1alpha1",
    "served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}"#;

/// One Application with both charts: `spec.sources` and `destination.name`. There is no helm release.
pub fn several_sources(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let kubectl = |args: &[&str]| test_cluster.run(User::Admin, "kubectl", args)?.expect_code(0);
    kubectl(&["delete", "secrets", "--selector", "owner=helm", "--namespace", NAMESPACE])?;
    flux_install::apply(test_cluster.sandbox()?, CRD)?;
    kubectl(&["wait", "--for=condition=Established", "crd/applications.argoproj.io", "--timeout=60s"])?;
    let sources = json!([{"chart": "mural/mural-crds", "targetRevision": "0.7.1", "helm": {"releaseName": "mural-crds"}},
        {"chart": "mural/mural", "targetRevision": "1.1.0-rc.0", "helm": {"releaseName": "mural"}}, {"repoURL": "https://git.example.com", "ref": "values"}]);
    let application = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "product", "namespace": NAMESPACE},
        "spec": {"project": "default", "destination": {"name": "in-cluster", "namespace": NAMESPACE}, "sources": sources},
        "status": {"sync": {"status": "Synced", "revisions": ["0.7.1", "1.1.0-rc.0", "0509"]}, "health": {"status": "Healthy"}}});
    flux_install::apply(test_cluster.sandbox()?, &application.to_string())?;
    let tracking = "argocd.argoproj.io/tracking-id=product:apps/Deployment:mural-system/canvas";
    kubectl(&["annotate", "deployment", "canvas", tracking, "--namespace", NAMESPACE])?;
    for crd in ["pools.small.example.com", "widgets.small.example.com"] {
        kubectl(&["label", "crd", crd, "app.kubernetes.io/instance=product"])?;
    }
    let judged = judge(test_cluster);
    kubectl(&["delete", "crd", "applications.argoproj.io"])?;
    judged
}

fn judge(test_cluster: &TestCluster) -> Result<()> {
    let healthy = validate(test_cluster, &["--expect", "mural=1.1.0-rc.0", "--output", "json"])?.expect_code(0)?;
    let report = json(&healthy)?;
    ensure!(report["owners"]["mural"]["owner"] == "argo", "{}", report["owners"]);
    ensure!(report["releases"]["mural"] == "1.1.0-rc.0", "{}", report["releases"]);
    let other = validate(test_cluster, &["--expect", "mural=9.9.9"])?.expect_code(3)?;
    ensure!(other.stdout.contains("9.9.9 is expected"), "{}", other.stdout);
    let image =
        ["set", "image", "deployment/canvas", "canvas=example.com/canvas:no-such-image", "--namespace", NAMESPACE];
    test_cluster.run(User::Admin, "kubectl", &image)?.expect_code(0)?;
    until(test_cluster, || {
        let ended = validate(test_cluster, &[])?;
        Ok((ended.code == 3 && ended.stdout.contains("ImagePullBackOff")).then_some(()))
    })
}
