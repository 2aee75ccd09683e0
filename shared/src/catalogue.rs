//! All cards: for `--explain`, `--list-checks`, and CHECKS.md.

use crate::problem::suggest::unknown_check;
use std::fmt::Write as _;

use crate::checks::{crd_changes, health_checks};
use crate::guards;
use crate::model::check::{Card, Section};
use crate::problem::Problem;

/// Every card of the suite, in the order of its section and then of its list.
#[must_use]
pub fn cards() -> Vec<&'static Card> {
    // Another list of checks is chained here, and is then explained, documented and tested like the rest.
    let guards = guards::ALL.iter().map(|(card, _)| *card);
    let changes = crd_changes::checks().map(|check| &check.card);
    let mut all: Vec<&'static Card> =
        guards.chain(changes).chain(health_checks::HEALTH_CHECKS.iter().map(|check| check.card)).collect();
    all.sort_by_key(|card| card.section);
    all
}

/// The card of that id.
///
/// # Errors
/// A usage problem with the nearest ids.
pub fn find_card(flag: &str, id: &str) -> Result<&'static Card, Problem> {
    let all = cards();
    all.iter()
        .copied()
        .find(|card| card.id == id)
        .ok_or_else(|| unknown_check(flag, id, all.iter().map(|card| card.id)))
}

/// CHECKS.md: one heading a check, which is its anchor.
#[must_use]
pub fn render_checks_page() -> String {
    let mut text = String::from(PAGE_INTRODUCTION);
    let mut section: Option<Section> = None;
    for card in cards() {
        if section != Some(card.section) {
            section = Some(card.section);
            let _ = write!(text, "\n## {}\n", card.section.title());
        }
        let level = card.level.plural();
        let Card { id, title, why, fix, .. } = card;
        let _ = write!(
            text,
            "\n### {id}\n\nAsks that {title}. Its findings are {level}.\n\n**Why.** {why}\n\n**What to do.** {fix}\n"
        );
    }
    text
}

const PAGE_INTRODUCTION: &str = "# Checks\n\nEvery check has an id, which is also its anchor here. The same text without a network: `kubectl mural validate --explain ID`.\n\
    A check passes, fails with findings, is skipped because it does not apply, or is undetermined because it could not look; that last is never a pass.\n\n\
    This page is written from the checks' own cards: `MURAL_UPDATE=1 cargo test -p mural catalogue`.\n";

#[cfg(test)]
mod tests {
    use super::*;

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
        let how = "CHECKS.md is not current: MURAL_UPDATE=1 cargo test -p mural catalogue";
        assert!(page == render_checks_page(), "{how}");
        for card in cards() {
            let anchor = card.finding("", "", "").docs;
            let (_, id) = anchor.split_once('#').unwrap();
            assert!(page.contains(&format!("\n### {id}\n")), "{id}: {how}");
        }
    }

    #[test]
    fn an_unknown_id_names_its_neighbours() {
        let problem = find_card("--explain", "crd-establish").unwrap_err();
        assert!(problem.hints[0].contains("crd-established"), "{:?}", problem.hints);
        assert_eq!(problem.exit.code(), 64);
        assert!(find_card("--explain", "crd-established").is_ok());
    }
}
