//! `helm mural crds check`: reads both sides and the objects, judges, tells.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Zoned;
use mural::checks::crd_changes::evidence::{Evidence, Judge, Source};
use mural::checks::crd_changes::waivers;
use mural::checks::crd_changes::{Asked, CrdVerdict, checks, judge, page};
use mural::cli::{Output, Stream, style_for};
use mural::cluster::{ApiError, Cluster, around, forecast, objects};
use mural::model::around::Service;
use mural::model::chart::ChartRef;
use mural::model::crd::Crd;
use mural::model::object::ObjectRef;
use mural::model::view::Looked;
use mural::prepare::manifests;
use mural::prepare::manifests::Manifest;
use mural::problem::suggest::did_you_mean;
use mural::problem::{Exit, Problem};
use mural::report::columns::columns;
use mural::report::crd_check::CrdCheck;
use mural::schema::ServerVersion;

use crate::edge::Around;
use crate::flags::{ChartFlags, CheckFlags, CheckOutput};
use crate::{NEWEST_KNOWN, live, named, of_chart};

/// One side of the comparison.
struct Side {
    name: String,
    crds: BTreeMap<String, Crd>,
    /// File and line of each CRD, where it is from files.
    files: BTreeMap<String, (PathBuf, usize)>,
    /// Set where this side is a cluster.
    cluster: Option<Cluster>,
}

pub(crate) async fn run(around: &Around, flags: &CheckFlags) -> Result<Exit, Problem> {
    if let Some(id) = &flags.explain {
        return explain(id);
    }
    let accepted = manifests::waivers(flags.waivers.as_deref())?;
    let (old, new) = sides(around, flags).await?;
    let server = server(flags, &old).await?;
    let verdicts = verdicts(flags, &old, &new, server).await?;
    let mut verdicts: Vec<CrdVerdict> = verdicts;
    let notes = waivers::apply(&accepted, &mut verdicts, Zoned::now().date());
    if flags.output == CheckOutput::Sarif {
        placed(&mut verdicts, &new);
    }
    let mut report = CrdCheck::new(old.name, new.name, server.to_string(), verdicts, &notes);
    report.files = new.files.into_iter().map(|(name, (file, _))| (name, file.display().to_string())).collect();
    Stream::Answer.write(&form(&report, flags)?);
    Ok(report.exit(flags.strict))
}

/// Looks up on which line of its file each finding stands.
fn placed(verdicts: &mut [CrdVerdict], new: &Side) {
    let mut texts: BTreeMap<&Path, String> = BTreeMap::new();
    for verdict in verdicts {
        let (Some((file, line)), Some(crd)) = (new.files.get(&verdict.name), new.crds.get(&verdict.name)) else {
            continue;
        };
        let text = texts.entry(file).or_insert_with(|| std::fs::read_to_string(file).unwrap_or_default());
        for finding in &mut verdict.findings {
            finding.line = Some(manifests::line_of(text, *line, crd, finding));
        }
    }
}

fn explain(id: &str) -> Result<Exit, Problem> {
    if id == "all" {
        let rows: Vec<Vec<String>> = page::rows().map(|row| row.map(str::to_owned).to_vec()).collect();
        Stream::Answer.write(&columns(&["CHECK", "LEVEL", "HURTS", "SOURCE"], &rows));
        return Ok(Exit::Fine);
    }
    let Some(check) = checks().find(|check| check.card.id == id) else {
        let problem = Problem::usage(format!("--explain {id:?}: there is no such check"));
        let problem = did_you_mean(id, checks().map(|check| check.card.id)).into_iter().fold(problem, Problem::hint);
        return Err(problem.hint("--explain all lists them"));
    };
    let card = &check.card;
    let text = format!(
        "{}  {}\n  level   {}, hurts {}\n  why     {}\n  do      {}\n  source  {}\n",
        card.id,
        card.title,
        card.level.plural(),
        page::hurts(check),
        card.why,
        card.fix,
        check.source
    );
    Stream::Answer.write(&text);
    Ok(Exit::Fine)
}

