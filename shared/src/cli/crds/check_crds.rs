//! `helm mural crds check`: reads both sides and the objects, judges, tells.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::checks::crd_changes::object_evidence::{Evidence, EvidenceCollector, ObjectSource};
use crate::checks::crd_changes::waivers;
use crate::checks::crd_changes::{CrdVerdict, ServerAnswer, checks, judge_crd, page};
use crate::cli::{OutputFormat, Stream, style_for};
use crate::cluster::{ApiError, Cluster, admission_reader, crd_dry_run, object_judge};
use crate::model::admission_policies::ServiceRef;
use crate::model::chart::ChartRef;
use crate::model::cluster_view::Observed;
use crate::model::crd::Crd;
use crate::model::object::ObjectRef;
use crate::prepare::manifest_files;
use crate::prepare::manifest_files::Manifest;
use crate::problem::suggest::did_you_mean;
use crate::problem::{Exit, Problem};
use crate::report::columns::render_columns;
use crate::report::crd_check::CrdCheck;
use crate::schema::ServerVersion;
use jiff::Zoned;

use crate::cli::crds::flags::{ChartFlags, CheckFlags, CrdCheckFormat};
use crate::cli::crds::helm_env::HelmEnv;
use crate::cli::crds::{NEWEST_KUBERNETES_VERSION, chart_label, read_chart_crds, read_live_crds};

/// One side of the comparison.
struct CrdSet {
    name: String,
    crds: BTreeMap<String, Crd>,
    /// File and line of each CRD, where it is from files.
    files: BTreeMap<String, (PathBuf, usize)>,
    /// Set where this side is a cluster.
    cluster: Option<Cluster>,
}

pub(crate) async fn run(helm_env: &HelmEnv, flags: &CheckFlags) -> Result<Exit, Problem> {
    if let Some(id) = &flags.explain {
        return explain(id);
    }
    let accepted = manifest_files::read_waivers(flags.waivers.as_deref())?;
    let (old, new) = read_crd_sets(helm_env, flags).await?;
    let server = read_server_version(flags, &old).await?;
    let verdicts = judge_crds(flags, &old, &new, server).await?;
    let mut verdicts: Vec<CrdVerdict> = verdicts;
    let notes = waivers::apply(&accepted, &mut verdicts, Zoned::now().date());
    if flags.output == CrdCheckFormat::Sarif {
        locate_findings(&mut verdicts, &new);
    }
    let mut report = CrdCheck::new(old.name, new.name, server.to_string(), verdicts, &notes);
    report.files = new.files.into_iter().map(|(name, (file, _))| (name, file.display().to_string())).collect();
    Stream::Stdout.write(&render_report(&report, flags)?);
    Ok(report.exit(flags.strict))
}

/// Looks up on which line of its file each finding stands.
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

fn explain(id: &str) -> Result<Exit, Problem> {
    if id == "all" {
        let rows: Vec<Vec<String>> = page::table_rows().map(|row| row.map(str::to_owned).to_vec()).collect();
        Stream::Stdout.write(&render_columns(&["CHECK", "LEVEL", "AFFECTS", "SOURCE"], &rows));
        return Ok(Exit::Success);
    }
    let Some(check) = checks().find(|check| check.card.id == id) else {
        let problem = Problem::usage(format!("--explain {id:?}: there is no such check"));
        let problem =
            did_you_mean(id, checks().map(|check| check.card.id)).into_iter().fold(problem, Problem::with_hint);
        return Err(problem.with_hint("run `helm mural crds check --explain all` to list all checks"));
    };
    Stream::Stdout.write(&page::render_explanation(check));
    Ok(Exit::Success)
}

fn render_report(report: &CrdCheck, flags: &CheckFlags) -> Result<String, Problem> {
    let style = style_for(Stream::Stdout, flags.style);
    let unwritable = |error: std::io::Error| Problem::failure("cannot write the answer").with_source(error);
    match flags.output {
        CrdCheckFormat::Table => Ok(report.render_table(style, flags.all)),
        CrdCheckFormat::Wide => Ok(report.render_table(style, true)),
        CrdCheckFormat::Json => OutputFormat::Json.render(report, String::new),
        CrdCheckFormat::Yaml => OutputFormat::Yaml.render(report, String::new),
        CrdCheckFormat::Markdown => Ok(report.render_markdown()),
        CrdCheckFormat::Sarif => OutputFormat::Json.render(&report.render_sarif(), String::new),
        CrdCheckFormat::Junit => report.render_junit().map_err(unwritable),
    }
}

