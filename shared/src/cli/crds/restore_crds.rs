//! `helm mural crds restore DIR`: restore a backup of `save`.

use crate::cli::signals::Signals;
use crate::cli::{Stream, style_for};
use crate::cluster::Cluster;
use crate::problem::{Exit, Problem};
use crate::run::backup::restore::Restore;
use crate::tools::spawn::StopSignal;

use crate::cli::crds::build_event_printer;
use crate::cli::crds::crds_error::CrdsError;
use crate::cli::crds::flags::RestoreFlags;
use crate::cli::crds::helm_env::HelmEnv;

/// Reads the backup, asks for the confirmation and restores it.
pub(crate) async fn run(helm_env: &HelmEnv, flags: &RestoreFlags) -> Result<Exit, Problem> {
    let mode = flags.write.to_write_mode();
    mode.require_terminal("")?;
    let cluster = Cluster::connect(&helm_env.cluster).await?;
    let stop = StopSignal::default();
    let restore = Restore::prepare(&cluster, &flags.folder, flags.overwrite).await?;
    if !flags.create_namespace && !restore.missing_namespaces.is_empty() {
        return Err(CrdsError::NoNamespace(restore.missing_namespaces.iter().cloned().collect()).into());
    }
    Stream::Stderr.write(&render_plan(&restore, flags, &cluster.context));
    let report = if mode.can_write() {
        mode.require_consent().await?;
        let emit = build_event_printer(flags.output.style);
        Signals::new()?.run_writing(&stop, restore.run(flags.create_namespace, &stop, &emit)).await?
    } else {
        restore.new_report()
    };
    let style = style_for(Stream::Stdout, flags.output.style);
    Stream::Stdout.write(&flags.output.output.render(&report, || report.render_table(style))?);
    Ok(if report.is_complete() { Exit::Success } else { Exit::Failed })
}

fn render_plan(restore: &Restore, flags: &RestoreFlags, context: &str) -> String {
    let ((crds, objects), report) = (restore.extent(), restore.new_report());
    let existing = if flags.overwrite { "replaced" } else { "left unchanged" };
    format!(
        "{context}: restore {crds} CRDs and {objects} objects, backed up {} from {}; existing ones are {existing}\n",
        report.backup_created_at, report.backup_cluster
    )
}
