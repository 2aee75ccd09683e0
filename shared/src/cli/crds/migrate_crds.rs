//! `helm mural crds migrate`: rewrite stored objects in the storage version, and trim `storedVersions`.

use crate::ask::parse_duration;
use crate::checks::crd_changes::object_evidence::Evidence;
use crate::cli::command_error::CommandError;
use crate::cli::confirmation::{DryRunFlag, WriteMode};
use crate::cli::environment::state_dir;
use crate::cli::prompt::ask_yes_no;
use crate::cli::signals::Signals;
use crate::cli::{Stream, style_for};
use crate::cluster::{Cluster, stored_fields};
use crate::guards::field_loss::describe_loss;
use crate::model::backup_format::encode_file_name;
use crate::model::crd::Crd;
use crate::model::migration::{is_migrating, outdated_stored_versions};
use crate::prepare::state_dir::cluster_state_dir;
use crate::problem::{Cause, Exit, Problem};
use crate::report::event::{Emit, Event};
use crate::report::migrate_report::{CrdMigrationResult, MigrateReport};
use crate::run::backup::create::create_backup;
use crate::run::storage_version_migration::{MigrationRoute, StorageMigrator};
use crate::schema::ServerVersion;
use crate::tools::spawn::StopSignal;

use crate::cli::crds::crds_error::CrdsError;
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
    let losses = if mode.asks_server() { find_losses(&cluster, &wanted).await } else { Vec::new() };
    Stream::Stderr.write(&losses.iter().map(|loss| format!("{}\n", loss.describe())).collect::<String>());
    let consent = LossConsent::ask(&losses, flags, mode).await?;
    if consent == LossConsent::Missing && mode.can_write() {
        return Err(refuse_losses(&losses).into());
    }
    if !wanted.is_empty() {
        mode.require_consent().await?;
    }
    if mode.can_write() && !losses.is_empty() {
        back_up_losing_objects(&cluster, &losses, &stop, &emit).await?;
    }
    let mut migrated = Signals::new()?.run_writing(&stop, migrate_all(&migrate, &wanted, mode)).await?;
    add_lost_fields(&mut migrated, &losses);
    let report = MigrateReport::new(&cluster.context, migrated, clean.len());
    let style = style_for(Stream::Stdout, flags.output.style);
    Stream::Stdout.write(&flags.output.output.render(&report, || report.render_table(style))?);
    Ok(match consent {
        _ if !report.is_successful() => Exit::Failed,
        LossConsent::Missing => Exit::Refused,
        LossConsent::NotNeededOrGiven => Exit::Success,
    })
}

/// Whether the loss of fields is allowed. A dry run reports a migration that would be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LossConsent {
    NotNeededOrGiven,
    Missing,
}

impl LossConsent {
    /// Asks for the loss at the terminal; `--yes` is no answer to this question.
    async fn ask(losses: &[MigrationLoss<'_>], flags: &MigrateFlags, mode: WriteMode) -> Result<Self, CommandError> {
        let question =
            format!("{} CRDs lose fields of stored objects. A backup is made first. Allow the loss?", losses.len());
        let has_consent =
            losses.is_empty() || flags.allow_field_loss || (mode == WriteMode::Ask && ask_yes_no(question).await?);
        Ok(if has_consent { Self::NotNeededOrGiven } else { Self::Missing })
    }
}

fn add_lost_fields(migrated: &mut [CrdMigrationResult], losses: &[MigrationLoss<'_>]) {
    for result in migrated {
        let loss = losses.iter().find(|loss| loss.crd.name() == result.name);
        result.lost_fields = loss.map(|loss| loss.evidence.list_lost_fields()).unwrap_or_default();
    }
}

async fn migrate_all(
    migrator: &StorageMigrator<'_>,
    wanted: &[Crd],
    mode: WriteMode,
) -> Result<Vec<CrdMigrationResult>, Problem> {
    let mut migrated = Vec::new();
    for crd in wanted {
        migrated.push(match mode {
            WriteMode::DryRun(DryRunFlag::Client) | WriteMode::PlanOnly => {
                CrdMigrationResult { dry_run: true, ..CrdMigrationResult::new(crd) }
            }
            WriteMode::DryRun(DryRunFlag::Server) => migrator.dry_run(crd.name()).await?,
            WriteMode::WithoutAsking | WriteMode::Ask => migrator.migrate_crd(crd.name(), None).await?,
        });
    }
    Ok(migrated)
}

/// What the migration of one CRD deletes from its objects.
struct MigrationLoss<'a> {
    crd: &'a Crd,
    evidence: Evidence,
}

impl MigrationLoss<'_> {
    fn describe(&self) -> String {
        let Evidence { objects_losing_fields: losing, objects_checked: all, .. } = self.evidence;
        match &self.evidence.unread_loss {
            Some(reason) if losing == 0 => format!("{}: fields may be lost: {reason}", self.crd.name()),
            _ => format!("{}: {}", self.crd.name(), describe_loss(losing, all, &self.evidence.list_lost_fields())),
        }
    }
}

async fn find_losses<'a>(cluster: &Cluster, crds: &'a [Crd]) -> Vec<MigrationLoss<'a>> {
    let server = cluster.get("/version").await.ok().and_then(|version| version["gitVersion"].as_str()?.parse().ok());
    let mut losses = Vec::new();
    for crd in crds {
        let server = server.unwrap_or(ServerVersion::NEWEST);
        let evidence = stored_fields::judge_outdated_objects(cluster, crd, crd, server).await;
        if evidence.objects_losing_fields > 0 || evidence.unread_loss.is_some() {
            losses.push(MigrationLoss { crd, evidence });
        }
    }
    losses
}

fn refuse_losses(losses: &[MigrationLoss<'_>]) -> CrdsError {
    let lines: Vec<String> = losses.iter().map(MigrationLoss::describe).collect();
    CrdsError::FieldLoss(Cause::new(lines.join("\n")))
}

/// Backs up the objects in each version in which they may be stored: only there the fields can be read.
async fn back_up_losing_objects(
    cluster: &Cluster,
    losses: &[MigrationLoss<'_>],
    stop: &StopSignal,
    emit: Emit<'_>,
) -> Result<(), Problem> {
    let state = state_dir().ok_or(CrdsError::NoBackupFolder)?;
    let run = jiff::Timestamp::now().strftime("migrate-%Y%m%d-%H%M%S").to_string();
    let folder = cluster_state_dir(&state, &cluster.context).join(run);
    for loss in losses {
        for version in outdated_stored_versions(loss.crd) {
            let Some(stored) = stored_fields::store_as(loss.crd, &version) else { continue };
            let into = folder.join(encode_file_name(&format!("{}-{version}", loss.crd.name())));
            let index = create_backup(cluster, &[stored], &into, stop, emit).await?;
            if let Some(reason) = index.crds.iter().find_map(|crd| crd.read_failure.as_ref()) {
                let (name, reason) = (loss.crd.name().to_owned(), Cause::new(reason));
                return Err(CrdsError::IncompleteBackup { name, reason }.into());
            }
            let objects: u64 = index.crds.iter().map(|crd| crd.objects).sum();
            let detail = format!("{} as {version}: {objects} objects in {}", loss.crd.name(), into.display());
            emit(Event::StageDone { stage: "backup", detail, seconds: 0.0 });
        }
    }
    Ok(())
}

const fn choose_route(by: Rewriter) -> MigrationRoute {
    match by {
        Rewriter::Auto => MigrationRoute::Auto,
        Rewriter::Cluster => MigrationRoute::Cluster,
        Rewriter::Client => MigrationRoute::Client,
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
