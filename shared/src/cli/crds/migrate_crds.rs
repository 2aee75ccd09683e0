//! `helm mural crds migrate`: rewrite stored objects in the storage version, and trim `storedVersions`.

use crate::ask::parse_duration;
use crate::cli::confirmation::{DryRunFlag, WriteMode};
use crate::cli::signals::Signals;
use crate::cli::{Stream, style_for};
use crate::cluster::Cluster;
use crate::model::crd::Crd;
use crate::model::migration::{is_migrating, outdated_stored_versions};
use crate::problem::{Exit, Problem};
use crate::report::migrate_report::{CrdMigrationResult, MigrateReport};
use crate::run::storage_version_migration::{MigrationRoute, StorageMigrator};
use crate::tools::spawn::StopSignal;

use crate::cli::crds::flags::{MigrateFlags, Rewriter, SelectFlags};
use crate::cli::crds::helm_env::HelmEnv;
use crate::cli::crds::{build_event_printer, select_crds};

/// Selects the CRDs, asks for the confirmation, migrates the objects and verifies the result.
pub(crate) async fn run(helm_env: &HelmEnv, flags: &MigrateFlags) -> Result<Exit, Problem> {
    let mode = flags.write.to_write_mode();
    mode.require_terminal("")?;
    let (acts_within, timeout) =
        (parse_duration("--acts-within", &flags.acts_within)?, parse_duration("--timeout", &flags.timeout)?);
    let cluster = Cluster::connect(&helm_env.cluster).await?;
    let (stop, emit) = (StopSignal::default(), build_event_printer(flags.output.style));
    let select = SelectFlags { crds: flags.crds.clone(), all: flags.all };
    let all = select_crds(&cluster, &select).await?;
    let is_explicit = !flags.crds.is_empty();
    let (wanted, clean): (Vec<Crd>, Vec<Crd>) =
        all.into_iter().partition(|crd| is_explicit || is_migrating(crd) || !outdated_stored_versions(crd).is_empty());
    let route = choose_route(flags.by);
    let migrate =
        StorageMigrator { cluster: &cluster, route, start_timeout: acts_within, timeout, stop: &stop, emit: &emit };
    Stream::Stderr.write(&render_plan(&wanted, &cluster.context));
    if !wanted.is_empty() {
        mode.require_consent().await?;
    }
    let work = async {
        let mut migrated = Vec::new();
        for crd in &wanted {
            migrated.push(match mode {
                WriteMode::DryRun(DryRunFlag::Client) | WriteMode::PlanOnly => {
                    CrdMigrationResult { dry_run: true, ..CrdMigrationResult::new(crd) }
                }
                WriteMode::DryRun(DryRunFlag::Server) => migrate.dry_run(crd.name()).await?,
                WriteMode::WithoutAsking | WriteMode::Ask => migrate.migrate_crd(crd.name(), None).await?,
            });
        }
        Ok::<_, Problem>(migrated)
    };
    let migrated = Signals::new()?.run_writing(&stop, work).await?;
    let report = MigrateReport::new(&cluster.context, migrated, clean.len());
    let style = style_for(Stream::Stdout, flags.output.style);
    Stream::Stdout.write(&flags.output.output.render(&report, || report.render_table(style))?);
    Ok(if report.is_successful() { Exit::Success } else { Exit::Failed })
}

const fn choose_route(by: Rewriter) -> MigrationRoute {
    match by {
        Rewriter::Auto => MigrationRoute::Auto,
        Rewriter::Cluster => MigrationRoute::Cluster,
        Rewriter::Us => MigrationRoute::Client,
    }
}

fn render_plan(crds: &[Crd], context: &str) -> String {
    let one = |crd: &Crd| {
        let from = outdated_stored_versions(crd);
        let from = if from.is_empty() { "no old versions in storedVersions".to_owned() } else { from.join(", ") };
        format!("{context}: {}  {from} → {}\n", crd.name(), crd.storage_version())
    };
    crds.iter().map(one).collect()
}
