//! CRDs from public Go modules, at pinned versions with checksums. The modules are downloaded, not built.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use mural::model::crd::Crd;
use mural::model::yaml::{self, ErrorDetail};
use serde_json::Value;

/// Groups that the product's chart takes; the modules hold some more.
const GROUPS: [&str; 5] = [
    "addon.open-cluster-management.io",
    "cluster.open-cluster-management.io",
    "helm.toolkit.fluxcd.io",
    "kustomize.toolkit.fluxcd.io",
    "source.toolkit.fluxcd.io",
];

/// The pinned module of one version of the chart.
pub(super) fn folder(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tools").join(format!("crds-{version}"))
}

/// The CRDs by name, as their projects wrote them.
pub(super) fn crds(version: &str) -> Result<BTreeMap<String, String>> {
    let mut crds: BTreeMap<String, (PathBuf, String)> = BTreeMap::new();
    for module in download(&folder(version))? {
        for file in files(&module)? {
            let text = fs::read_to_string(&file)?;
            let document =
                yaml::parse_document(&text, ErrorDetail::Snippet).with_context(|| format!("{}", file.display()))?;
            let Ok(crd) = Crd::new(document) else { continue };
            let name = crd.name().to_owned();
            // Where a module has two files for one CRD, the one in `v1beta1/` holds both versions.
            let better = crds.get(&name).is_none_or(|(before, _)| !before.to_string_lossy().contains("/v1beta1/"));
            if GROUPS.contains(&crd.group()) && better {
                crds.insert(name, (file, text));
            }
        }
    }
    Ok(crds.into_iter().map(|(name, (_, text))| (name, text)).collect())
}

/// Where the modules lie, after `go` has checked them against `go.sum`.
fn download(folder: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("go").args(["mod", "download", "-json"]).current_dir(folder).output().context(
        "the sample charts take Flux's and Open Cluster Management's CRDs from Go modules, and go cannot be started: \
         install Go 1.26 or newer and put it on PATH",
    )?;
    ensure!(output.status.success(), "go mod download: {}", String::from_utf8_lossy(&output.stderr));
    let modules = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    modules.map(|module| module?["Dir"].as_str().map(PathBuf::from).context("a module without a folder")).collect()
}

/// Flux keeps its CRDs in one folder, Open Cluster Management beside the types.
fn files(module: &Path) -> Result<Vec<PathBuf>> {
    let bases = module.join("config/crd/bases");
    let mut found = Vec::new();
    let mut open =
        if bases.is_dir() { vec![bases.clone()] } else { vec![module.join("addon"), module.join("cluster")] };
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).with_context(|| format!("could not read {}", next.display()))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                open.push(path);
            } else if name.ends_with(".crd.yaml") || (path.starts_with(&bases) && name.ends_with(".yaml")) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
