//! Other sources: a HelmRepository whose version is in the HelmRelease or in a HelmChart, a GitRepository, and
//! post-renderers.

use anyhow::{Context, Result, ensure};
use mural_tests::flux as flux_install;
use serde_json::{Value, json};

use super::controller_failures::{fails, while_stopped};
use super::{
    copy_chart_as, crds_are_new, deployed_version, helm_release, install_older, newer_flags, order, patch, upgrade,
    wait_within,
};
use crate::small::{self, CANARY, NAMESPACE};
use crate::test_cluster::TestCluster;

pub fn helm_repository(test_cluster: &TestCluster) -> Result<()> {
    let (test_cluster, _turn) = test_cluster.flux_cluster();
    install_older(test_cluster)?;
    let url = format!("oci://{}/mural", test_cluster.sandbox()?.registry());
    source(
        test_cluster,
        "HelmRepository",
        "repo",
        &json!({"type": "oci", "url": url, "insecure": true, "interval": "10m"}),
    )?;
    source(test_cluster, "GitRepository", "repo", &json!({"url": "https://git.example.com/repo", "interval": "10m"}))?;
    for (name, version) in [("mural-crds", "0.7.1"), ("mural", "1.1.0-rc.0")] {
        from(test_cluster, name, "HelmRepository", version)?;
    }
    for name in ["mural-crds", "mural"] {
        wait_within(60, "charts of the HelmRepository", || {
            let release = helm_release(test_cluster, name)?;
            Ok(release["status"]["observedGeneration"] == release["metadata"]["generation"]
                && release["status"]["history"][0]["ociDigest"].as_str().unwrap_or_default().is_empty())
        })?;
        flux_install::ready(test_cluster.sandbox()?, name)?;
    }
    let note = r#"{"spec":{"postRenderers":[{"kustomize":{"patches":[{"target":{"kind":"Deployment","name":"canvas"},
        "patch":"[{\"op\":\"add\",\"path\":\"/spec/template/metadata/annotations/noted\",\"value\":\"by-kustomize\"}]"}]}}]}}"#;
    patch(test_cluster, "helmrelease", "mural", note)?;
    flux_install::ready(test_cluster.sandbox()?, "mural")?;
    let plan = upgrade(test_cluster, &["plan"], &newer_flags(&["--output", "json"]))?.expect_code(2)?;
    let planned: Value = serde_json::from_str(&plan.stdout)?;
    ensure!(
        !planned["plan"]["objects"].to_string().contains("noted"),
        "a false change: {}",
        planned["plan"]["objects"]
    );
    // Without helm-controller, no one copies the version from the HelmRelease to its HelmChart.
    let told =
        ["still asks for 0.7.1: helm-controller has not looked at the change: does it run?", "mural-crds-source"];
    while_stopped(test_cluster, "helm-controller", || {
        fails(test_cluster, &newer_flags(&["--yes", "--failure-grace", "5s"]), &told).map(drop)
    })?;
    let mark = test_cluster.mark()?;
    let values = test_cluster.files().join("repository-values.yaml");
    std::fs::write(&values, format!("password: {CANARY}-3\n"))?;
    let file = values.display().to_string();
    let done = upgrade(test_cluster, &[], &newer_flags(&["--yes", "--values", &file]))?.expect_code(0)?;
    order(&test_cluster.entries_since(mark)?)?;
    let release = helm_release(test_cluster, "mural")?;
    ensure!(release["spec"]["chart"]["spec"]["version"] == "1.1.0-rc.3", "{}", release["spec"]);
    ensure!(release["spec"].get("suspend").is_none_or(|held| held != true), "left suspended");
    ensure!(
        deployed_version(test_cluster, "mural")? == "1.1.0-rc.3" && crds_are_new(test_cluster)?,
        "{}",
        done.all_text()
    );
    let again = upgrade(test_cluster, &[], &newer_flags(&["--yes"]))?.expect_code(0).context("again")?;
    ensure!(again.stdout.contains("nothing to do"), "{}", again.all_text());
    helm_chart(test_cluster)?;
    git(test_cluster)
}

/// The HelmRelease refers to a HelmChart, which has the version: the upgrade patches the HelmChart.
fn helm_chart(test_cluster: &TestCluster) -> Result<()> {
    let spec = json!({"chart": "mural", "version": "1.1.0-rc.3", "interval": "10m",
        "sourceRef": {"kind": "HelmRepository", "name": "repo"}});
    source(test_cluster, "HelmChart", "app", &spec)?;
    patch(
        test_cluster,
        "helmrelease",
        "mural",
        r#"{"spec":{"chart":null,"chartRef":{"kind":"HelmChart","name":"app"}}}"#,
    )?;
    flux_install::ready(test_cluster.sandbox()?, "mural")?;
    let next = copy_chart_as(test_cluster, &small::app(test_cluster, "1.1.0-rc.3")?, "mural", "1.1.0-rc.6")?;
    small::push(test_cluster, &next)?;
    let done = upgrade(test_cluster, &[], &["--to", "1.1.0-rc.6", "--yes"])?.expect_code(0).context("a HelmChart")?;
    let chart = test_cluster.get(&["helmchart", "app", "--namespace", NAMESPACE])?;
    ensure!(
        chart["spec"]["version"] == "1.1.0-rc.6" && deployed_version(test_cluster, "mural")? == "1.1.0-rc.6",
        "{}",
        done.all_text()
    );
    Ok(())
}

/// A source without versions is explained, and nothing is written.
fn git(test_cluster: &TestCluster) -> Result<()> {
    from(test_cluster, "mural", "GitRepository", "1.1.0-rc.3")?;
    let mark = test_cluster.mark()?;
    let refused = upgrade(test_cluster, &[], &["--to", "1.1.0-rc.0", "--allow-downgrade", "--yes"])?.expect_code(5)?;
    ensure!(refused.all_text().contains("a GitRepository holds no chart versions"), "{}", refused.all_text());
    test_cluster.ensure_nothing_written(mark)
}

fn source(test_cluster: &TestCluster, kind: &str, name: &str, spec: &Value) -> Result<()> {
    let object = json!({"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": kind, "spec": spec,
        "metadata": {"name": name, "namespace": NAMESPACE}});
    flux_install::apply(test_cluster.sandbox()?, &object.to_string())
}

/// A HelmRelease takes its chart from another source.
fn from(test_cluster: &TestCluster, name: &str, kind: &str, version: &str) -> Result<()> {
    let chart = json!({"spec": {"chart": name, "version": version, "sourceRef": {"kind": kind, "name": "repo"}}});
    patch(test_cluster, "helmrelease", name, &json!({"spec": {"chartRef": null, "chart": chart}}).to_string())
}
