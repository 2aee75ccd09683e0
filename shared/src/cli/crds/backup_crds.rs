//! `helm mural crds save DIR`: back up CRDs and their custom resources.

use crate::cli::signals::Signals;
use crate::cli::{Stream, style_for};
use crate::cluster::Cluster;
use crate::problem::{Exit, Problem};
use crate::report::backup_report::BackupReport;
use crate::run::backup::create::create_backup;
use crate::tools::spawn::StopSignal;

use crate::cli::crds::flags::BackupCrdsFlags;
use crate::cli::crds::helm_env::HelmEnv;
use crate::cli::crds::{build_event_printer, select_crds};

/// Writes the backup and reports its content.
pub(crate) async fn run(helm_env: &HelmEnv, flags: &BackupCrdsFlags) -> Result<Exit, Problem> {
    let cluster = Cluster::connect(&helm_env.cluster).await?;
    let crds = select_crds(&cluster, &flags.select).await?;
    let stop = StopSignal::default();
    let emit = build_event_printer(flags.output.style);
    let index = Signals::new()?.run_writing(&stop, create_backup(&cluster, &crds, &flags.folder, &stop, &emit)).await?;
    let report = BackupReport { folder: flags.folder.display().to_string(), index };
    let style = style_for(Stream::Stdout, flags.output.style);
    Stream::Stdout.write(&flags.output.output.render(&report, || report.render_table(style))?);
    Ok(if report.is_complete() { Exit::Success } else { Exit::Failed })
}
