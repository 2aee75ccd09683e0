//! `kubectl mural validate bundle`: a support bundle with the report, objects, events, last log lines and versions.
//!
//! Secrets are masked. The command shows the content and asks for confirmation before it writes the file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::checks::health_checks::HEALTH_CHECKS;
use crate::cli::command_error::CommandError;
use crate::cli::confirmation::WriteMode;
use crate::cli::prompt::ask_yes_no;
use crate::cli::{Stream, files};
use crate::cluster::{Cluster, bundle_reader};
use crate::model::known_secrets::Secrets;
use crate::model::support_bundle::{BundleFile, pack_files};
use crate::model::tool_versions::ToolVersions;
use crate::model::yaml;
use crate::problem::{Exit, Problem};
use crate::report::validate::render_html;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::validate::answer;
use crate::cli::validate::flags::BundleFlags;
use crate::cli::validate::observe::{self, ClusterObservations};
use crate::cli::validate::validate_error::ValidateError;
use crate::cli::validate::validate_request::ValidateRequest;

/// Reads the cluster, shows the content of the bundle, asks for the confirmation and writes the file.
pub(crate) async fn run(flags: &BundleFlags) -> Result<Exit, Problem> {
    if !flags.file.to_string_lossy().ends_with(".tar.gz") {
        return Err(ValidateError::BundleName { file: flags.file.clone() }.into());
    }
    let mode = WriteMode::new(None, flags.yes);
    mode.require_terminal("")?;
    files::check_writable(&flags.file, "the bundle")?;
    let request = ValidateRequest::for_installation(flags.installation.to_installation(&flags.cluster)?);
    let (observations, tools) = tokio::join!(
        observe::observe(&request, &request.installation, &request.checks),
        observe::read_tool_versions(&request)
    );
    let (observations, now) = (observations?, Timestamp::now());
    let cluster = Cluster::connect(&request.installation.cluster).await?;
    let secrets = observations.collect_secrets();
    let mut entries = vec![BundleFile::new("versions.yaml", render_versions(&observations, &tools, now))];
    entries.extend(build_report_entries(&observations, &tools, now)?);
    entries.extend(build_release_entries(&observations, &secrets));
    entries.extend(
        bundle_reader::read_bundle(
            &cluster,
            &observations.view,
            &observations.health_inputs,
            &observations.inventory,
            &secrets,
        )
        .await,
    );
    let bytes = pack_files("mural-bundle", &entries, u64::try_from(now.as_second()).unwrap_or_default());
    let bytes = bytes.map_err(ValidateError::Bundle)?;
    Stream::Stderr.write(&render_contents(&entries, bytes.len()));
    if mode == WriteMode::Ask && !ask_yes_no(format!("Write {}?", flags.file.display())).await? {
        return Err(CommandError::Declined.into());
    }
    files::write(&flags.file, "the bundle", &bytes)?;
    Stream::Stdout.write(&format!("{}\n", flags.file.display()));
    Ok(Exit::Success)
}

/// The content of the bundle: files and KiB per folder.
fn render_contents(entries: &[BundleFile], packed: usize) -> String {
    let mut folders: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for entry in entries {
        let folder = entry.path.rsplit_once('/').map_or(entry.path.as_str(), |(folder, _)| folder);
        let totals = folders.entry(folder).or_default();
        *totals = (totals.0 + 1, totals.1 + entry.text.len());
    }
    let mut out = String::from("content of the bundle (secrets are masked):\n");
    for (folder, (files, bytes)) in folders {
        let _ = writeln!(out, "  {folder:<56} {files:>5} files {:>9.1} KiB", to_kib(bytes));
    }
    let _ = writeln!(out, "  {:<56} {:>5} files {:>9.1} KiB packed", "total", entries.len(), to_kib(packed));
    out
}

fn to_kib(bytes: usize) -> f64 {
    f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / 1024.0
}

fn render_versions(observations: &ClusterObservations, tools: &ToolVersions, now: Timestamp) -> String {
    let version_text = |version: &crate::model::cluster_view::Observed<semver::Version>| {
        version.as_ref().map_or_else(ToString::to_string, ToString::to_string)
    };
    let hub = &observations.view.cluster;
    let document = json!({"at": now.to_string(), "mural": env!("CARGO_PKG_VERSION"), "helm": version_text(&tools.helm), "kubectl": version_text(&tools.kubectl),
        "server": hub.version, "namespace": hub.namespace, "cluster": hub.uid.clone().unwrap_or_default()});
    yaml::write(&document).unwrap_or_default()
}

fn build_report_entries(
    observations: &ClusterObservations,
    tools: &ToolVersions,
    now: Timestamp,
) -> Result<[BundleFile; 2], Problem> {
    let reports = [observations.judge(tools, &HEALTH_CHECKS.iter().collect::<Vec<_>>(), now)];
    Ok([
        BundleFile::new("report.json", answer::render_json(&reports)?),
        BundleFile::new("report.html", render_html(&reports)),
    ])
}

/// The metadata and masked values of each release revision, without the manifest.
fn build_release_entries(observations: &ClusterObservations, secrets: &Secrets) -> Vec<BundleFile> {
    let mut all = Vec::new();
    for (release, records) in &observations.view.releases {
        let revisions: Vec<Value> = match records {
            Ok(records) => records
                .iter()
                .map(|record| {
                    json!({"revision": record.revision, "status": record.status, "description": secrets.mask(&record.description), "deployed": record.last_deployed,
                        "chart": format!("{}-{}", record.chart_name, record.chart_version), "bytes": record.encoded_bytes, "values": secrets.mask_value(record.config.reveal())})
                })
                .collect(),
            Err(read_failure) => vec![json!(read_failure.to_string())],
        };
        all.push(BundleFile::new(format!("releases/{release}.yaml"), yaml::write(&revisions).unwrap_or_default()));
    }
    all
}
