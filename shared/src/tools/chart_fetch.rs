//! Fetches a chart once into a private folder; every later step uses those bytes.
//!
//! A chart comes from a registry (by digest), a folder or a `.tgz` file. helm pulls and packages; `registry.rs` resolves digests.
//! The result feeds `prepare/render`. `chart_fetch_error.rs` explains why there is none.

use std::path::Path;
use std::sync::Arc;

use super::chart_fetch_error::ChartFetchError;
use super::helm::Helm;
use super::registry::{Registry, RegistryError};
use crate::model::chart::{self, Chart, ChartError, ChartRef, Digest, DigestKind};
use crate::model::chart_version::ChartVersion;
use crate::model::fetched_chart::FetchedChart;
use crate::tools::private_files::{PrivateFileError, create_private_dir_in};

/// Fetches a chart into `private`, a folder that only we can read.
///
/// # Errors
/// The version is missing or does not exist (the hint lists the newest versions), the registry does not
/// answer, or the path is not a chart.
pub async fn fetch_chart(
    helm: &Helm,
    reference: &ChartRef,
    version: Option<&ChartVersion>,
    private: &Path,
    helm_config: Option<&Path>,
) -> Result<FetchedChart, ChartFetchError> {
    let into = create_private_dir_in(private, "chart-").map_err(PrivateFileError::Folder)?.keep();
    let digest = match reference {
        ChartRef::Oci { repository, digest } => {
            pull_from_registry(helm, repository, digest.as_deref(), version, &into, helm_config).await?
        }
        ChartRef::Folder { path } => package_folder(helm, path, &into).await?,
        ChartRef::Archive { path } => copy_archive(path, &into)?,
    };
    let fetched = read_chart(reference, &into, digest)?;
    match version.filter(|wanted| **wanted != fetched.chart.version) {
        Some(wanted) => Err(ChartFetchError::OtherVersion {
            reference: reference.to_string(),
            version: fetched.chart.version.to_string(),
            wanted: wanted.to_string(),
        }),
        None => Ok(fetched),
    }
}

async fn pull_from_registry(
    helm: &Helm,
    repository: &str,
    pinned: Option<&str>,
    version: Option<&ChartVersion>,
    into: &Path,
    helm_config: Option<&Path>,
) -> Result<Option<Digest>, ChartFetchError> {
    let unresolved = |error| ChartFetchError::Unresolved { repository: repository.to_owned(), error };
    let registry = Registry::new(repository, &helm.registry, helm_config).map_err(unresolved)?;
    let digest = match (pinned, version) {
        (Some(pinned), _) => match registry.verify_digest(pinned).await {
            Err(RegistryError::NoSuchVersion { .. }) => {
                let (repository, digest) = (repository.to_owned(), pinned.to_owned());
                return Err(ChartFetchError::UnknownDigest { repository, digest });
            }
            // helm may have a login that we cannot read; its own error is then the right one.
            Ok(()) | Err(_) => Ok(pinned.to_owned()),
        },
        (None, Some(version)) => registry.resolve_digest(version).await,
        (None, None) => return Err(find_missing_version(repository, &registry).await),
    };
    let of = |sha256| Some(Digest { sha256, kind: DigestKind::Manifest });
    match (digest, version) {
        (Ok(digest), _) => {
            let pulled = helm.pull_digest(repository, &digest, into).await;
            pulled.map_err(|error| error.into_failure(format!("cannot pull oci://{repository}@{digest}")))?;
            Ok(of(digest))
        }
        (Err(RegistryError::NoSuchVersion { .. }), Some(version)) => {
            Err(find_known_versions(repository, version, &registry).await)
        }
        // helm may log in with a credential helper that we do not use: then the archive's own digest must do.
        (Err(RegistryError::LoginRequired(..)), Some(version)) => {
            let pulled = helm.pull_version(repository, version, into).await;
            pulled.map_err(|error| error.into_failure(format!("cannot pull oci://{repository} {version}")))?;
            Ok(None)
        }
        (Err(error), _) => Err(unresolved(error)),
    }
}

async fn find_missing_version(repository: &str, registry: &Registry) -> ChartFetchError {
    let newest = registry.list_versions().await.ok().and_then(|versions| versions.into_iter().next());
    ChartFetchError::MissingVersion { repository: repository.to_owned(), newest }
}

async fn find_known_versions(repository: &str, version: &ChartVersion, registry: &Registry) -> ChartFetchError {
    let (repository, version) = (repository.to_owned(), version.to_string());
    match registry.list_versions().await {
        Ok(newest) => ChartFetchError::UnknownVersion { repository, version, newest },
        Err(error) => ChartFetchError::Unlisted { repository, version, error },
    }
}

async fn package_folder(helm: &Helm, path: &Path, into: &Path) -> Result<Option<Digest>, ChartFetchError> {
    if !path.join("Chart.yaml").is_file() {
        return Err(ChartFetchError::NoChartYaml { path: path.to_owned() });
    }
    let packed = helm.package(path, into).await;
    packed.map_err(|error| error.into_failure(format!("cannot package the chart {}", path.display())))?;
    Ok(None)
}

fn copy_archive(path: &Path, into: &Path) -> Result<Option<Digest>, ChartFetchError> {
    std::fs::copy(path, into.join("chart.tgz"))
        .map_err(|error| ChartFetchError::UnreadableFile { path: path.to_owned(), error })?;
    Ok(None)
}

fn read_chart(reference: &ChartRef, into: &Path, digest: Option<Digest>) -> Result<FetchedChart, ChartFetchError> {
    let not_a_chart = |error| ChartFetchError::NotAChart { reference: reference.to_string(), error };
    // helm chooses the file name (version or digest): it is the only file in this folder.
    let file = std::fs::read_dir(into)
        .ok()
        .and_then(|mut entries| entries.find_map(|entry| entry.ok().map(|entry| entry.path())))
        .ok_or_else(|| ChartFetchError::NoFile { reference: reference.to_string() })?;
    let bytes = std::fs::read(&file).map_err(|error| not_a_chart(ChartError::Archive(error)))?;
    let files = chart::unpack(&bytes).map_err(not_a_chart)?;
    let chart = Chart::from_files(&files).map_err(not_a_chart)?;
    let own_digest = match reference {
        ChartRef::Folder { .. } => chart.files_digest.clone(),
        ChartRef::Archive { .. } | ChartRef::Oci { .. } => Digest::from_bytes(&bytes, DigestKind::Archive),
    };
    Ok(FetchedChart {
        reference: reference.clone(),
        file,
        digest: digest.unwrap_or(own_digest),
        chart,
        files: Arc::new(files),
    })
}
