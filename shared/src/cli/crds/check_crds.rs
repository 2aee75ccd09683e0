//! `helm mural crds check`: read the old and new CRDs and the custom resources, check the changes, and report them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::checks::crd_changes::waivers;
use crate::checks::crd_changes::{CrdVerdict, ServerAnswer, page};
use crate::cli::command_error::CommandError;
use crate::cli::explain::explain;
use crate::cli::report_format::ReportFormat;
use crate::cli::{Stream, style_for};
use crate::cluster::{Cluster, admission_reader, crd_dry_run};
use crate::model::admission_policies::ServiceRef;
use crate::model::chart::ChartRef;
use crate::model::chart_version::ChartVersion;
use crate::model::cluster_view::Observed;
use crate::model::crd::Crd;
use crate::model::dry_run::CrdDryRunResult;
use crate::prepare::crd_verdicts::{CrdChange, CrdJudge};
use crate::prepare::manifest_file_error::ManifestFileError;
use crate::prepare::manifest_files;
use crate::prepare::manifest_files::ManifestFiles;
use crate::prepare::missing_crds::MissingCrdsError;
use crate::prepare::waivers_file;
use crate::problem::{Cause, Exit, Explain, Problem, list_causes};
use crate::report::columns::render_columns;
use crate::report::crd_check::CrdCheck;
use crate::schema::ServerVersion;
use crate::schema::crd_rules::predict_apply_rejection;
use jiff::Zoned;

use crate::cli::crds::crds_error::CrdsError;
use crate::cli::crds::flags::{ChartFlags, CheckFlags};
use crate::cli::crds::helm_env::HelmEnv;
use crate::cli::crds::{RenderTarget, chart_label, read_chart_crds, read_live_crds, read_stored_values};

/// The old or the new CRDs of a check.
struct CrdSet {
    name: String,
    crds: BTreeMap<String, Crd>,
    /// File and line of each CRD; empty for a chart or a cluster.
    files: BTreeMap<String, (PathBuf, usize)>,
    /// Whether a file of the folder could not be read.
    has_unreadable_files: bool,
    /// The cluster that the CRDs come from, if they do.
    cluster: Option<Cluster>,
    /// Set if this side is a chart that renders no CRD.
    no_crds: Option<MissingCrdsError>,
}

pub(crate) async fn run(helm_env: &HelmEnv, flags: &CheckFlags) -> Result<Exit, Problem> {
    if let Some(id) = &flags.explain {
        return explain_check(id);
    }
    let accepted = waivers_file::read_waivers(flags.waivers.as_deref())?;
    let (mut old, mut new) = read_crd_sets(helm_env, flags).await?;
    require_comparable(&mut old, &mut new)?;
    let server = read_server_version(flags, &old).await?;
    let objects = read_objects(&flags.objects)?;
    let mut verdicts = judge_crds(objects.as_ref(), &old, &new, server).await;
    let notes = waivers::apply(&accepted, &mut verdicts, Zoned::now().date());
    if flags.output == ReportFormat::Sarif {
        locate_findings(&mut verdicts, &new);
    }
    let mut report = CrdCheck::new(old.name.clone(), new.name.clone(), server.to_string(), verdicts, &notes);
    report.files = new.files.iter().map(|(name, (file, _))| (name.clone(), file.display().to_string())).collect();
    let objects_unreadable = objects.is_some_and(|objects| !objects.unreadable.is_empty());
    let could_read_all = !(old.has_unreadable_files || new.has_unreadable_files || objects_unreadable);
    let exit = match report.exit(flags.strict) {
        Exit::Success if !could_read_all => Exit::ChecksFailed,
        exit => exit,
    };
    Stream::Stdout.write(&render_report(&report, flags, exit)?);
    Ok(exit)
}

/// A new side without CRDs compares nothing, unless they left a chart that had some.
fn require_comparable(old: &mut CrdSet, new: &mut CrdSet) -> Result<(), MissingCrdsError> {
    if let Some(error) = old.no_crds.take().filter(MissingCrdsError::is_suppressed) {
        Stream::Stderr.write(&format!("warning: {error}; {}\n", error.hints().join("; ")));
    }
    let nothing_leaves = old.cluster.is_some() || old.crds.is_empty();
    new.no_crds.take().filter(|error| error.is_suppressed() || nothing_leaves).map_or(Ok(()), Err)
}

