//! `helm mural crds`: what is on the cluster, what a chart holds, what differs; one file for each sub-command that writes.

mod apply;
mod check;
mod edge;
pub mod flags;
mod migrate;
mod restore;
mod save;

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use clap::{CommandFactory, Parser};
use mural::cli::runtime::block_on;
use mural::cli::{self, LookFlags, Stream, style_for};
use mural::cluster::{Cluster, forecast, look};
use mural::diff;
use mural::model::chart::ChartRef;
use mural::model::crd::Crd;
use mural::plan::{self, API_VERSION};
use mural::problem::{Exit, Problem};
use mural::report::crds::{CrdDiff, CrdList};
use mural::report::event::Event;
use mural::report::human::Human;
use mural::tools::chart::{Fetched, fetch};
use mural::tools::helm::{Helm, Template};
use mural::tools::spawn::on_leash;

use edge::Around;
use flags::{ChartFlags, Cli, Command, CrdsCli, CrdsCommand, SelectFlags};

/// The groups that the product's CRD chart brings: its own, Flux's, Open Cluster Management's (the vendor's own filter).
const PRODUCT_GROUPS: [&str; 3] = ["spectrocloud.com", "fluxcd.io", "open-cluster-management.io"];
/// A chart rendered without a cluster is rendered for the newest Kubernetes that we know.
const NEWEST_KNOWN: &str = "v1.37.2";

/// Runs the command line and gives its exit code.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(ended) = on_leash(std::env::args_os().skip(1)) {
        return ended;
    }
    if let Some(code) = cli::complete::asked(Cli::command()) {
        return code;
    }
    let parsed = match Cli::try_parse() {
        Ok(parsed) => parsed,
        Err(error) => return cli::usage(&error),
    };
    let Command::Crds(crds) = parsed.command;
    let look = match &crds.command {
        None => crds.output.look,
        Some(CrdsCommand::List { output, .. } | CrdsCommand::Diff { output, .. }) => output.look,
        Some(CrdsCommand::Check(flags)) => flags.look,
        Some(CrdsCommand::Apply(flags)) => flags.output.look,
        Some(CrdsCommand::Migrate(flags)) => flags.output.look,
        Some(CrdsCommand::Save(flags)) => flags.output.look,
        Some(CrdsCommand::Restore(flags)) => flags.output.look,
    };
    cli::ended(block_on(run(&crds)), look)
}

async fn run(crds: &CrdsCli) -> Result<Exit, Problem> {
    let around = Around::read();
    match &crds.command {
        None => {
            let list = on_cluster(&around, crds).await?;
            Stream::Answer.write(&crds.output.output.form(&list, || list.table())?);
            Ok(Exit::Fine)
        }
        Some(CrdsCommand::List { chart, output }) => {
            let (fetched, wanted) = of_chart(&around, chart, NEWEST_KNOWN).await?;
            let list = CrdList::new(named(&fetched), wanted.values());
            Stream::Answer.write(&output.output.form(&list, || list.table())?);
            Ok(Exit::Fine)
        }
        Some(CrdsCommand::Diff { chart, exit_code, output }) => {
            let diff = against_cluster(&around, chart).await?;
            let style = style_for(Stream::Answer, output.look);
            Stream::Answer.write(&output.output.form(&diff, || diff.table(style))?);
            Ok(if *exit_code && diff.has_changes() { Exit::Changes } else { Exit::Fine })
        }
        Some(CrdsCommand::Check(flags)) => check::run(&around, flags).await,
        Some(CrdsCommand::Apply(flags)) => apply::run(&around, flags).await,
        Some(CrdsCommand::Migrate(flags)) => migrate::run(&around, flags).await,
        Some(CrdsCommand::Save(flags)) => save::run(&around, flags).await,
        Some(CrdsCommand::Restore(flags)) => restore::run(&around, flags).await,
    }
}

async fn on_cluster(around: &Around, flags: &CrdsCli) -> Result<CrdList, Problem> {
    let cluster = Cluster::connect(&around.cluster).await?;
    let release = &flags.crds_release;
    let (live, released) = tokio::join!(live(&cluster), look::released_crds(&cluster, &around.namespace, release));
    let live = live?;
    let list = CrdList::new(cluster.context.clone(), live.values().filter(|crd| flags.all || of_product(crd)));
    match released {
        Ok(released) => {
            let both = released.iter().filter_map(|(name, chart)| Some((name, chart, live.get(name)?)));
            let changes =
                both.map(|(name, chart, live)| (name.clone(), diff::crd_changes(chart.json(), live.json()).len()));
            Ok(list.drifted(&changes.collect(), release))
        }
        Err(not_seen) => {
            Stream::Talk.write(&format!("drift is not known: {not_seen}\n"));
            Ok(list)
        }
    }
}

