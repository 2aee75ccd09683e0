//! `--explain ID`: the card of a check or guard. Needs no cluster.

use super::Stream;
use crate::catalogue;
use crate::checks::crd_changes::{checks, page};
use crate::problem::{Exit, Problem};

/// Prints the explanation of the check or guard with that id; a check of CRD changes also has the source of its rule.
///
/// # Errors
/// A usage problem with the nearest ids.
pub fn explain(id: &str) -> Result<Exit, Problem> {
    let card = catalogue::find_card("--explain", id)?;
    let text = match checks().find(|check| check.card.id == card.id) {
        Some(check) => page::render_explanation(check),
        None => catalogue::render_explanation(card),
    };
    Stream::Stdout.write(&text);
    Ok(Exit::Success)
}
