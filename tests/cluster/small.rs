//! A small pair of charts in an older and a newer version, with one example of each kind of change.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use mural_tests::sandbox::User;

use crate::test_cluster::TestCluster;

pub const NAMESPACE: &str = "mural-system";
/// A secret in the values of every upgrade. No output may contain it.
pub const CANARY: &str = "canary-7f3a";
/// Version flags of an upgrade to the newer pair.
pub const NEWER: [(&str, &str); 2] = [("--to", "1.1.0-rc.3"), ("--crds", "0.7.4")];
/// The CRDs of the newer chart: one unchanged, one changed, one new.
pub const CRDS: [&str; 3] = ["gadgets.small.example.com", "pools.small.example.com", "widgets.small.example.com"];

/// Writes a chart's folder once: the older chart of `tests/charts/small/`, overlaid with the files of the newer
/// version.
fn chart(test_cluster: &TestCluster, name: &str, version: &str, newer: bool) -> Result<PathBuf> {
    let small = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/small");
    let folder = test_cluster.files().join(format!("{name}-{version}"));
    for state in if newer { &["older", "newer"][..] } else { &["older"] } {
        copy_folder(&small.join(state).join(name), &folder)?;
    }
    std::fs::write(folder.join("Chart.yaml"), format!("apiVersion: v2\nname: {name}\nversion: {version}\n"))?;
    Ok(folder)
}

/// Copies a folder over another. An empty file deletes its target.
pub fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    if !from.exists() {
        return Ok(());
    }
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else if entry.metadata()?.len() == 0 && target.exists() {
            std::fs::remove_file(target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// The CRD chart.
pub fn crds(test_cluster: &TestCluster, version: &str) -> Result<PathBuf> {
    chart(test_cluster, "mural-crds", version, version == "0.7.4")
}

/// The application.
pub fn app(test_cluster: &TestCluster, version: &str) -> Result<PathBuf> {
    chart(test_cluster, "mural", version, version == "1.1.0-rc.3")
}

/// Path of a values file with a secret.
pub fn values(test_cluster: &TestCluster) -> Result<String> {
    let file = test_cluster.files().join("values.yaml");
    std::fs::write(&file, format!("password: {CANARY}\n"))?;
    Ok(file.display().to_string())
}

/// Installs the older pair by the vendor's guide, as the admin, and pushes both pairs to the registry.
pub fn install(test_cluster: &TestCluster) -> Result<()> {
    push_all(test_cluster)?;
    install_with_helm(test_cluster)
}

/// Pushes both pairs to the registry.
pub fn push_all(test_cluster: &TestCluster) -> Result<()> {
    for (folder, version) in
        [(crds as fn(&TestCluster, &str) -> _, "0.7.1"), (crds, "0.7.4"), (app, "1.1.0-rc.0"), (app, "1.1.0-rc.3")]
    {
        push(test_cluster, &folder(test_cluster, version)?)?;
    }
    Ok(())
}

/// Installs the older pair by the vendor's guide, as the admin.
pub fn install_with_helm(test_cluster: &TestCluster) -> Result<()> {
    let helm = |args: &[&str]| test_cluster.run(User::Admin, "helm", args)?.expect_code(0);
    let old = crds(test_cluster, "0.7.1")?.display().to_string();
    let rendered = helm(&["template", "mural-crds", &old, "--include-crds"])?.stdout;
    let apply = ["apply", "--server-side", "--force-conflicts", "--filename", "-"];
    test_cluster.run_with(User::Admin, "kubectl", &apply, &rendered, &[])?.expect_code(0)?;
    let old = app(test_cluster, "1.1.0-rc.0")?.display().to_string();
    let values = values(test_cluster)?;
    helm(&["install", "mural", &old, "--namespace", NAMESPACE, "--create-namespace", "--values", &values, "--wait"])?;
    Ok(())
}

/// Packs a chart and pushes it.
pub fn push(test_cluster: &TestCluster, folder: &Path) -> Result<()> {
    let file = pack(test_cluster, folder)?;
    let registry = format!("oci://{}/mural", test_cluster.sandbox()?.registry());
    test_cluster.run(User::Admin, "helm", &["push", &file, &registry, "--plain-http"])?.expect_code(0)?;
    Ok(())
}

/// Packs a chart.
pub fn pack(test_cluster: &TestCluster, folder: &Path) -> Result<String> {
    let into = test_cluster.files().join("packed").display().to_string();
    let packed = test_cluster
        .run(User::Admin, "helm", &["package", &folder.display().to_string(), "--destination", &into])?
        .expect_code(0)?;
    Ok(packed.stdout.rsplit_once(": ").context("helm says where the file is")?.1.trim().to_owned())
}

/// Waits until the workloads are ready after a restore.
pub fn wait_ready(test_cluster: &TestCluster) -> Result<()> {
    let args = ["rollout", "status", "deployment/canvas", "--namespace", NAMESPACE, "--timeout=120s"];
    test_cluster.run(User::Admin, "kubectl", &args)?.expect_code(0)?;
    Ok(())
}

/// Flags with the charts in the sandbox's registry.
pub fn charts(test_cluster: &TestCluster) -> Result<[(&'static str, String); 2]> {
    let registry = test_cluster.sandbox()?.registry();
    Ok([("--chart", "mural"), ("--crds-chart", "mural-crds")]
        .map(|(flag, name)| (flag, format!("oci://{registry}/mural/{name}"))))
}