/// Without a second side the first is what comes, and the cluster is what is there.
async fn read_crd_sets(helm_env: &HelmEnv, flags: &CheckFlags) -> Result<(CrdSet, CrdSet), Problem> {
    let first = flags.first.as_deref().unwrap_or_default();
    let (old, new) = flags.second.as_deref().map_or(("cluster", first), |second| (first, second));
    let version = |is_old: bool| if is_old { flags.old_version.clone() } else { flags.version.clone() };
    let (old, new) = tokio::join!(
        read_crd_set(helm_env, flags, old, version(true)),
        read_crd_set(helm_env, flags, new, version(false))
    );
    // A wrong name is the person's to mend; a cluster that does not answer may be another matter.
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
    version: Option<semver::Version>,
) -> Result<CrdSet, Problem> {
    if name == "cluster" {
        let cluster = Cluster::connect(&helm_env.cluster).await?;
        let crds = read_live_crds(&cluster).await?;
        return Ok(CrdSet { name: cluster.context.clone(), crds, files: BTreeMap::new(), cluster: Some(cluster) });
    }
    let path = PathBuf::from(name);
    if is_chart(name, &path) {
        let chart = ChartFlags {
            chart: name.to_owned(),
            version,
            plain_http: flags.plain_http,
            ca_file: flags.ca_file.clone(),
        };
        let (fetched, crds) = read_chart_crds(helm_env, &chart, NEWEST_KUBERNETES_VERSION).await?;
        return Ok(CrdSet { name: chart_label(&fetched), crds, files: BTreeMap::new(), cluster: None });
    }
    // On a thread of its own: the other side is read meanwhile.
    let read = tokio::task::spawn_blocking(move || {
        manifest_files::collect_crds(&path, manifest_files::read_manifests(&path)?)
    })
    .await;
    let found =
        read.map_err(|error| Problem::failure(format!("{name} was not read to its end")).with_source(error))??;
    let files = found.iter().map(|(crd, file, line)| (crd.name().to_owned(), (file.clone(), *line))).collect();
    let crds = found.into_iter().map(|(crd, ..)| (crd.name().to_owned(), crd)).collect();
    Ok(CrdSet { name: name.to_owned(), crds, files, cluster: None })
}

fn is_chart(name: &str, path: &Path) -> bool {
    let packed =
        matches!(ChartRef::parse(name), Ok(ChartRef::Oci { .. } | ChartRef::Archive { .. }) | Err(_)) && !path.is_dir();
    packed && !path.is_file()
        || name.ends_with(".tgz")
        || name.ends_with(".tar.gz")
        || path.join("Chart.yaml").is_file()
}

/// `NAME=v1,v1beta1`
fn set_stored_versions(crd_set: &mut CrdSet, given: &str) -> Result<(), Problem> {
    let wrong = || Problem::usage(format!("--stored-versions {given:?}: it is NAME=v1,v1beta1"));
    let (name, versions) = given.split_once('=').ok_or_else(wrong)?;
    let crd = crd_set.crds.get(name).ok_or_else(|| wrong().with_source(format!("the old side has no CRD {name}")))?;
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
        return given.parse().map_err(|error| Problem::usage(format!("--server-version: {error}")));
    }
    let Some(cluster) = &old.cluster else { return Ok(ServerVersion::NEWEST) };
    let version = cluster.get("/version").await.map_err(|error| error.into_problem(&cluster.context))?;
    Ok(version["gitVersion"].as_str().and_then(|version| version.parse().ok()).unwrap_or(ServerVersion::NEWEST))
}