/// The objects of `--objects`; `None` without the flag.
fn read_objects(paths: &[PathBuf]) -> Result<Option<ManifestFiles>, Problem> {
    if paths.is_empty() {
        return Ok(None);
    }
    let mut files = ManifestFiles::default();
    for path in paths {
        files.extend(manifest_files::read_manifests(path)?);
    }
    write_file_notes(&files);
    Ok(Some(files))
}

/// Writes unreadable files and warnings to standard error.
pub(super) fn write_file_notes(files: &ManifestFiles) {
    for error in &files.unreadable {
        let causes: String = list_causes(error).iter().map(|cause| format!(": {cause}")).collect();
        Stream::Stderr.write(&format!("error: {error}{causes}; the other files are checked\n"));
    }
    for warning in &files.warnings {
        Stream::Stderr.write(&format!("warning: {warning}\n"));
    }
}

/// Sets the line of each finding in its file, for SARIF.
fn locate_findings(verdicts: &mut [CrdVerdict], new: &CrdSet) {
    let mut texts: BTreeMap<&Path, String> = BTreeMap::new();
    for verdict in verdicts {
        let (Some((file, line)), Some(crd)) = (new.files.get(&verdict.name), new.crds.get(&verdict.name)) else {
            continue;
        };
        let text = texts.entry(file).or_insert_with(|| std::fs::read_to_string(file).unwrap_or_default());
        for finding in &mut verdict.findings {
            finding.line = Some(manifest_files::find_line(text, *line, crd, finding));
        }
    }
}

fn explain_check(id: &str) -> Result<Exit, Problem> {
    if id == "all" {
        let rows: Vec<Vec<String>> = page::table_rows().map(|row| row.map(str::to_owned).to_vec()).collect();
        Stream::Stdout.write(&render_columns(&["CHECK", "LEVEL", "AFFECTS", "SOURCE"], &rows));
        return Ok(Exit::Success);
    }
    explain(id).map_err(|problem| problem.with_hint("run `helm mural crds check --explain all` to list all checks"))
}

fn render_report(report: &CrdCheck, flags: &CheckFlags, exit: Exit) -> Result<String, Problem> {
    let style = style_for(Stream::Stdout, flags.style);
    match flags.output {
        ReportFormat::Table => Ok(report.render_table(style, flags.all, exit)),
        ReportFormat::Wide => Ok(report.render_table(style, true, exit)),
        format @ (ReportFormat::Json | ReportFormat::Yaml) => Ok(format.render_data(report)?),
        ReportFormat::Markdown => Ok(report.render_markdown()),
        ReportFormat::Sarif => Ok(ReportFormat::Json.render_data(&report.render_sarif())?),
        ReportFormat::Junit => Ok(report.render_junit().map_err(CommandError::report)?),
        ReportFormat::Html | ReportFormat::Prometheus | ReportFormat::Github => Err(CrdsError::NoSuchForm.into()),
    }
}

/// Reads the old and new CRDs. Without NEW, OLD is the new side and the cluster is the old side.
async fn read_crd_sets(helm_env: &HelmEnv, flags: &CheckFlags) -> Result<(CrdSet, CrdSet), Problem> {
    let left = flags.left.as_deref().unwrap_or_default();
    let (old, new) = flags.right.as_deref().map_or(("cluster", left), |right| (left, right));
    let version = |is_old: bool| if is_old { flags.old_version.clone() } else { flags.version.clone() };
    let (old, new) = tokio::join!(
        read_crd_set(helm_env, flags, old, version(true)),
        read_crd_set(helm_env, flags, new, version(false))
    );
    // Report a wrong path before an unreachable cluster: the operator can fix the path.
    let new = new?;
    let mut old = old?;
    for given in &flags.stored_versions {
        set_stored_versions(&mut old, given)?;
    }
    Ok((old, new))
}