fn of_product(crd: &Crd) -> bool {
    PRODUCT_GROUPS.iter().any(|group| crd.group() == *group || crd.group().ends_with(&format!(".{group}")))
}

/// The CRDs of the cluster that the flags name.
async fn selected(cluster: &Cluster, select: &SelectFlags) -> Result<Vec<Crd>, Problem> {
    let mut live = live(cluster).await?;
    if select.crds.is_empty() {
        return Ok(live.into_values().filter(|crd| select.all || of_product(crd)).collect());
    }
    let names: BTreeSet<&String> = select.crds.iter().collect();
    let found = names.into_iter().map(|name| {
        live.remove(name).ok_or_else(|| {
            Problem::usage(format!("the cluster has no CRD {name}")).hint("helm mural crds --all lists them")
        })
    });
    found.collect()
}

/// Events as lines on standard error.
fn talk(look: LookFlags) -> impl Fn(Event) + Send + Sync {
    let human = Mutex::new(Human::new(style_for(Stream::Talk, look)));
    move |event| {
        for line in human.lock().unwrap_or_else(PoisonError::into_inner).lines(&event) {
            Stream::Talk.write(&(line + "\n"));
        }
    }
}

async fn live(cluster: &Cluster) -> Result<BTreeMap<String, Crd>, Problem> {
    look::crds(cluster).await.map_err(|not_seen| {
        Problem::new(Exit::Failed, not_seen.to_string())
            .hint("is it the right context? helm --kube-context NAME mural crds")
    })
}

/// A chart's CRDs: those of `crds/` folders and those among its templates.
async fn of_chart(
    around: &Around,
    flags: &ChartFlags,
    kube_version: &str,
) -> Result<(Fetched, BTreeMap<String, Crd>), Problem> {
    let private =
        tempfile::tempdir().map_err(|error| Problem::failed("cannot make a private folder").because(error))?;
    let reference = ChartRef::parse(&flags.chart).map_err(|error| Problem::usage(error.to_string()))?;
    let helm = Helm {
        program: around.helm()?,
        cluster: around.cluster.clone(),
        registry: around.registry(flags.plain_http, flags.ca_file.clone()),
        namespace: around.namespace.clone(),
    };
    let fetched =
        fetch(&helm, &reference, flags.version.as_ref(), private.path(), around.registry_config.as_deref()).await?;
    let template = Template {
        release: &fetched.chart.name,
        chart: &fetched.file,
        values_files: &[],
        values: &[],
        kube_version,
        api_versions: &[],
        include_crds: true,
        is_upgrade: false,
        passed: &[],
    };
    let rendered = helm
        .template(&template)
        .await
        .map_err(|error| error.problem(format!("the chart {} does not render", flags.chart)))?;
    let wanted = rendered.into_iter().filter_map(|document| Crd::new(document).ok());
    Ok((fetched, wanted.map(|crd| (crd.name().to_owned(), crd)).collect()))
}

async fn against_cluster(around: &Around, flags: &ChartFlags) -> Result<CrdDiff, Problem> {
    let cluster = Cluster::connect(&around.cluster).await?;
    let version = cluster.get("/version").await.map_err(|error| error.problem(&cluster.context))?;
    let kube_version = version["gitVersion"].as_str().unwrap_or(NEWEST_KNOWN).to_owned();
    let (live, of_chart) = tokio::join!(live(&cluster), of_chart(around, flags, &kube_version));
    let (live, (fetched, wanted)) = (live?, of_chart?);
    let all: Vec<Crd> = wanted.into_values().collect();
    let answers = forecast::crds(&cluster, &all).await;
    let forecasts = answers.into_iter().map(|one| (one.name, one.answer.map_err(|error| error.to_string()))).collect();
    Ok(CrdDiff {
        api_version: API_VERSION,
        kind: "CrdDiff",
        chart: named(&fetched),
        cluster: cluster.context.clone(),
        crds: plan::crds::judge(&live, &forecasts, &BTreeMap::new(), &[], &BTreeMap::new()),
    })
}

fn named(fetched: &Fetched) -> String {
    format!("{} {} ({})", fetched.chart.name, fetched.chart.version, fetched.digest.short())
}
