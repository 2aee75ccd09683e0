//! Finds a part in `KUBEBUILDER_ASSETS`, in the cache or on `PATH`, in this order. If it is nowhere, [`build`] builds
//! it.

use super::{Part, build, read_version};
use anyhow::{Context as _, Result};
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where a part was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The folder that envtest and kubebuilder use as well.
    Assets,
    /// Built before, in the cache.
    Cache,
    /// On `PATH`.
    Path,
}

/// A program that can be started.
#[derive(Debug, Clone)]
pub struct Found {
    /// The program.
    pub path: PathBuf,
    /// Its version.
    pub version: String,
    /// Where it was found.
    pub source: Source,
}

/// The cache folder for built programs and assembled charts: `$XDG_CACHE_HOME/mural/bin` or `~/.cache/mural/bin`.
///
/// # Errors
/// When neither `XDG_CACHE_HOME` nor `HOME` is set.
pub(crate) fn cache_dir() -> Result<PathBuf> {
    let cache = match env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()) {
        Some(dir) => PathBuf::from(dir),
        None => PathBuf::from(
            env::var_os("HOME").context("there is no cache folder: neither XDG_CACHE_HOME nor HOME is set")?,
        )
        .join(".cache"),
    };
    Ok(cache.join("mural/bin"))
}

/// The first fitting program, or none.
///
/// # Errors
/// There is no cache folder. A missing program is not an error.
pub fn find(part: &Part) -> Result<Option<Found>> {
    Ok(look(part)?.into_iter().find_map(|(source, path, version)| {
        version.filter(|_| path.is_file()).map(|version| Found { path, version, source })
    }))
}

/// Every place where the part can be, in order of precedence. The version is set if the program exists and fits.
///
/// # Errors
/// There is no cache folder.
pub fn look(part: &Part) -> Result<Vec<(Source, PathBuf, Option<String>)>> {
    let mut places = Vec::new();
    if let Some(assets) =
        env::var_os("KUBEBUILDER_ASSETS").filter(|_| matches!(part.name, "etcd" | "kube-apiserver" | "kubectl"))
    {
        let path = Path::new(&assets).join(part.name);
        places.push((Source::Assets, path.clone(), fitting_version(part, &path)));
    }
    let cached = cache_dir()?.join(part.file_name());
    let version = cached.is_file().then(|| part.version.to_owned());
    places.push((Source::Cache, cached, version));
    for dir in env::split_paths(&env::var_os("PATH").unwrap_or_default()) {
        let path = dir.join(part.name);
        if path.is_file() {
            places.push((Source::Path, path.clone(), fitting_version(part, &path)));
        }
    }
    Ok(places)
}

/// Finds the part, or builds it.
///
/// # Errors
/// It is not found and cannot be built. The message says what to install.
pub fn find_or_build(part: &Part) -> Result<Found> {
    match find(part)? {
        Some(found) => Ok(found),
        None => Ok(Found {
            path: build::build(part, &cache_dir()?)?,
            version: part.version.to_owned(),
            source: Source::Cache,
        }),
    }
}

fn fitting_version(part: &Part, path: &Path) -> Option<String> {
    let output = Command::new(path).args(part.version_args()).stdin(Stdio::null()).output().ok()?;
    let version = read_version(&String::from_utf8_lossy(&output.stdout))?;
    part.fits(&version).then(|| version.to_string())
}