/// Every CRD of either side; what only a cluster has is not part of a chart, and no news.
async fn judge_crds(
    flags: &CheckFlags,
    old: &CrdSet,
    new: &CrdSet,
    server: ServerVersion,
) -> Result<Vec<CrdVerdict>, Problem> {
    let objects: Vec<Manifest> = flags
        .objects
        .iter()
        .map(|path| manifest_files::read_manifests(path))
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .flatten()
        .collect();
    let (forecasts, backends) = tokio::join!(forecast_crds(old, new), read_backends(old, new));
    let mut all = Vec::new();
    for (name, wanted) in &new.crds {
        let now = old.crds.get(name);
        let (next, server_answer) = match forecasts.get(name) {
            Some(Ok(merged)) => (merged, ServerAnswer::Accepted),
            Some(Err(words)) => (wanted, ServerAnswer::Rejected(words)),
            None => (wanted, ServerAnswer::NotAsked),
        };
        let mut evidence = match now {
            Some(now) => {
                collect_evidence(old.cluster.as_ref(), &objects, !flags.objects.is_empty(), now, next, server).await
            }
            None => Evidence::default(),
        };
        evidence.webhook_failure = explain_silent_webhook(next, &backends);
        all.push(judge_crd(now, Some(next), evidence, server, server_answer));
    }
    if old.cluster.is_none() {
        let removed = old.crds.iter().filter(|(name, _)| !new.crds.contains_key(*name));
        all.extend(
            removed.map(|(_, crd)| judge_crd(Some(crd), None, Evidence::default(), server, ServerAnswer::NotAsked)),
        );
    }
    Ok(all)
}

/// What the server would make of each CRD: it merges, and what others set stays. None where it was not asked, or did not say.
async fn forecast_crds(old: &CrdSet, new: &CrdSet) -> BTreeMap<String, Result<Crd, String>> {
    let Some(cluster) = old.cluster.as_ref().filter(|_| new.cluster.is_none()) else { return BTreeMap::new() };
    let wanted: Vec<Crd> = new.crds.values().cloned().collect();
    let (mut answers, mut dry_run_error) = (BTreeMap::new(), None);
    for one in crd_dry_run::dry_run_crds(cluster, &wanted).await {
        match one.answer {
            Ok(merged) => drop(answers.insert(one.name, Ok(merged))),
            Err(ApiError::Rejected { code: 400 | 404 | 409 | 422, message, .. }) => {
                drop(answers.insert(one.name, Err(message)));
            }
            Err(error) => drop(dry_run_error.get_or_insert(error.to_string())),
        }
    }
    if let Some(reason) = dry_run_error {
        Stream::Stderr
            .write(&format!("the server was not asked for its own merge, the chart stands for itself: {reason}\n"));
    }
    answers
}

/// The ready endpoints of the Services that the new CRDs are converted by, where the old side is a cluster.
async fn read_backends(old: &CrdSet, new: &CrdSet) -> BTreeMap<ServiceRef, Observed<usize>> {
    let Some(cluster) = &old.cluster else { return BTreeMap::new() };
    let services: BTreeSet<ServiceRef> = new.crds.values().filter_map(ServiceRef::from_conversion).collect();
    admission_reader::read_backends(cluster, &services).await
}

/// Why nobody would answer for a CRD's conversion.
fn explain_silent_webhook(crd: &Crd, backends: &BTreeMap<ServiceRef, Observed<usize>>) -> Option<String> {
    let service = ServiceRef::from_conversion(crd)?;
    match backends.get(&service)? {
        Ok(0) => Some(format!("its objects are converted by {service}, which has no ready endpoint")),
        Ok(_) => None,
        Err(read_failure) => Some(format!("whether {service} answers for its conversion is not known: {read_failure}")),
    }
}

/// Objects of this kind from files, and the live ones where the old side is a cluster and the change could hurt them.
async fn collect_evidence(
    cluster: Option<&Cluster>,
    files: &[Manifest],
    has_files: bool,
    old: &Crd,
    new: &Crd,
    server: ServerVersion,
) -> Evidence {
    let source = match (cluster, has_files) {
        (Some(_), _) => ObjectSource::Live,
        (None, true) => ObjectSource::Files,
        (None, false) => return Evidence::default(),
    };
    let mut judge = EvidenceCollector::new(old, new, server, source);
    let of_kind = |one: &&Manifest| {
        ObjectRef::from_manifest(&one.document)
            .is_some_and(|object| object.group() == new.group() && object.kind == new.kind())
    };
    let source = |one: &Manifest| format!("{}:{}", one.file.display(), one.line);
    files.iter().filter(of_kind).for_each(|one| judge.add_object(&one.document, &source(one)));
    if let Some(cluster) = cluster {
        judge = object_judge::judge_objects(cluster, old, new, judge).await;
    }
    judge.finish()
}
