//! `kubectl mural upgrade status`: where an upgrade stands.

use mural::cli::around::{ourselves, state};
use mural::cli::{Stream, style_for};
use mural::problem::{Exit, Problem};
use mural::report::status::render;
use mural::run::forget::forget;
use mural::run::status;

use crate::flags::StatusFlags;

/// Looks, and tells. What could not be read is told too, and is no success.
pub(crate) async fn status(flags: &StatusFlags) -> Result<Exit, Problem> {
    if let Some(run) = &flags.forget {
        let dropped = forget(&flags.place.installation()?, run, state().as_deref()).await?;
        Stream::Answer.write(&format!("{dropped}\n"));
        return Ok(Exit::Fine);
    }
    let (claim, workstation) = ourselves();
    let status = status::status(&flags.place.installation()?, claim, workstation).await?;
    let style = style_for(Stream::Answer, flags.look);
    Stream::Answer.write(&flags.output.form(&status, || render(&status, style))?);
    Ok(if status.not_seen.is_empty() && status.unread.is_empty() { Exit::Fine } else { Exit::ChecksFailed })
}
