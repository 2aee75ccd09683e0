//! A small pair of charts in an older and a newer version: what an upgrade is made of, and nothing else.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use mural_tests::sandbox::User;

use crate::ground::Ground;

pub const NAMESPACE: &str = "mural-system";
/// Stands in the values of every upgrade; may be said nowhere.
pub const CANARY: &str = "canary-7f3a";
/// What an upgrade here names.
pub const NEWER: [(&str, &str); 2] = [("--to", "1.1.0-rc.3"), ("--crds", "0.7.4")];
/// The CRDs of the newer chart: one unchanged, one changed, one new.
pub const CRDS: [&str; 3] = ["gadgets.small.example.com", "pools.small.example.com", "widgets.small.example.com"];

/// Writes a chart's folder, once: the older chart of `tests/charts/small/`, and what is laid over it in the newer one.
fn chart(ground: &Ground, name: &str, version: &str, newer: bool) -> Result<PathBuf> {
    let small = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/small");
    let folder = ground.files().join(format!("{name}-{version}"));
    for state in if newer { &["older", "newer"][..] } else { &["older"] } {
        lay(&small.join(state).join(name), &folder)?;
    }
    std::fs::write(folder.join("Chart.yaml"), format!("apiVersion: v2\nname: {name}\nversion: {version}\n"))?;
    Ok(folder)
}

/// Lays one folder over another. An empty file takes away what it lies on.
pub fn lay(from: &Path, to: &Path) -> Result<()> {
    if !from.exists() {
        return Ok(());
    }
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            lay(&entry.path(), &target)?;
        } else if entry.metadata()?.len() == 0 && target.exists() {
            std::fs::remove_file(target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// The CRD chart.
pub fn crds(ground: &Ground, version: &str) -> Result<PathBuf> {
    chart(ground, "mural-crds", version, version == "0.7.4")
}

/// The application.
pub fn app(ground: &Ground, version: &str) -> Result<PathBuf> {
    chart(ground, "mural", version, version == "1.1.0-rc.3")
}

/// Values with a secret among them, and their file.
pub fn values(ground: &Ground) -> Result<String> {
    let file = ground.files().join("values.yaml");
    std::fs::write(&file, format!("password: {CANARY}\n"))?;
    Ok(file.display().to_string())
}

/// Installs the older pair as the vendor's page does, as the admin, and pushes both pairs to the registry.
pub fn install(ground: &Ground) -> Result<()> {
    push_all(ground)?;
    by_helm(ground)
}

/// Pushes both pairs to the registry.
pub fn push_all(ground: &Ground) -> Result<()> {
    for (folder, version) in
        [(crds as fn(&Ground, &str) -> _, "0.7.1"), (crds, "0.7.4"), (app, "1.1.0-rc.0"), (app, "1.1.0-rc.3")]
    {
        push(ground, &folder(ground, version)?)?;
    }
    Ok(())
}

/// Installs the older pair as the vendor's page does, as the admin.
pub fn by_helm(ground: &Ground) -> Result<()> {
    let helm = |args: &[&str]| ground.run(User::Admin, "helm", args)?.with(0);
    let old = crds(ground, "0.7.1")?.display().to_string();
    let rendered = helm(&["template", "mural-crds", &old, "--include-crds"])?.stdout;
    let apply = ["apply", "--server-side", "--force-conflicts", "--filename", "-"];
    ground.run_with(User::Admin, "kubectl", &apply, &rendered, &[])?.with(0)?;
    let old = app(ground, "1.1.0-rc.0")?.display().to_string();
    let values = values(ground)?;
    helm(&["install", "mural", &old, "--namespace", NAMESPACE, "--create-namespace", "--values", &values, "--wait"])?;
    Ok(())
}

/// Packs a chart and pushes it.
pub fn push(ground: &Ground, folder: &Path) -> Result<()> {
    let file = pack(ground, folder)?;
    let registry = format!("oci://{}/mural", ground.sandbox()?.registry());
    ground.run(User::Admin, "helm", &["push", &file, &registry, "--plain-http"])?.with(0)?;
    Ok(())
}

/// Packs a chart.
pub fn pack(ground: &Ground, folder: &Path) -> Result<String> {
    let into = ground.files().join("packed").display().to_string();
    let packed = ground
        .run(User::Admin, "helm", &["package", &folder.display().to_string(), "--destination", &into])?
        .with(0)?;
    Ok(packed.stdout.rsplit_once(": ").context("helm says where the file is")?.1.trim().to_owned())
}

/// Waits until the workloads run again after a restore.
pub fn ready(ground: &Ground) -> Result<()> {
    let args = ["rollout", "status", "deployment/canvas", "--namespace", NAMESPACE, "--timeout=120s"];
    ground.run(User::Admin, "kubectl", &args)?.with(0)?;
    Ok(())
}

/// The flags that name the charts of the sandbox's registry.
pub fn charts(ground: &Ground) -> Result<[(&'static str, String); 2]> {
    let registry = ground.sandbox()?.registry();
    Ok([("--chart", "mural"), ("--crds-chart", "mural-crds")]
        .map(|(flag, name)| (flag, format!("oci://{registry}/mural/{name}"))))
}
