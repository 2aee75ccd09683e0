//! `helm mural crds restore DIR`

use mural::cli::prompt::{ask_to_go_ahead, needs_a_person};
use mural::cli::signals::Signals;
use mural::cli::{Stream, style_for};
use mural::cluster::Cluster;
use mural::problem::{Exit, Problem};
use mural::run::keep::restore::Restore;
use mural::tools::spawn::Stop;

use crate::edge::Around;
use crate::flags::RestoreFlags;
use crate::talk;

/// Reads the save, asks, and brings it back.
pub(crate) async fn run(around: &Around, flags: &RestoreFlags) -> Result<Exit, Problem> {
    let dry_run = flags.write.dry_run.is_some();
    needs_a_person(flags.write.yes || dry_run)?;
    let cluster = Cluster::connect(&around.cluster).await?;
    let stop = Stop::default();
    let restore = Restore::prepare(&cluster, &flags.folder, flags.overwrite).await?;
    if !flags.create_namespace && !restore.missing_namespaces.is_empty() {
        return Err(no_namespaces(&restore));
    }
    Stream::Talk.write(&planned(&restore, flags, &cluster.context));
    let report = if dry_run {
        restore.report()
    } else if flags.write.yes || ask_to_go_ahead()? {
        {
            let emit = talk(flags.output.look);
            Signals::new()?.writing(&stop, restore.run(flags.create_namespace, &stop, &emit)).await?
        }
    } else {
        return Err(Problem::new(Exit::Refused, "nothing was written"));
    };
    let style = style_for(Stream::Answer, flags.output.look);
    Stream::Answer.write(&flags.output.output.form(&report, || report.table(style))?);
    Ok(if report.whole() { Exit::Fine } else { Exit::Failed })
}

fn planned(restore: &Restore, flags: &RestoreFlags, context: &str) -> String {
    let ((crds, objects), report) = (restore.extent(), restore.report());
    let there = if flags.overwrite { "replaced" } else { "left as it is" };
    format!(
        "{context}: {crds} CRDs to make, {objects} objects to bring back, saved {} from {}; what is there already is {there}\n",
        report.saved, report.saved_from
    )
}

fn no_namespaces(restore: &Restore) -> Problem {
    let names: Vec<&str> = restore.missing_namespaces.iter().map(String::as_str).collect();
    Problem::new(Exit::Refused, format!("the cluster has no namespace {}", names.join(", ")))
        .hint("--create-namespace makes them")
        .hint("or make them as your installation does, then run the same command again")
}
