//! Charts of a HelmRepository, where the HelmRelease itself or a HelmChart says the version; a GitRepository; and what
//! post-renderers change.

use anyhow::{Context, Result, ensure};
use mural_tests::flux as page;
use serde_json::{Value, json};

use super::trouble::{fails, while_stopped};
use super::{at, crds_are_new, helm_release, newer, older, order, patch, renamed, upgrade, within};
use crate::ground::Ground;
use crate::small::{self, CANARY, NAMESPACE};

pub fn helm_repository(ground: &Ground) -> Result<()> {
    let (ground, _turn) = ground.flux();
    older(ground)?;
    let url = format!("oci://{}/mural", ground.sandbox()?.registry());
    source(ground, "HelmRepository", "repo", &json!({"type": "oci", "url": url, "insecure": true, "interval": "10m"}))?;
    source(ground, "GitRepository", "repo", &json!({"url": "https://git.example.com/repo", "interval": "10m"}))?;
    for (name, version) in [("mural-crds", "0.7.1"), ("mural", "1.1.0-rc.0")] {
        from(ground, name, "HelmRepository", version)?;
    }
    for name in ["mural-crds", "mural"] {
        within(60, "charts of the HelmRepository", || {
            let release = helm_release(ground, name)?;
            Ok(release["status"]["observedGeneration"] == release["metadata"]["generation"]
                && release["status"]["history"][0]["ociDigest"].as_str().unwrap_or_default().is_empty())
        })?;
        page::ready(ground.sandbox()?, name)?;
    }
    let note = r#"{"spec":{"postRenderers":[{"kustomize":{"patches":[{"target":{"kind":"Deployment","name":"canvas"},
        "patch":"[{\"op\":\"add\",\"path\":\"/spec/template/metadata/annotations/noted\",\"value\":\"by-kustomize\"}]"}]}}]}}"#;
    patch(ground, "helmrelease", "mural", note)?;
    page::ready(ground.sandbox()?, "mural")?;
    let plan = upgrade(ground, &["plan"], &newer(&["--output", "json"]))?.with(2)?;
    let planned: Value = serde_json::from_str(&plan.stdout)?;
    ensure!(
        !planned["plan"]["objects"].to_string().contains("noted"),
        "a false change: {}",
        planned["plan"]["objects"]
    );
    // Nobody carries the version from the HelmRelease to its HelmChart.
    let told =
        ["still asks for 0.7.1: helm-controller has not looked at the change: does it run?", "mural-crds-source"];
    while_stopped(ground, "helm-controller", || {
        fails(ground, &newer(&["--yes", "--failure-grace", "5s"]), &told).map(drop)
    })?;
    let mark = ground.mark()?;
    let values = ground.files().join("repository-values.yaml");
    std::fs::write(&values, format!("password: {CANARY}-3\n"))?;
    let file = values.display().to_string();
    let done = upgrade(ground, &[], &newer(&["--yes", "--values", &file]))?.with(0)?;
    order(&ground.since(mark)?)?;
    let release = helm_release(ground, "mural")?;
    ensure!(release["spec"]["chart"]["spec"]["version"] == "1.1.0-rc.3", "{}", release["spec"]);
    ensure!(release["spec"].get("suspend").is_none_or(|held| held != true), "left suspended");
    ensure!(at(ground, "mural")? == "1.1.0-rc.3" && crds_are_new(ground)?, "{}", done.all());
    let again = upgrade(ground, &[], &newer(&["--yes"]))?.with(0).context("again")?;
    ensure!(again.stdout.contains("nothing to do"), "{}", again.all());
    helm_chart(ground)?;
    git(ground)
}

/// A HelmChart of its own, to which the HelmRelease only refers, says the version: it is what moves.
fn helm_chart(ground: &Ground) -> Result<()> {
    let spec = json!({"chart": "mural", "version": "1.1.0-rc.3", "interval": "10m",
        "sourceRef": {"kind": "HelmRepository", "name": "repo"}});
    source(ground, "HelmChart", "app", &spec)?;
    patch(ground, "helmrelease", "mural", r#"{"spec":{"chart":null,"chartRef":{"kind":"HelmChart","name":"app"}}}"#)?;
    page::ready(ground.sandbox()?, "mural")?;
    let next = renamed(ground, &small::app(ground, "1.1.0-rc.3")?, "mural", "1.1.0-rc.6")?;
    small::push(ground, &next)?;
    let done = upgrade(ground, &[], &["--to", "1.1.0-rc.6", "--yes"])?.with(0).context("a HelmChart")?;
    let chart = ground.get(&["helmchart", "app", "--namespace", NAMESPACE])?;
    ensure!(chart["spec"]["version"] == "1.1.0-rc.6" && at(ground, "mural")? == "1.1.0-rc.6", "{}", done.all());
    Ok(())
}

/// A source that knows no versions is explained, and nothing is written.
fn git(ground: &Ground) -> Result<()> {
    from(ground, "mural", "GitRepository", "1.1.0-rc.3")?;
    let mark = ground.mark()?;
    let refused = upgrade(ground, &[], &["--to", "1.1.0-rc.0", "--allow-downgrade", "--yes"])?.with(5)?;
    ensure!(refused.all().contains("a GitRepository holds no chart versions"), "{}", refused.all());
    ground.nothing_written(mark)
}

fn source(ground: &Ground, kind: &str, name: &str, spec: &Value) -> Result<()> {
    let object = json!({"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": kind, "spec": spec,
        "metadata": {"name": name, "namespace": NAMESPACE}});
    page::apply(ground.sandbox()?, &object.to_string())
}

/// A HelmRelease takes its chart from another source.
fn from(ground: &Ground, name: &str, kind: &str, version: &str) -> Result<()> {
    let chart = json!({"spec": {"chart": name, "version": version, "sourceRef": {"kind": kind, "name": "repo"}}});
    patch(ground, "helmrelease", name, &json!({"spec": {"chartRef": null, "chart": chart}}).to_string())
}