async fn read_crd_set(
    helm_env: &HelmEnv,
    flags: &CheckFlags,
    name: &str,
    version: Option<ChartVersion>,
) -> Result<CrdSet, Problem> {
    if name == "cluster" {
        let cluster = Cluster::connect(&helm_env.cluster).await?;
        let crds = read_live_crds(&cluster).await?;
        let name = cluster.context.clone();
        let files = BTreeMap::new();
        return Ok(CrdSet { name, crds, files, has_unreadable_files: false, cluster: Some(cluster), no_crds: None });
    }
    let path = PathBuf::from(name);
    if is_chart(name, &path) {
        let chart = ChartFlags {
            chart: name.to_owned(),
            version,
            values: flags.values.clone(),
            plain_http: flags.plain_http,
            ca_file: flags.ca_file.clone(),
        };
        let target = read_render_target(helm_env, flags).await;
        let (fetched, crds) = read_chart_crds(helm_env, &chart, &target).await?;
        let (name, no_crds) =
            (chart_label(&fetched), crds.is_empty().then(|| MissingCrdsError::of_named_chart(&fetched)));
        return Ok(CrdSet { name, crds, files: BTreeMap::new(), has_unreadable_files: false, cluster: None, no_crds });
    }
    // Reads on a separate thread, so that the other side is read at the same time.
    let read = tokio::task::spawn_blocking(move || {
        let mut files = manifest_files::read_manifests(&path)?;
        let found = manifest_files::collect_crds(&path, std::mem::take(&mut files.manifests))?;
        Ok::<_, ManifestFileError>((found, files))
    })
    .await;
    let (found, notes) = read.map_err(|error| CrdsError::Reader { name: name.to_owned(), error })??;
    let files = found.iter().map(|(crd, file, line)| (crd.name().to_owned(), (file.clone(), *line))).collect();
    let crds = found.into_iter().map(|(crd, ..)| (crd.name().to_owned(), crd)).collect();
    write_file_notes(&notes);
    let has_unreadable_files = !notes.unreadable.is_empty();
    Ok(CrdSet { name: name.to_owned(), crds, files, has_unreadable_files, cluster: None, no_crds: None })
}

/// Against a cluster, a chart is rendered with the values that its release stores there.
async fn read_render_target(helm_env: &HelmEnv, flags: &CheckFlags) -> RenderTarget {
    let is_against_cluster = flags.right.is_none() || flags.left.as_deref() == Some("cluster");
    let target = RenderTarget::without_cluster();
    // A cluster that cannot be reached is reported by the side that it is.
    if !is_against_cluster {
        return target;
    }
    match Cluster::connect(&helm_env.cluster).await.ok() {
        Some(cluster) => {
            let stored_values = read_stored_values(&cluster, &helm_env.namespace, &flags.crds_release).await;
            RenderTarget { stored_values, ..target }
        }
        None => target,
    }
}

pub(super) fn is_chart(name: &str, path: &Path) -> bool {
    let packed =
        matches!(ChartRef::parse(name), Ok(ChartRef::Oci { .. } | ChartRef::Archive { .. }) | Err(_)) && !path.is_dir();
    packed && !path.is_file()
        || name.ends_with(".tgz")
        || name.ends_with(".tar.gz")
        || path.join("Chart.yaml").is_file()
}

/// Sets `status.storedVersions` of a CRD from `NAME=v1,v1beta1`.
fn set_stored_versions(crd_set: &mut CrdSet, given: &str) -> Result<(), CrdsError> {
    let invalid = |cause| CrdsError::StoredVersions { text: given.to_owned(), cause };
    let (name, versions) = given.split_once('=').ok_or_else(|| invalid(None))?;
    let missing = || invalid(Some(Cause::new(format_args!("OLD contains no CRD {name}"))));
    let crd = crd_set.crds.get(name).ok_or_else(missing)?;
    let mut json = crd.json().clone();
    json["status"]["storedVersions"] = versions.split(',').map(str::trim).collect();
    json["status"]["conditions"] = serde_json::json!([{"type": "Established", "status": "True"}]);
    if let Ok(crd) = Crd::new(json) {
        crd_set.crds.insert(name.to_owned(), crd);
    }
    Ok(())
}