fn form(report: &CrdCheck, flags: &CheckFlags) -> Result<String, Problem> {
    let style = style_for(Stream::Answer, flags.look);
    let unwritable = |error: std::io::Error| Problem::failed("cannot write the answer").because(error);
    match flags.output {
        CheckOutput::Table => Ok(report.table(style, flags.all)),
        CheckOutput::Wide => Ok(report.table(style, true)),
        CheckOutput::Json => Output::Json.form(report, String::new),
        CheckOutput::Yaml => Output::Yaml.form(report, String::new),
        CheckOutput::Markdown => Ok(report.markdown()),
        CheckOutput::Sarif => Output::Json.form(&report.sarif(), String::new),
        CheckOutput::Junit => report.junit().map_err(unwritable),
    }
}

/// Without a second side the first is what comes, and the cluster is what is there.
async fn sides(around: &Around, flags: &CheckFlags) -> Result<(Side, Side), Problem> {
    let first = flags.first.as_deref().unwrap_or_default();
    let (old, new) = flags.second.as_deref().map_or(("cluster", first), |second| (first, second));
    let version = |is_old: bool| if is_old { flags.old_version.clone() } else { flags.version.clone() };
    let (old, new) = tokio::join!(side(around, flags, old, version(true)), side(around, flags, new, version(false)));
    // A wrong name is the person's to mend; a cluster that does not answer may be another matter.
    let new = new?;
    let mut old = old?;
    for given in &flags.stored_versions {
        stored_versions(&mut old, given)?;
    }
    Ok((old, new))
}

