//! The packages that the programs contain: from `cargo tree` (which packages), `cargo metadata` (licences, sources) and
//! Cargo.lock (checksums). Dependencies of tests and of builds are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::program_build::PROGRAMS;
use crate::target::Target;

/// Name and version of a package.
pub type PackageId = (String, String);

/// A package that the programs contain.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The licence expression of its manifest (SPDX).
    pub licence: String,
    /// Where it is developed.
    pub repository: Option<String>,
    /// The folder of its source.
    pub folder: PathBuf,
    /// SHA-256 of its archive in the registry; `None` for a package of this workspace.
    pub checksum: Option<String>,
    /// The packages that it uses, of those that the programs contain.
    pub uses: BTreeSet<PackageId>,
}

/// Lists the packages, sorted by name and version. The packages of the workspace have no checksum.
///
/// # Errors
/// cargo fails, or prints another form.
pub fn list_packages(root: &Path, target: Target) -> Result<Vec<Package>> {
    let included = list_included(root, target)?;
    let text = run_cargo(root, &["metadata", "--format-version=1", "--locked", "--filter-platform", target.triple()])?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata prints another form")?;
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let checksums = read_checksums(&lock);
    let uses = read_uses(&metadata)?;
    let mut packages = Vec::new();
    for package in metadata["packages"].as_array().context("cargo metadata has no packages")? {
        let id = read_id(package)?;
        if !included.contains(&id) {
            continue;
        }
        let text = |field: &str| package[field].as_str().map(str::to_owned);
        let manifest = PathBuf::from(text("manifest_path").context("a package without a manifest")?);
        let used = uses.get(&text("id").unwrap_or_default()).cloned().unwrap_or_default();
        packages.push(Package {
            licence: text("license").with_context(|| format!("{} {} declares no licence", id.0, id.1))?,
            repository: text("repository"),
            folder: manifest.parent().context("a manifest lies in a folder")?.to_owned(),
            checksum: checksums.get(&id).cloned(),
            uses: used.intersection(&included).cloned().collect(),
            name: id.0,
            version: id.1,
        });
    }
    packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    Ok(packages)
}

fn read_id(package: &Value) -> Result<PackageId> {
    let field =
        |name: &str| package[name].as_str().map(str::to_owned).with_context(|| format!("a package without {name}"));
    Ok((field("name")?, field("version")?))
}

/// cargo tree resolves features for the programs alone; cargo metadata resolves them for the whole workspace.
fn list_included(root: &Path, target: Target) -> Result<BTreeSet<PackageId>> {
    let mut arguments = vec!["tree", "--locked", "--edges", "normal,no-proc-macro", "--prefix", "none"];
    arguments.extend(["--format", "{p}", "--target", target.triple()]);
    arguments.extend(PROGRAMS.iter().flat_map(|name| ["--package", *name]));
    let tree = run_cargo(root, &arguments)?;
    Ok(tree.lines().filter_map(parse_tree_line).collect())
}

/// `serde v1.0.228`, with `(proc-macro)`, `(*)` or a path behind it.
fn parse_tree_line(line: &str) -> Option<PackageId> {
    let mut words = line.split_whitespace();
    let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
    Some((name.to_owned(), version.to_owned()))
}

/// The packages that each package uses when it runs, by the id of `cargo metadata`.
fn read_uses(metadata: &Value) -> Result<BTreeMap<String, BTreeSet<PackageId>>> {
    let packages = metadata["packages"].as_array().context("cargo metadata has no packages")?;
    let ids: BTreeMap<&str, PackageId> =
        packages.iter().filter_map(|package| Some((package["id"].as_str()?, read_id(package).ok()?))).collect();
    let nodes = metadata["resolve"]["nodes"].as_array().context("cargo metadata has no dependency graph")?;
    let is_normal = |dependency: &Value| {
        dependency["dep_kinds"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()))
    };
    let uses = nodes.iter().filter_map(|node| {
        let used = node["deps"].as_array()?.iter().filter(|dependency| is_normal(dependency));
        let used = used.filter_map(|dependency| ids.get(dependency["pkg"].as_str()?).cloned()).collect();
        Some((node["id"].as_str()?.to_owned(), used))
    });
    Ok(uses.collect())
}

/// The checksums of a Cargo.lock.
fn read_checksums(lock: &str) -> BTreeMap<PackageId, String> {
    let value = |block: &str, key: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""));
        line.and_then(|rest| rest.strip_suffix('"')).map(str::to_owned)
    };
    let entries = lock
        .split("[[package]]")
        .filter_map(|block| Some(((value(block, "name")?, value(block, "version")?), value(block, "checksum")?)));
    entries.collect()
}

#[expect(clippy::disallowed_methods, reason = "a task of the developers; the bans are for the product")]
fn run_cargo(root: &Path, arguments: &[&str]) -> Result<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let output = Command::new(cargo).current_dir(root).args(arguments).output().context("cannot start cargo")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo {} failed:\n{}", arguments.join(" "), errors.trim());
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_cargo_tree_names_a_package() {
        let id = |name: &str, version: &str| Some((name.to_owned(), version.to_owned()));
        assert_eq!(parse_tree_line("serde v1.0.228 (*)"), id("serde", "1.0.228"));
        assert_eq!(parse_tree_line("mural v0.1.0 (/src/shared)"), id("mural", "0.1.0"));
        assert_eq!(parse_tree_line(""), None);
    }

    #[test]
    fn a_lock_file_has_checksums_of_registry_packages_only() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nchecksum = \"ff\"\n\n[[package]]\nname = \"b\"\nversion = \"2.0.0\"\n";
        let checksums = read_checksums(lock);
        assert_eq!(checksums.len(), 1);
        assert_eq!(checksums[&("a".to_owned(), "1.0.0".to_owned())], "ff");
    }
}