async fn read_server_version(flags: &CheckFlags, old: &CrdSet) -> Result<ServerVersion, Problem> {
    if let Some(given) = &flags.server_version {
        return Ok(given.parse().map_err(|error| CrdsError::ServerVersion(Cause::new(error)))?);
    }
    let Some(cluster) = &old.cluster else { return Ok(ServerVersion::NEWEST) };
    let version = cluster.get("/version").await.map_err(|error| error.in_context(&cluster.context))?;
    Ok(version["gitVersion"].as_str().and_then(|version| version.parse().ok()).unwrap_or(ServerVersion::NEWEST))
}

/// Checks every CRD of both sides. A CRD that only the cluster has belongs to another chart and is skipped.
async fn judge_crds(
    objects: Option<&ManifestFiles>,
    old: &CrdSet,
    new: &CrdSet,
    server: ServerVersion,
) -> Vec<CrdVerdict> {
    let (forecasts, backends) = tokio::join!(forecast_crds(old, new), read_backends(old, new));
    let judge = CrdJudge { server, cluster: old.cluster.as_ref(), files: objects, conversion_backends: &backends };
    let changed = new.crds.iter().map(|(name, wanted)| {
        let (next, server_answer) = match forecasts.get(name) {
            Some(CrdDryRunResult::Accepted(merged)) => (merged, ServerAnswer::Accepted),
            Some(CrdDryRunResult::Rejected(rejection)) => (wanted, ServerAnswer::Rejected(&rejection.message)),
            Some(CrdDryRunResult::NoAnswer(_) | CrdDryRunResult::NotAsked(_)) | None => {
                (wanted, predict_answer(new, wanted))
            }
        };
        CrdChange { old: old.crds.get(name), new: Some(next), server_answer }
    });
    let removed = old.crds.iter().filter(|(name, _)| old.cluster.is_none() && !new.crds.contains_key(*name));
    let removed =
        removed.map(|(_, crd)| CrdChange { old: Some(crd), new: None, server_answer: ServerAnswer::NotAsked });
    judge.judge_all(changed.chain(removed).collect()).await
}

/// A rejection that is certain without the API server, for example of a manifest exported from a cluster.
fn predict_answer(new: &CrdSet, wanted: &Crd) -> ServerAnswer<'static> {
    let rejection = predict_apply_rejection(wanted.json()).filter(|_| new.cluster.is_none());
    rejection.map_or(ServerAnswer::NotAsked, ServerAnswer::Rejected)
}

/// The results of a server-side dry-run apply by CRD name. A CRD that the server did not judge is missing.
async fn forecast_crds(old: &CrdSet, new: &CrdSet) -> BTreeMap<String, CrdDryRunResult> {
    let Some(cluster) = old.cluster.as_ref().filter(|_| new.cluster.is_none()) else { return BTreeMap::new() };
    let wanted: Vec<Crd> = new.crds.values().cloned().collect();
    let (mut answers, mut dry_run_error) = (BTreeMap::new(), None);
    for one in crd_dry_run::dry_run_crds(cluster, &wanted).await {
        match one.answer {
            CrdDryRunResult::Rejected(rejection) if !rejection.is_about_the_object() => {
                dry_run_error.get_or_insert(rejection.message);
            }
            CrdDryRunResult::NoAnswer(reason) => drop(dry_run_error.get_or_insert(reason)),
            answer => drop(answers.insert(one.name, answer)),
        }
    }
    if let Some(reason) = dry_run_error {
        Stream::Stderr.write(&format!(
            "warning: no server-side dry run, so the CRDs of the chart are checked without the merge: {reason}\n"
        ));
    }
    answers
}

/// The number of ready endpoints of each conversion webhook Service of the new CRDs, if the old side is a cluster.
async fn read_backends(old: &CrdSet, new: &CrdSet) -> BTreeMap<ServiceRef, Observed<usize>> {
    let Some(cluster) = &old.cluster else { return BTreeMap::new() };
    let services: BTreeSet<ServiceRef> = new.crds.values().filter_map(ServiceRef::from_conversion).collect();
    admission_reader::read_backends(cluster, &services).await
}
