//! Every card of the suite, and the texts made of them: `--explain`, `--list-checks`, completion and CHECKS.md.
//!
//! The cards themselves stand in `checks/` and `guards/`; this file only collects, sorts and prints them. Unit tests compare CHECKS.md
//! with [`render_checks_page`], and the ids with each other.

use std::fmt::Write as _;

use crate::checks::{crd_changes, health_checks};
use crate::guards;
use crate::model::check::{Card, docs_link};
use crate::problem::suggest::UnknownCheck;

/// Every card, ordered by section and then by position in its list.
#[must_use]
pub fn cards() -> Vec<&'static Card> {
    // Chain another list of checks here: it is then explained, documented and tested like the rest.
    let guards = guards::ALL.iter().map(|guard| guard.card);
    let changes = crd_changes::checks().map(|check| &check.card);
    let mut all: Vec<&'static Card> =
        guards.chain(changes).chain(health_checks::HEALTH_CHECKS.iter().map(|check| check.card)).collect();
    all.sort_by_key(|card| card.section);
    all
}

/// Finds a card by its id; `flag` names the flag that the id was given with.
///
/// # Errors
/// A usage error if no card has this id. Its hints show the most similar ids.
pub fn find_card(flag: &str, id: &str) -> Result<&'static Card, UnknownCheck> {
    let all = cards();
    all.iter()
        .copied()
        .find(|card| card.id == id)
        .ok_or_else(|| UnknownCheck::new(flag, id, all.iter().map(|card| card.id)))
}

/// One check as `--explain ID` prints it.
#[must_use]
pub fn render_explanation(card: &Card) -> String {
    format!(
        "{}\n  {}\n\nsection  {}\nlevel    {}\nwhy      {}\nfix      {}\ndocs     {}\n",
        card.id,
        card.summary(),
        card.section.title(),
        card.level.as_str(),
        card.why,
        card.fix,
        docs_link(card.id)
    )
}

/// CHECKS.md: a table of contents by section, then one heading per check, which is its anchor.
#[must_use]
pub fn render_checks_page() -> String {
    let cards = cards();
    let sections: Vec<&[&Card]> = cards.chunk_by(|one, next| one.section == next.section).collect();
    let mut text = String::from(PAGE_INTRODUCTION);
    for section in &sections {
        write_contents(&mut text, section);
    }
    for section in &sections {
        write_section(&mut text, section);
    }
    text
}

/// One line of the table of contents: the section, and a link to each of its checks.
fn write_contents(text: &mut String, cards: &[&Card]) {
    let links: Vec<String> = cards.iter().map(|card| format!("[{id}](#{id})", id = card.id)).collect();
    let title = cards.first().map_or("", |card| card.section.title());
    let _ = writeln!(text, "- **{title}**: {}", links.join(", "));
}

fn write_section(text: &mut String, cards: &[&Card]) {
    let title = cards.first().map_or("", |card| card.section.title());
    let _ = write!(text, "\n## {title}\n");
    for card in cards {
        let (level, summary) = (card.level.as_str(), card.summary());
        let Card { id, why, fix, .. } = card;
        let _ = write!(text, "\n### {id}\n\n{summary} Level: {level}.\n\n**Why.** {why}\n\n**Fix.** {fix}\n");
    }
}

const PAGE_INTRODUCTION: &str = "# Checks\n\nEvery check has an id, which is also its anchor on this page. `kubectl mural validate --explain ID` shows the same text offline.\n\n\
    A check passes, fails with findings, is skipped because it does not apply, or is undetermined because something could not be read. \
    Undetermined never counts as passed.\n\n\
    This page is generated: `MURAL_UPDATE=1 cargo test -p mural --all-features catalogue`.\n\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Problem;

    #[test]
    fn ids_are_unique_and_cards_complete() {
        let all = cards();
        let ids: std::collections::BTreeSet<&str> = all.iter().map(|card| card.id).collect();
        assert_eq!(ids.len(), all.len());
        for card in all {
            let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(card.id.chars().all(lower), "{}", card.id);
            assert!(card.why.len() > 20 && card.fix.len() > 20 && !card.title.ends_with('.'), "{}", card.id);
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test that rewrites its page on demand")]
    fn the_catalogue_page_is_current_and_holds_every_anchor() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../plugins/kubectl-mural-validate/CHECKS.md");
        if std::env::var_os("MURAL_UPDATE").is_some() {
            std::fs::write(file, render_checks_page()).unwrap();
        }
        let page = std::fs::read_to_string(file).unwrap_or_default();
        let how = "CHECKS.md is not current: MURAL_UPDATE=1 cargo test -p mural --all-features catalogue";
        assert!(page == render_checks_page(), "{how}");
        for card in cards() {
            let anchor = card.finding("", "", "").docs;
            let (_, id) = anchor.split_once('#').unwrap();
            assert!(page.contains(&format!("\n### {id}\n")), "{id}: {how}");
        }
    }

    #[test]
    fn an_unknown_id_names_its_neighbours() {
        let problem = Problem::from(find_card("--explain", "crd-establish").unwrap_err());
        assert!(problem.hints[0].contains("crd-established"), "{:?}", problem.hints);
        assert_eq!(problem.exit.code(), 64);
        assert!(find_card("--explain", "crd-established").is_ok());
    }
}
