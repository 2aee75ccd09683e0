//! `helm mural crds save DIR`

use mural::cli::signals::Signals;
use mural::cli::{Stream, style_for};
use mural::cluster::Cluster;
use mural::problem::{Exit, Problem};
use mural::report::keep::SaveReport;
use mural::run::keep::save::save;
use mural::tools::spawn::Stop;

use crate::edge::Around;
use crate::flags::SaveFlags;
use crate::{selected, talk};

/// Saves, and says what.
pub(crate) async fn run(around: &Around, flags: &SaveFlags) -> Result<Exit, Problem> {
    let cluster = Cluster::connect(&around.cluster).await?;
    let crds = selected(&cluster, &flags.select).await?;
    let stop = Stop::default();
    let emit = talk(flags.output.look);
    let index = Signals::new()?.writing(&stop, save(&cluster, &crds, &flags.folder, &stop, &emit)).await?;
    let report = SaveReport { folder: flags.folder.display().to_string(), index };
    let style = style_for(Stream::Answer, flags.output.look);
    Stream::Answer.write(&flags.output.output.form(&report, || report.table(style))?);
    Ok(if report.whole() { Exit::Fine } else { Exit::Failed })
}
