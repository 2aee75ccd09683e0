//! A chart reference becomes bytes in a private folder, once; every later step uses those bytes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use semver::Version;

use super::helm::Helm;
use super::registry::{Registry, RegistryError};
use crate::model::chart::{self, Chart, ChartRef, Digest, DigestOf, Files};
use crate::problem::{Exit, Problem};

/// What a chart can be given as.
const FORMS: &str = "give oci://host/path, a chart's folder, or a .tgz file that helm package made";

/// A chart whose bytes lie in our private folder.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// How it was named.
    pub reference: ChartRef,
    /// The packed file.
    pub file: PathBuf,
    /// Which bytes they are.
    pub digest: Digest,
    /// What its files say.
    pub chart: Chart,
    /// The files: helm keeps them in the release's record.
    pub files: Arc<Files>,
}

/// Fetches a chart into `private`, which nobody else may read.
///
/// # Errors
/// A problem that names the chart and the next step: no version named (with the newest found), no such version, a registry
/// that does not answer, a path that is no chart.
pub async fn fetch(
    helm: &Helm,
    reference: &ChartRef,
    version: Option<&Version>,
    private: &Path,
    helm_config: Option<&Path>,
) -> Result<Fetched, Problem> {
    let into = tempfile::Builder::new().prefix("chart-").tempdir_in(private);
    let into = into.map_err(|error| Problem::failed("cannot make a private folder").because(error))?.keep();
    let digest = match reference {
        ChartRef::Oci { repository, digest } => {
            from_registry(helm, repository, digest.as_deref(), version, &into, helm_config).await?
        }
        ChartRef::Folder { path } => from_folder(helm, path, &into).await?,
        ChartRef::Archive { path } => from_file(path, &into)?,
    };
    let fetched = read(reference, &into, digest)?;
    match version.filter(|wanted| **wanted != fetched.chart.version) {
        Some(wanted) => {
            let found = &fetched.chart.version;
            Err(Problem::new(Exit::Refused, format!("{reference} is version {found}, not {wanted}"))
                .hint(format!("ask for {found}, or name another chart")))
        }
        None => Ok(fetched),
    }
}

async fn from_registry(
    helm: &Helm,
    repository: &str,
    pinned: Option<&str>,
    version: Option<&Version>,
    into: &Path,
    helm_config: Option<&Path>,
) -> Result<Option<Digest>, Problem> {
    let registry =
        Registry::new(repository, &helm.registry, helm_config).map_err(|error| unanswered(repository, error))?;
    let digest = match (pinned, version) {
        (Some(pinned), _) => match registry.holds(pinned).await {
            Err(RegistryError::NoSuchVersion { .. }) => return Err(no_such_digest(repository, pinned)),
            // helm may have a login that we do not read, and says itself what it cannot have.
            Ok(()) | Err(_) => Ok(pinned.to_owned()),
        },
        (None, Some(version)) => registry.digest(version).await,
        (None, None) => return Err(without_version(repository, &registry).await),
    };
    let of = |sha256| Some(Digest { sha256, of: DigestOf::Manifest });
    match (digest, version) {
        (Ok(digest), _) => {
            let pulled = helm.pull_digest(repository, &digest, into).await;
            pulled.map_err(|error| error.problem(format!("cannot pull oci://{repository}@{digest}")))?;
            Ok(of(digest))
        }
        (Err(RegistryError::NoSuchVersion { .. }), Some(version)) => Err(no_such(repository, version, &registry).await),
        // helm may have a login from a credential helper that we do not read: then the file's own digest has to do.
        (Err(RegistryError::Login(..)), Some(version)) => {
            let pulled = helm.pull_version(repository, version, into).await;
            pulled.map_err(|error| error.problem(format!("cannot pull oci://{repository} {version}")))?;
            Ok(None)
        }
        (Err(error), _) => Err(unanswered(repository, error)),
    }
}

async fn without_version(repository: &str, registry: &Registry) -> Problem {
    let problem = Problem::usage(format!("oci://{repository} needs a version"));
    match registry.versions().await.ok().and_then(|versions| versions.into_iter().next()) {
        Some(newest) => problem.hint(format!("the newest there is {newest}")),
        None => problem.hint("name it with --to (the application) or --crds (the CRD chart)"),
    }
}

fn no_such_digest(repository: &str, digest: &str) -> Problem {
    Problem::new(Exit::Refused, format!("oci://{repository} has no chart {digest}")).hint(
        "is the digest copied whole? without it, name a version: --to (the application) or --crds (the CRD chart)",
    )
}

async fn no_such(repository: &str, version: &Version, registry: &Registry) -> Problem {
    let problem = Problem::new(Exit::Refused, format!("oci://{repository} has no version {version}"));
    match registry.versions().await {
        Ok(versions) if !versions.is_empty() => {
            let some: Vec<String> = versions.iter().take(5).map(ToString::to_string).collect();
            problem.hint(format!("the newest there: {}", some.join(", ")))
        }
        Ok(_) => problem.hint("the repository has no versions: is its name right?"),
        Err(error) => problem.because(error).hint("is the repository's name right? --chart and --crds-chart change it"),
    }
}

fn unanswered(repository: &str, error: RegistryError) -> Problem {
    let host = repository.split('/').next().unwrap_or_default();
    Problem::new(Exit::ChecksFailed, format!("cannot find out which bytes oci://{repository} is"))
        .because(error)
        .hint(format!("is {host} reachable from here? helm registry login {host}; --plain-http, --ca-file"))
        .hint("without a registry: --chart and --crds-chart also take a .tgz file or a folder")
}

async fn from_folder(helm: &Helm, path: &Path, into: &Path) -> Result<Option<Digest>, Problem> {
    if !path.join("Chart.yaml").is_file() {
        return Err(no_chart(path, "it holds no Chart.yaml"));
    }
    let packed = helm.package(path, into).await;
    packed.map_err(|error| error.problem(format!("cannot pack the chart {}", path.display())))?;
    Ok(None)
}

fn from_file(path: &Path, into: &Path) -> Result<Option<Digest>, Problem> {
    std::fs::copy(path, into.join("chart.tgz"))
        .map_err(|error| no_chart(path, "the file cannot be read").because(error))?;
    Ok(None)
}

fn no_chart(path: &Path, reason: &str) -> Problem {
    Problem::usage(format!("{} is not a chart: {reason}", path.display())).hint(FORMS)
}

fn read(reference: &ChartRef, into: &Path, digest: Option<Digest>) -> Result<Fetched, Problem> {
    let wrong = || Problem::usage(format!("{reference} is not a chart")).hint(FORMS);
    // helm names the file itself (by version, or by digest): it is the only one in a folder of our own.
    let file = std::fs::read_dir(into)
        .ok()
        .and_then(|mut entries| entries.find_map(|entry| entry.ok().map(|entry| entry.path())))
        .ok_or_else(|| {
            Problem::failed(format!("helm says that it pulled {reference}, and left no file"))
                .hint("call `helm pull` by hand, and see what it does there")
        })?;
    let bytes = std::fs::read(&file).map_err(|error| wrong().because(error))?;
    let files = chart::unpack(&bytes).map_err(|error| wrong().because(error))?;
    let chart = Chart::from_files(&files).map_err(|error| wrong().because(error))?;
    let own = match reference {
        ChartRef::Folder { .. } => chart.files_digest.clone(),
        ChartRef::Archive { .. } | ChartRef::Oci { .. } => Digest::of_bytes(&bytes, DigestOf::Archive),
    };
    Ok(Fetched { reference: reference.clone(), file, digest: digest.unwrap_or(own), chart, files: Arc::new(files) })
}
