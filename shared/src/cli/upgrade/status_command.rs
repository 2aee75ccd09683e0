//! `kubectl mural upgrade status`: the current run, the releases and the earlier runs.

use crate::cli::environment::{identify_holder, state_dir};
use crate::cli::{Stream, style_for};
use crate::problem::{Exit, Problem};
use crate::report::status_report::render;
use crate::run::delete_backup::delete_backup;
use crate::run::upgrade_status;

use crate::cli::upgrade::flags::StatusFlags;

/// Shows the status, or deletes a backup with `--forget`. A status with read failures, or of a namespace that does not exist, exits with code 3.
pub(crate) async fn status(flags: &StatusFlags) -> Result<Exit, Problem> {
    if let Some(run) = &flags.forget {
        let dropped = delete_backup(&flags.installation.to_installation()?, run, state_dir().as_deref()).await?;
        Stream::Stdout.write(&format!("{dropped}\n"));
        return Ok(Exit::Success);
    }
    let (holder, local_run_locks) = identify_holder();
    let status = upgrade_status::read_status(&flags.installation.to_installation()?, holder, local_run_locks).await?;
    let style = style_for(Stream::Stdout, flags.style);
    Stream::Stdout.write(&flags.output.render(&status, || render(&status, style))?);
    Ok(if status.is_complete() { Exit::Success } else { Exit::ChecksFailed })
}
