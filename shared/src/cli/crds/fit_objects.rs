//! `helm mural crds fit CHART --objects DIR`: judges every manifest by the CRDs of a chart, without a cluster.

use std::path::{Path, PathBuf};

use crate::checks::object_fit::ObjectJudge;
use crate::cli::crds::crds_error::CrdsError;
use crate::cli::crds::flags::{FitFlags, FitFormat};
use crate::cli::crds::helm_env::HelmEnv;
use crate::cli::crds::{RenderTarget, chart_label, check_crds, read_chart_crds};
use crate::cli::{OutputFormat, Stream, style_for};
use crate::model::crd::Crd;
use crate::model::object::ObjectRef;
use crate::prepare::manifest_files::{self, ManifestFiles};
use crate::prepare::missing_crds::MissingCrdsError;
use crate::problem::{Cause, Exit, Problem};
use crate::report::crd_fit::{CrdFit, FitRow};
use crate::report::style::Listing;
use crate::schema::ServerVersion;

/// Reads the chart and the manifests, judges each object and prints the report.
pub(crate) async fn run(helm_env: &HelmEnv, flags: &FitFlags) -> Result<Exit, Problem> {
    let server = match &flags.server_version {
        Some(given) => given.parse().map_err(|error| CrdsError::ServerVersion(Cause::new(error)))?,
        None => ServerVersion::NEWEST,
    };
    let mut files = ManifestFiles::default();
    for path in &flags.objects {
        files.extend(manifest_files::read_manifests(path)?);
    }
    check_crds::write_file_notes(&files);
    let (name, crds) = read_crds(helm_env, flags).await?;
    let mut judge = ObjectJudge::new(crds, server);
    let rows = files.manifests.iter().map(|manifest| FitRow {
        file: show_path(&manifest.file),
        line: manifest.line,
        object: ObjectRef::from_manifest(&manifest.document).map(|object| object.to_string()).unwrap_or_default(),
        fit: judge.judge(&manifest.document),
    });
    let report = CrdFit::new(name, server.to_string(), rows.collect(), files.unreadable.len());
    let exit = report.exit(flags.strict);
    let text = match flags.output {
        FitFormat::Table => {
            let listing = if flags.all { Listing::All } else { Listing::Short };
            report.render_table(style_for(Stream::Stdout, flags.style).with_listing(listing), exit)
        }
        FitFormat::Json => OutputFormat::Json.render(&report, String::new)?,
        FitFormat::Yaml => OutputFormat::Yaml.render(&report, String::new)?,
        FitFormat::Github => report.render_github(),
    };
    Stream::Stdout.write(&text);
    Ok(exit)
}

/// The CRDs of a chart, or of a file or folder of CRDs, and their name.
async fn read_crds(helm_env: &HelmEnv, flags: &FitFlags) -> Result<(String, Vec<Crd>), Problem> {
    let path = PathBuf::from(&flags.chart.chart);
    if check_crds::is_chart(&flags.chart.chart, &path) {
        let (fetched, crds) = read_chart_crds(helm_env, &flags.chart, &RenderTarget::without_cluster()).await?;
        if crds.is_empty() {
            return Err(MissingCrdsError::of_named_chart(&fetched).into());
        }
        return Ok((chart_label(&fetched), crds.into_values().collect()));
    }
    let files = manifest_files::read_manifests(&path)?;
    let found = manifest_files::collect_crds(&path, files.manifests)?;
    Ok((flags.chart.chart.clone(), found.into_iter().map(|(crd, ..)| crd).collect()))
}

fn show_path(path: &Path) -> String {
    path.display().to_string()
}
