//! Assembles the sample charts, an older and a newer version of each: our own sample CRDs with those of Flux and Open
//! Cluster Management.
//!
//! The result is deterministic (the same sources give the same digests) and is kept in the cache.

mod modules;
mod pack;
mod sample_crds;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use mural::model::chart::ChartFiles;
use sha2::{Digest as _, Sha256};

use crate::sandbox::{Sandbox, User};

/// The older and the newer pair: version of the CRD chart, version of the application.
pub const PAIRS: [(&str, &str); 2] = [("0.7.1", "1.1.0-rc.0"), ("0.7.4", "1.1.0-rc.3")];
/// Number of CRDs in the product's chart, the same in all known versions.
pub const CRDS: usize = 42;

/// The folder of the sources.
#[must_use]
pub fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("charts")
}

/// The sample operator's values file.
#[must_use]
pub fn values_file() -> PathBuf {
    sources().join("values.yaml")
}

/// Folder with the manifests of an operator's objects, created in the older installation.
#[must_use]
pub fn objects() -> PathBuf {
    sources().join("objects")
}

/// The CRDs that a version of the CRD chart takes from public Go modules (Flux, Open Cluster Management), by name.
///
/// # Errors
/// The modules cannot be downloaded.
pub fn public_crds(version: &str) -> Result<BTreeMap<String, String>> {
    modules::crds(version)
}

/// Assembles all charts if necessary, and returns the archives by `NAME-VERSION`.
///
/// # Errors
/// The modules with the public CRDs cannot be downloaded, or a source file is invalid.
pub fn assemble() -> Result<BTreeMap<String, PathBuf>> {
    let cache = crate::parts::cache_dir()?.join("charts").join(key()?);
    let all = PAIRS.iter().flat_map(|(crds, app)| [format!("mural-crds-{crds}"), format!("mural-{app}")]);
    let files: BTreeMap<String, PathBuf> = all.map(|name| (name.clone(), cache.join(format!("{name}.tgz")))).collect();
    if files.values().all(|file| file.is_file()) {
        return Ok(files);
    }
    fs::create_dir_all(&cache).with_context(|| format!("could not make {}", cache.display()))?;
    let lock = fs::File::create(cache.join("lock"))?;
    lock.lock()?;
    // Who waited for the lock finds the work done.
    if files.values().all(|file| file.is_file()) {
        return Ok(files);
    }
    for (at, (crds, app)) in PAIRS.iter().enumerate() {
        pack::write(&cache, "mural-crds", crds, &crds_chart(crds, at > 0)?)?;
        pack::write(&cache, "mural", app, &app_chart(app, crds, at > 0)?)?;
    }
    Ok(files)
}

/// Pushes the packed charts to the sandbox's registry, as `oci://HOST/mural/NAME:VERSION`.
///
/// # Errors
/// [`assemble`] fails, or helm cannot push.
pub fn push(sandbox: &Sandbox) -> Result<()> {
    for (name, file) in assemble()? {
        let target = format!("oci://{}/mural", sandbox.registry());
        let output =
            sandbox.command(User::Operator, "helm").arg("push").arg(&file).args([&target, "--plain-http"]).output()?;
        ensure!(output.status.success(), "helm push {name}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// Cache key: a digest of all sources of the charts and of the code that assembles them.
fn key() -> Result<String> {
    let mut hasher = Sha256::new();
    hasher.update(include_bytes!("charts.rs"));
    let mut folders = ["mural-crds", "mural", "mural-later"].map(|chart| sources().join(chart)).to_vec();
    folders.extend(PAIRS.iter().map(|(crds, _)| modules::folder(crds)));
    folders.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/charts"));
    for folder in folders {
        for (path, bytes) in read_folder(&folder)? {
            hasher.update(path.as_bytes());
            hasher.update(&bytes);
        }
    }
    Ok(hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

fn crds_chart(version: &str, later: bool) -> Result<ChartFiles> {
    let mut crds = modules::crds(version)?;
    for (name, crd) in sample_crds::crds(&fs::read_to_string(sources().join("mural-crds/own.yaml"))?, later)? {
        crds.insert(name, crd);
    }
    let names = fs::read_to_string(sources().join("mural-crds/names.txt"))?;
    ensure!(crds.keys().map(String::as_str).eq(names.lines()), "{:?} instead of the guide's CRDs", crds.keys());
    let mut files: ChartFiles =
        crds.into_iter().map(|(name, text)| (format!("crds/{name}.yaml"), text.into_bytes())).collect();
    let about = "description: The CRDs of a sample installation, shaped like the product's.\n";
    files.insert(
        "Chart.yaml".to_owned(),
        format!("apiVersion: v2\nname: mural-crds\nversion: {version}\n{about}").into_bytes(),
    );
    Ok(files)
}

fn app_chart(version: &str, crds: &str, later: bool) -> Result<ChartFiles> {
    let mut files = read_folder(&sources().join("mural"))?;
    if later {
        files.extend(read_folder(&sources().join("mural-later"))?);
        let values = files.get_mut("values.yaml").context("values.yaml")?;
        let text = String::from_utf8(std::mem::take(values))?;
        ensure!(text.contains("timeout: 10s"), "the default that 1.1.0-rc.3 changes is gone");
        *values = text.replace("timeout: 10s", "timeout: 30s").into_bytes();
    }
    let fits = format!("annotations: {{mural.spectrocloud.com/crds-version: {crds}}}\n");
    let chart = format!("apiVersion: v2\nname: mural\nversion: {version}\nkubeVersion: '>=1.31.0-0'\n{fits}");
    files.insert("Chart.yaml".to_owned(), chart.into_bytes());
    Ok(files)
}

fn read_folder(folder: &Path) -> Result<ChartFiles> {
    let mut files = ChartFiles::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).with_context(|| format!("could not read {}", next.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let inside = path.strip_prefix(folder)?.to_str().context("a file's name is not UTF-8")?.to_owned();
            files.insert(inside, fs::read(&path)?);
        }
    }
    if files.is_empty() {
        bail!("{} is empty", folder.display());
    }
    Ok(files)
}
