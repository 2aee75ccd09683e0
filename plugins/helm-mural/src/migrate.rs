//! `helm mural crds migrate`

use mural::ask::duration;
use mural::cli::prompt::{ask_to_go_ahead, needs_a_person};
use mural::cli::signals::Signals;
use mural::cli::{Stream, style_for};
use mural::cluster::Cluster;
use mural::model::crd::Crd;
use mural::model::migration::{left_behind, under_way};
use mural::problem::{Exit, Problem};
use mural::report::migrate::{MigrateReport, Migrated};
use mural::run::migrate::{Migrate, Route};
use mural::tools::spawn::Stop;

use crate::edge::Around;
use crate::flags::{By, MigrateFlags, SelectFlags};
use crate::{selected, talk};

/// Finds what is left behind, asks, moves and proves it.
pub(crate) async fn run(around: &Around, flags: &MigrateFlags) -> Result<Exit, Problem> {
    let dry_run = flags.write.dry_run.as_deref();
    needs_a_person(flags.write.yes || dry_run.is_some())?;
    let (acts_within, timeout) =
        (duration("--acts-within", &flags.acts_within)?, duration("--timeout", &flags.timeout)?);
    let cluster = Cluster::connect(&around.cluster).await?;
    let (stop, emit) = (Stop::default(), talk(flags.output.look));
    let select = SelectFlags { crds: flags.crds.clone(), all: flags.all };
    let all = selected(&cluster, &select).await?;
    let named = !flags.crds.is_empty();
    let (wanted, clean): (Vec<Crd>, Vec<Crd>) =
        all.into_iter().partition(|crd| named || under_way(crd) || !left_behind(crd).is_empty());
    let route = match flags.by {
        By::Auto => Route::Auto,
        By::Cluster => Route::Cluster,
        By::Us => Route::Own,
    };
    let migrate = Migrate { cluster: &cluster, route, acts_within, timeout, stop: &stop, emit: &emit };
    Stream::Talk.write(&planned(&wanted, &cluster.context));
    if dry_run.is_none() && !flags.write.yes && !wanted.is_empty() && !ask_to_go_ahead()? {
        return Err(Problem::new(Exit::Refused, "nothing was written"));
    }
    let work = async {
        let mut migrated = Vec::new();
        for crd in &wanted {
            migrated.push(match dry_run {
                Some("client") => Migrated { dry_run: true, ..Migrated::of(crd) },
                Some(_) => migrate.dry_run(crd.name()).await?,
                None => migrate.crd(crd.name(), None).await?,
            });
        }
        Ok(migrated)
    };
    let migrated = Signals::new()?.writing(&stop, work).await?;
    let report = MigrateReport::new(&cluster.context, migrated, clean.len());
    let style = style_for(Stream::Answer, flags.output.look);
    Stream::Answer.write(&flags.output.output.form(&report, || report.table(style))?);
    Ok(if report.well() { Exit::Fine } else { Exit::Failed })
}

fn planned(crds: &[Crd], context: &str) -> String {
    let one = |crd: &Crd| {
        let from = left_behind(crd);
        let from = if from.is_empty() { "nothing left behind, as it says".to_owned() } else { from.join(", ") };
        format!("{context}: {}  {from} → {}\n", crd.name(), crd.storage_version())
    };
    crds.iter().map(one).collect()
}
