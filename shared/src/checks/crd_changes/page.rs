//! The checks of changes as a table, and as a page: for `--explain` and for CHECKS.md.

use std::fmt::Write as _;

use crate::checks::crd_changes::{AffectedParty, ChangeCheck, checks};

const PAGE_INTRODUCTION: &str = "# Checks of CRD changes\n\nEvery check of `helm mural crds check` has an id, which is also its anchor here and its name in `.mural-waivers.yaml`.\n\
    The same without a network: `helm mural crds check --explain all`, and `--explain ID`.\n\n\
    The level is that of a finding without evidence. Where a check looks at objects, its errors sink to warnings after a\n\
    complete look at all of them found nobody hurt; what only loosens, or adds what nobody has yet, is a note.\n\n\
    This page is written from the checks' own cards: `MURAL_UPDATE=1 cargo test -p mural the_page_of_changes`.\n";

/// Whom it hurts, in a word.
#[must_use]
pub const fn affected_party(check: &ChangeCheck) -> &'static str {
    match check.affects {
        AffectedParty::Server => "server refuses",
        AffectedParty::Objects => "objects",
        AffectedParty::Clients => "clients",
        AffectedParty::None => "nobody",
    }
}

/// The rows: id, level, whom it hurts, where the rule comes from.
pub fn table_rows() -> impl Iterator<Item = [&'static str; 4]> {
    checks().map(|check| [check.card.id, check.card.level.plural(), affected_party(check), check.source])
}

/// CHECKS.md of the helm plugin.
#[must_use]
pub fn render_changes_page() -> String {
    let mut text = String::from(PAGE_INTRODUCTION);
    text.push_str("\n| check | level | hurts | source of the rule |\n| --- | --- | --- | --- |\n");
    for [id, level, hurts, source] in table_rows() {
        let _ = writeln!(text, "| [{id}](#{id}) | {level} | {hurts} | {source} |");
    }
    for check in checks() {
        let card = &check.card;
        let _ = write!(
            text,
            "\n## {}\n\nAsks that {}. Its findings are {}; it hurts: {}.\n\n**Why.** {}\n\n**What to do.** {}\n\n**Source.** {}\n",
            card.id,
            card.title,
            card.level.plural(),
            affected_party(check),
            card.why,
            card.fix,
            check.source
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test that rewrites its page on demand")]
    fn the_page_of_changes_is_current_and_holds_every_anchor() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../plugins/helm-mural/CHECKS.md");
        if std::env::var_os("MURAL_UPDATE").is_some() {
            std::fs::write(file, render_changes_page()).unwrap();
        }
        let now = std::fs::read_to_string(file).unwrap_or_default();
        assert!(
            now == render_changes_page(),
            "CHECKS.md is not current: MURAL_UPDATE=1 cargo test -p mural the_page_of_changes"
        );
        assert!(checks().all(|check| now.contains(&format!("\n## {}\n", check.card.id))));
    }
}
