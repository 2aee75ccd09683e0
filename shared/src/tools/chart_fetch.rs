//! Fetches a chart once into a private folder; every later step uses those bytes.
//!
//! A chart comes from a registry (by digest), a folder or a `.tgz` file. helm pulls and packages; `registry.rs` resolves digests.
//! The result feeds `prepare/render`. A wrong reference is a `Problem` with the newest versions or the accepted forms as hints.

use std::path::Path;
use std::sync::Arc;

use super::helm::Helm;
use super::registry::{Registry, RegistryError};
use crate::model::chart::{self, Chart, ChartRef, Digest, DigestKind};
use crate::model::chart_version::ChartVersion;
use crate::model::fetched_chart::FetchedChart;
use crate::model::transport_fault::TransportFault;
use crate::problem::{Exit, Problem};
use crate::tools::private_files::create_private_dir_in;

/// The accepted chart references, as a hint.
const ACCEPTED_CHART_FORMS: &str = "give oci://host/path, a chart's folder, or a .tgz file that helm package made";

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
) -> Result<FetchedChart, Problem> {
    let into = create_private_dir_in(private, "chart-");
    let into = into.map_err(|error| Problem::failure("cannot create a private folder").with_source(error))?.keep();
    let digest = match reference {
        ChartRef::Oci { repository, digest } => {
            pull_from_registry(helm, repository, digest.as_deref(), version, &into, helm_config).await?
        }
        ChartRef::Folder { path } => package_folder(helm, path, &into).await?,
        ChartRef::Archive { path } => copy_archive(path, &into)?,
    };
    let fetched = read_chart(reference, &into, digest)?;
    match version.filter(|wanted| **wanted != fetched.chart.version) {
        Some(wanted) => {
            let found = &fetched.chart.version;
            Err(Problem::usage(format!("{reference} is version {found}, not {wanted}"))
                .with_hint(format!("ask for {found}, or name another chart")))
        }
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
) -> Result<Option<Digest>, Problem> {
    let registry = Registry::new(repository, &helm.registry, helm_config)
        .map_err(|error| build_registry_problem(repository, error))?;
    let digest = match (pinned, version) {
        (Some(pinned), _) => match registry.verify_digest(pinned).await {
            Err(RegistryError::NoSuchVersion { .. }) => return Err(build_unknown_digest_problem(repository, pinned)),
            // helm may have a login that we cannot read; its own error is then the right one.
            Ok(()) | Err(_) => Ok(pinned.to_owned()),
        },
        (None, Some(version)) => registry.resolve_digest(version).await,
        (None, None) => return Err(build_missing_version_problem(repository, &registry).await),
    };
    let of = |sha256| Some(Digest { sha256, kind: DigestKind::Manifest });
    match (digest, version) {
        (Ok(digest), _) => {
            let pulled = helm.pull_digest(repository, &digest, into).await;
            pulled.map_err(|error| error.into_problem(format!("cannot pull oci://{repository}@{digest}")))?;
            Ok(of(digest))
        }
        (Err(RegistryError::NoSuchVersion { .. }), Some(version)) => {
            Err(build_unknown_version_problem(repository, version, &registry).await)
        }
        // helm may log in with a credential helper that we do not use: then the archive's own digest must do.
        (Err(RegistryError::LoginRequired(..)), Some(version)) => {
            let pulled = helm.pull_version(repository, version, into).await;
            pulled.map_err(|error| error.into_problem(format!("cannot pull oci://{repository} {version}")))?;
            Ok(None)
        }
        (Err(error), _) => Err(build_registry_problem(repository, error)),
    }
}

async fn build_missing_version_problem(repository: &str, registry: &Registry) -> Problem {
    let problem = Problem::usage(format!("oci://{repository} needs a version"));
    match registry.list_versions().await.ok().and_then(|versions| versions.into_iter().next()) {
        Some(newest) => problem.with_hint(format!("the newest version is {newest}")),
        None => problem.with_hint("set it with --to (the application) or --crds (the CRD chart)"),
    }
}

fn build_unknown_digest_problem(repository: &str, digest: &str) -> Problem {
    Problem::usage(format!("oci://{repository} has no chart {digest}"))
        .with_hint("check the digest, or name a version instead: --to (the application) or --crds (the CRD chart)")
}

async fn build_unknown_version_problem(repository: &str, version: &ChartVersion, registry: &Registry) -> Problem {
    let problem = Problem::usage(format!("oci://{repository} has no version {version}"));
    match registry.list_versions().await {
        Ok(versions) if !versions.is_empty() => {
            let some: Vec<String> = versions.iter().take(5).map(ToString::to_string).collect();
            problem.with_hint(format!("the newest versions: {}", some.join(", ")))
        }
        Ok(_) => problem.with_hint("check the repository name: it has no versions"),
        Err(error) => {
            problem.with_source(error).with_hint("check the repository name: --chart and --crds-chart change it")
        }
    }
}

fn build_registry_problem(repository: &str, error: RegistryError) -> Problem {
    let host = repository.split('/').next().unwrap_or_default();
    let hint = match &error {
        RegistryError::Unreachable(_, failure) => failure.fault.map(|fault| fault.registry_hint(host)),
        RegistryError::LoginRequired(..) => Some(TransportFault::Login.registry_hint(host)),
        RegistryError::NoSuchVersion { .. } | RegistryError::InvalidReference(_) | RegistryError::CaFile(..) => None,
    };
    let hint =
        hint.unwrap_or_else(|| format!("helm pull oci://{repository} shows whether this machine reaches {host}"));
    Problem::new(Exit::ChecksFailed, format!("cannot resolve the digest of oci://{repository}"))
        .with_source(error)
        .with_hint(hint)
        .with_hint("without a registry: --chart and --crds-chart also take a .tgz file or a folder")
}

async fn package_folder(helm: &Helm, path: &Path, into: &Path) -> Result<Option<Digest>, Problem> {
    if !path.join("Chart.yaml").is_file() {
        return Err(build_not_a_chart_problem(path, "it has no Chart.yaml"));
    }
    let packed = helm.package(path, into).await;
    packed.map_err(|error| error.into_problem(format!("cannot package the chart {}", path.display())))?;
    Ok(None)
}

fn copy_archive(path: &Path, into: &Path) -> Result<Option<Digest>, Problem> {
    std::fs::copy(path, into.join("chart.tgz"))
        .map_err(|error| build_not_a_chart_problem(path, "the file cannot be read").with_source(error))?;
    Ok(None)
}

fn build_not_a_chart_problem(path: &Path, reason: &str) -> Problem {
    Problem::usage(format!("{} is not a chart: {reason}", path.display())).with_hint(ACCEPTED_CHART_FORMS)
}

fn read_chart(reference: &ChartRef, into: &Path, digest: Option<Digest>) -> Result<FetchedChart, Problem> {
    let wrong = || Problem::usage(format!("{reference} is not a chart")).with_hint(ACCEPTED_CHART_FORMS);
    // helm chooses the file name (version or digest): it is the only file in this folder.
    let file = std::fs::read_dir(into)
        .ok()
        .and_then(|mut entries| entries.find_map(|entry| entry.ok().map(|entry| entry.path())))
        .ok_or_else(|| {
            Problem::failure(format!("helm pulled {reference} but left no file"))
                .with_hint("run helm pull by hand to see its output")
        })?;
    let bytes = std::fs::read(&file).map_err(|error| wrong().with_source(error))?;
    let files = chart::unpack(&bytes).map_err(|error| wrong().with_source(error))?;
    let chart = Chart::from_files(&files).map_err(|error| wrong().with_source(error))?;
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
