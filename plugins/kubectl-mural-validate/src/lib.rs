//! The command line of `kubectl mural validate`: one look, pure checks, one answer on standard output.

pub mod flags;

use std::process::ExitCode;
use std::time::Instant;

use clap::{CommandFactory, Parser};
use mural::ask::Installation;
use mural::checks::seen::Seen;
use mural::checks::{Card, catalogue, validate};
use mural::cli::{self, Stream, env, style_for};
use mural::cluster::{Cluster, look};
use mural::model::tools::ToolsSeen;
use mural::model::view::{ClusterView, NotSeen};
use mural::problem::{Exit, Problem};
use mural::report::columns::columns;
use mural::report::validate::{Shown, ValidateReport, junit, table};
use mural::tools::find::{self, Hints};
use mural::tools::helm::Helm;
use mural::tools::kubectl::Kubectl;

use flags::{Cli, Output};

/// Runs the command line and gives its exit code.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(code) = cli::complete::asked(Cli::command()) {
        return code;
    }
    match Cli::try_parse() {
        Ok(cli) => cli::ended(command(&cli), cli.look),
        Err(error) => cli::usage(&error),
    }
}

fn command(cli: &Cli) -> Result<Exit, Problem> {
    if cli.checks.list_checks {
        Stream::Answer.write(&list());
        return Ok(Exit::Fine);
    }
    if let Some(id) = &cli.checks.explain {
        Stream::Answer.write(&explained(catalogue::card("--explain", id)?));
        return Ok(Exit::Fine);
    }
    judge(cli)
}

fn judge(cli: &Cli) -> Result<Exit, Problem> {
    let began = Instant::now();
    // Everything that the caller could have mistyped is read before anything is asked of the cluster.
    let checks = validate::choose(&cli.checks.only, &cli.checks.skip)?;
    let (installation, expect) = (cli.installation()?, cli.expect()?);
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Problem::failed("cannot start").because(error))?;
    let looked = runtime.block_on(see(&installation));
    runtime.shutdown_background();
    let (view, tools) = looked?;
    let seen = Seen::new(&installation, &view, &tools, &expect, jiff::Timestamp::now());
    let report = ValidateReport::new(&view, validate::run(&seen, &checks));
    let exit = report.exit(cli.checks.strict);
    let elapsed = Stream::Answer.is_terminal().then(|| began.elapsed());
    Stream::Answer.write(&rendered(&report, cli, Shown { all_checks: cli.output == Output::Wide, exit, elapsed })?);
    Ok(exit)
}

async fn see(installation: &Installation) -> Result<(ClusterView, ToolsSeen), Problem> {
    let cluster = Cluster::connect(&installation.cluster).await?;
    let (view, tools) = tokio::join!(look::look(&cluster, installation), tools(installation));
    Ok((view?, tools))
}

/// The two programs' versions. A missing program is no reason not to look at the cluster: the checks say so.
async fn tools(installation: &Installation) -> ToolsSeen {
    let unseen =
        |what: &str, reason: &dyn std::fmt::Display| NotSeen { what: what.to_owned(), reason: reason.to_string() };
    let hints = Hints { helm: env("HELM_BIN"), kubectl: env("KUBECTL_PATH") };
    let helm = async {
        let program = find::programs(&hints).map_err(|problem| unseen("helm's version", &problem))?.helm;
        let (cluster, registry) = (installation.cluster.clone(), mural::ask::RegistryAccess::default());
        let helm = Helm { program, cluster, registry, namespace: installation.namespace.clone() };
        helm.version().await.map_err(|error| unseen("helm's version", &error))
    };
    let kubectl = async {
        let program = find::kubectl(&hints).map_err(|problem| unseen("kubectl's version", &problem))?;
        let kubectl = Kubectl { program, cluster: installation.cluster.clone() };
        kubectl.version().await.map_err(|error| unseen("kubectl's version", &error))
    };
    let (helm, kubectl) = tokio::join!(helm, kubectl);
    ToolsSeen { helm, kubectl }
}

fn rendered(report: &ValidateReport, cli: &Cli, shown: Shown) -> Result<String, Problem> {
    let failed = || Problem::failed("cannot write the report");
    match cli.output {
        Output::Table | Output::Wide => Ok(table(report, shown, style_for(Stream::Answer, cli.look))),
        Output::Json => {
            serde_json::to_string_pretty(report).map(|text| text + "\n").map_err(|error| failed().because(error))
        }
        Output::Yaml => mural::model::yaml::write(report).map_err(|error| failed().because(error)),
        Output::Junit => junit(report).map_err(|error| failed().because(error)),
    }
}

fn list() -> String {
    let row = |check: &validate::Check| {
        let Card { id, section, title, level, .. } = check.card;
        vec![(*id).to_owned(), section.title().to_owned(), catalogue::level(*level).to_owned(), (*title).to_owned()]
    };
    columns(&["CHECK", "SECTION", "FINDINGS ARE", "ASKS THAT"], &validate::ALL.iter().map(row).collect::<Vec<_>>())
}

fn explained(card: &Card) -> String {
    let Card { id, title, why, fix, section, level } = card;
    let level = catalogue::level(*level);
    format!(
        "{id}\n  asks that {title}\n  section {}, findings are {level}\n\nwhy   {why}\nfix   {fix}\ndocs  CHECKS.md#{id}\n",
        section.title()
    )
}
