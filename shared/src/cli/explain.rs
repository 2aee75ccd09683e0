//! `--explain ID`: the description of a check or guard. Needs no cluster.

use super::Stream;
use crate::catalogue;
use crate::checks::crd_changes::{checks, page};
use crate::problem::{Exit, Problem};

/// Prints the description of a check or guard. For a check of CRD changes, it includes the source of the rule.
///
/// # Errors
/// A usage error with the most similar ids.
pub fn explain(id: &str) -> Result<Exit, Problem> {
    let card = catalogue::find_card("--explain", id)?;
    let text = match checks().find(|check| check.card.id == card.id) {
        Some(check) => page::render_explanation(check),
        None => catalogue::render_explanation(card),
    };
    Stream::Stdout.write(&text);
    Ok(Exit::Success)
}