async fn side(
    around: &Around,
    flags: &CheckFlags,
    name: &str,
    version: Option<semver::Version>,
) -> Result<Side, Problem> {
    if name == "cluster" {
        let cluster = Cluster::connect(&around.cluster).await?;
        let crds = live(&cluster).await?;
        return Ok(Side { name: cluster.context.clone(), crds, files: BTreeMap::new(), cluster: Some(cluster) });
    }
    let path = PathBuf::from(name);
    if is_chart(name, &path) {
        let chart = ChartFlags {
            chart: name.to_owned(),
            version,
            plain_http: flags.plain_http,
            ca_file: flags.ca_file.clone(),
        };
        let (fetched, crds) = of_chart(around, &chart, NEWEST_KNOWN).await?;
        return Ok(Side { name: named(&fetched), crds, files: BTreeMap::new(), cluster: None });
    }
    // On a thread of its own: the other side is read meanwhile.
    let read = tokio::task::spawn_blocking(move || manifests::crds(&path, manifests::read(&path)?)).await;
    let found = read.map_err(|error| Problem::failed(format!("{name} was not read to its end")).because(error))??;
    let files = found.iter().map(|(crd, file, line)| (crd.name().to_owned(), (file.clone(), *line))).collect();
    let crds = found.into_iter().map(|(crd, ..)| (crd.name().to_owned(), crd)).collect();
    Ok(Side { name: name.to_owned(), crds, files, cluster: None })
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
fn stored_versions(side: &mut Side, given: &str) -> Result<(), Problem> {
    let wrong = || Problem::usage(format!("--stored-versions {given:?}: it is NAME=v1,v1beta1"));
    let (name, versions) = given.split_once('=').ok_or_else(wrong)?;
    let crd = side.crds.get(name).ok_or_else(|| wrong().because(format!("the old side has no CRD {name}")))?;
    let mut json = crd.json().clone();
    json["status"]["storedVersions"] = versions.split(',').map(str::trim).collect();
    json["status"]["conditions"] = serde_json::json!([{"type": "Established", "status": "True"}]);
    if let Ok(crd) = Crd::new(json) {
        side.crds.insert(name.to_owned(), crd);
    }
    Ok(())
}

async fn server(flags: &CheckFlags, old: &Side) -> Result<ServerVersion, Problem> {
    if let Some(given) = &flags.server_version {
        return given.parse().map_err(|error| Problem::usage(format!("--server-version: {error}")));
    }
    let Some(cluster) = &old.cluster else { return Ok(ServerVersion::NEWEST) };
    let version = cluster.get("/version").await.map_err(|error| error.problem(&cluster.context))?;
    Ok(version["gitVersion"].as_str().and_then(|version| version.parse().ok()).unwrap_or(ServerVersion::NEWEST))
}

/// Every CRD of either side; what only a cluster has is not part of a chart, and no news.
async fn verdicts(
    flags: &CheckFlags,
    old: &Side,
    new: &Side,
    server: ServerVersion,
) -> Result<Vec<CrdVerdict>, Problem> {
    let objects: Vec<Manifest> = flags
        .objects
        .iter()
        .map(|path| manifests::read(path))
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .flatten()
        .collect();
    let (forecasts, backends) = tokio::join!(forecasts(old, new), backends(old, new));
    let mut all = Vec::new();
    for (name, wanted) in &new.crds {
        let now = old.crds.get(name);
        let (next, asked) = match forecasts.get(name) {
            Some(Ok(merged)) => (merged, Asked::Takes),
            Some(Err(words)) => (wanted, Asked::Refuses(words)),
            None => (wanted, Asked::Nobody),
        };
        let mut evidence = match now {
            Some(now) => evidence(old.cluster.as_ref(), &objects, !flags.objects.is_empty(), now, next, server).await,
            None => Evidence::default(),
        };
        evidence.silent_webhook = silent(next, &backends);
        all.push(judge(now, Some(next), evidence, server, asked));
    }
    if old.cluster.is_none() {
        let gone = old.crds.iter().filter(|(name, _)| !new.crds.contains_key(*name));
        all.extend(gone.map(|(_, crd)| judge(Some(crd), None, Evidence::default(), server, Asked::Nobody)));
    }
    Ok(all)
}

/// What the server would make of each CRD: it merges, and what others set stays. None where it was not asked, or did not say.
async fn forecasts(old: &Side, new: &Side) -> BTreeMap<String, Result<Crd, String>> {
    let Some(cluster) = old.cluster.as_ref().filter(|_| new.cluster.is_none()) else { return BTreeMap::new() };
    let wanted: Vec<Crd> = new.crds.values().cloned().collect();
    let (mut answers, mut unasked) = (BTreeMap::new(), None);
    for one in forecast::crds(cluster, &wanted).await {
        match one.answer {
            Ok(merged) => drop(answers.insert(one.name, Ok(merged))),
            Err(ApiError::Refused { code: 400 | 404 | 409 | 422, message, .. }) => {
                drop(answers.insert(one.name, Err(message)));
            }
            Err(error) => drop(unasked.get_or_insert(error.to_string())),
        }
    }
    if let Some(reason) = unasked {
        Stream::Talk
            .write(&format!("the server was not asked for its own merge, the chart stands for itself: {reason}\n"));
    }
    answers
}

/// The ready endpoints of the Services that the new CRDs are converted by, where the old side is a cluster.
async fn backends(old: &Side, new: &Side) -> BTreeMap<Service, Looked<usize>> {
    let Some(cluster) = &old.cluster else { return BTreeMap::new() };
    let services: BTreeSet<Service> = new.crds.values().filter_map(Service::converts).collect();
    around::backends(cluster, &services).await
}

/// Why nobody would answer for a CRD's conversion.
fn silent(crd: &Crd, backends: &BTreeMap<Service, Looked<usize>>) -> Option<String> {
    let service = Service::converts(crd)?;
    match backends.get(&service)? {
        Ok(0) => Some(format!("its objects are converted by {service}, which has no ready endpoint")),
        Ok(_) => None,
        Err(not_seen) => Some(format!("whether {service} answers for its conversion is not known: {not_seen}")),
    }
}

/// Objects of this kind from files, and the live ones where the old side is a cluster and the change could hurt them.
async fn evidence(
    cluster: Option<&Cluster>,
    files: &[Manifest],
    has_files: bool,
    old: &Crd,
    new: &Crd,
    server: ServerVersion,
) -> Evidence {
    let source = match (cluster, has_files) {
        (Some(_), _) => Source::Live,
        (None, true) => Source::Files,
        (None, false) => return Evidence::default(),
    };
    let mut judge = Judge::new(old, new, server, source);
    let of_kind = |one: &&Manifest| {
        ObjectRef::of(&one.document).is_some_and(|object| object.group() == new.group() && object.kind == new.kind())
    };
    let source = |one: &Manifest| format!("{}:{}", one.file.display(), one.line);
    files.iter().filter(of_kind).for_each(|one| judge.look_from(&one.document, &source(one)));
    if let Some(cluster) = cluster {
        judge = objects::look(cluster, old, new, judge).await;
    }
    judge.done()
}
