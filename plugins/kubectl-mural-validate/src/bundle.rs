//! `bundle`: the report, the objects, events, last log lines and versions in one file. Listed before it is written.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use mural::checks::validate::ALL;
use mural::cli::{Stream, files, prompt};
use mural::cluster::{Cluster, bundle};
use mural::model::bundle::{Entry, packed};
use mural::model::secret::{Secrets, masked};
use mural::model::tools::ToolsSeen;
use mural::model::yaml;
use mural::problem::{Exit, Problem};
use mural::report::validate::html;
use serde_json::{Value, json};

use crate::answer;
use crate::flags::BundleFlags;
use crate::job::Job;
use crate::look::{self, Looked};

/// Reads, lists, asks, writes.
pub(crate) async fn run(flags: &BundleFlags) -> Result<Exit, Problem> {
    if !flags.file.to_string_lossy().ends_with(".tar.gz") {
        return Err(Problem::usage(format!("{} does not end with .tar.gz", flags.file.display())));
    }
    prompt::needs_a_person(flags.yes)?;
    files::writable(&flags.file, "the bundle")?;
    let job = Job::only(flags.place.installation(&flags.cluster)?);
    let (looked, tools) = tokio::join!(look::see(&job, &job.installation, &job.checks), look::tools(&job));
    let (looked, now) = (looked?, Timestamp::now());
    let cluster = Cluster::connect(&job.installation.cluster).await?;
    let secrets = secrets(&looked);
    let mut entries = vec![Entry::new("versions.yaml", versions(&looked, &tools, now))];
    entries.extend(reports(&looked, &tools, now)?);
    entries.extend(releases(&looked));
    entries.extend(bundle::read(&cluster, &looked.view, &looked.vitals, &looked.named, &secrets).await);
    let bytes = packed("mural-bundle", &entries, u64::try_from(now.as_second()).unwrap_or_default());
    let bytes = bytes.map_err(|error| Problem::failed("cannot pack the bundle").because(error))?;
    Stream::Talk.write(&listed(&entries, bytes.len()));
    if !flags.yes && !asked(&flags.file.display().to_string()).await? {
        return Err(Problem::new(Exit::Interrupted, "nothing was written"));
    }
    files::write(&flags.file, "the bundle", &bytes)?;
    Stream::Answer.write(&format!("{}\n", flags.file.display()));
    Ok(Exit::Fine)
}

async fn asked(file: &str) -> Result<bool, Problem> {
    let question = format!("Write {file}?");
    let answer = tokio::task::spawn_blocking(move || prompt::ask(&question)).await;
    answer.unwrap_or_else(|gone| Err(Problem::failed("cannot ask").because(gone)))
}

/// What is in it, by folder.
fn listed(entries: &[Entry], packed: usize) -> String {
    let mut folders: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for entry in entries {
        let folder = entry.path.rsplit_once('/').map_or(entry.path.as_str(), |(folder, _)| folder);
        let told = folders.entry(folder).or_default();
        *told = (told.0 + 1, told.1 + entry.text.len());
    }
    let mut out = String::from("the bundle holds, secrets masked:\n");
    for (folder, (files, bytes)) in folders {
        let _ = writeln!(out, "  {folder:<56} {files:>5} files {:>9.1} KiB", kib(bytes));
    }
    let _ = writeln!(out, "  {:<56} {:>5} files {:>9.1} KiB packed", "all", entries.len(), kib(packed));
    out
}

fn kib(bytes: usize) -> f64 {
    f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / 1024.0
}

fn secrets(looked: &Looked) -> Secrets {
    let records: Vec<_> = looked.view.releases.values().filter_map(|records| records.as_ref().ok()).flatten().collect();
    let values: Vec<&Value> =
        records.iter().flat_map(|record| [record.config.reveal(), record.chart_values.reveal()]).collect();
    let objects: Vec<Value> = records.iter().filter_map(|record| record.objects().ok()).flatten().collect();
    Secrets::of(&values, &objects)
}

fn versions(looked: &Looked, tools: &ToolsSeen, now: Timestamp) -> String {
    let told = |version: &mural::model::view::Looked<semver::Version>| {
        version.as_ref().map_or_else(ToString::to_string, ToString::to_string)
    };
    let hub = &looked.view.hub;
    let document = json!({"at": now.to_string(), "mural": env!("CARGO_PKG_VERSION"), "helm": told(&tools.helm), "kubectl": told(&tools.kubectl),
        "server": hub.version, "namespace": hub.namespace, "cluster": hub.uid.clone().unwrap_or_default()});
    yaml::write(&document).unwrap_or_default()
}

fn reports(looked: &Looked, tools: &ToolsSeen, now: Timestamp) -> Result<[Entry; 2], Problem> {
    let reports = [looked.judged(tools, &ALL.iter().collect::<Vec<_>>(), now)];
    Ok([Entry::new("report.json", answer::json(&reports)?), Entry::new("report.html", html(&reports))])
}

/// Each revision: what it is and with which values, never its manifest.
fn releases(looked: &Looked) -> Vec<Entry> {
    let mut all = Vec::new();
    for (release, records) in &looked.view.releases {
        let told: Vec<Value> = match records {
            Ok(records) => records
                .iter()
                .map(|record| {
                    json!({"revision": record.revision, "status": record.status, "description": record.description, "deployed": record.last_deployed,
                        "chart": format!("{}-{}", record.chart, record.chart_version), "bytes": record.size, "values": masked(record.config.reveal())})
                })
                .collect(),
            Err(not_seen) => vec![json!(not_seen.to_string())],
        };
        all.push(Entry::new(format!("releases/{release}.yaml"), yaml::write(&told).unwrap_or_default()));
    }
    all
}
