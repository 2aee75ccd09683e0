//! The CRD-change checks as a table and as a page, for `helm mural crds check --explain` and CHECKS.md of the helm plugin.
//!
//! The texts come from the cards; this file only arranges them. A unit test compares CHECKS.md with [`render_changes_page`].

use std::fmt::Write as _;

use crate::checks::crd_changes::{AffectedParty, ChangeCheck, checks};

const PAGE_INTRODUCTION: &str = "# Checks of CRD changes\n\nEvery check of `helm mural crds check` has an id. The id is its anchor on this page and its name in `.mural-waivers.yaml`.\n\
    `helm mural crds check --explain ID` shows the same text offline. `--explain all` lists all checks.\n\n\
    The level is the highest that a change can have: that of a breaking change without evidence. Changes that only loosen the schema are infos.\n\
    If a check affects stored objects, its errors become warnings after a complete check found no affected object.\n\n\
    This page is generated: `MURAL_UPDATE=1 cargo test -p mural --all-features the_page_of_changes`.\n";

/// What the change affects, as it completes `Affects: …`
#[must_use]
pub const fn affected_party(check: &ChangeCheck) -> &'static str {
    match check.affects {
        AffectedParty::Server => "the API server rejects the CRD",
        AffectedParty::Objects => "stored objects",
        AffectedParty::Clients => "clients",
        AffectedParty::None => "nothing",
    }
}

/// One row per check: id, level, affected party, link to the source of the rule.
pub fn table_rows() -> impl Iterator<Item = [&'static str; 4]> {
    checks().map(|check| [check.card.id, check.card.level.as_str(), affected_party(check), check.source])
}

/// One check as `--explain ID` prints it.
#[must_use]
pub fn render_explanation(check: &ChangeCheck) -> String {
    let card = &check.card;
    format!(
        "{}\n  {}\n\nlevel    up to {}\naffects  {}\nwhy      {}\nfix      {}\nsource   {}\n",
        card.id,
        card.summary(),
        card.level.as_str(),
        affected_party(check),
        card.why,
        card.fix,
        check.source
    )
}

/// CHECKS.md of the helm plugin: a table of contents, then one heading per check, which is its anchor.
#[must_use]
pub fn render_changes_page() -> String {
    let mut text = String::from(PAGE_INTRODUCTION);
    text.push_str("\n| check | level | affects | source |\n| --- | --- | --- | --- |\n");
    for [id, level, affected, source] in table_rows() {
        let _ = writeln!(text, "| [{id}](#{id}) | {level} | {affected} | [{}]({source}) |", source_label(source));
    }
    for check in checks() {
        let card = &check.card;
        let _ = write!(
            text,
            "\n## {}\n\n{} Level: up to {}. Affects: {}.\n\n**Why.** {}\n\n**Fix.** {}\n\n**Source.** <{}>\n",
            card.id,
            card.summary(),
            card.level.as_str(),
            affected_party(check),
            card.why,
            card.fix,
            check.source
        );
    }
    text
}

/// A short text for a link, because a full one would make a table row hundreds of characters wide: `validation.go`, `issue 7279`.
fn source_label(source: &str) -> String {
    let last = source.trim_end_matches('/').rsplit('/').next().unwrap_or(source);
    if source.contains("/issues/") { format!("issue {last}") } else { last.to_owned() }
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
            "CHECKS.md is not current: MURAL_UPDATE=1 cargo test -p mural --all-features the_page_of_changes"
        );
        assert!(checks().all(|check| now.contains(&format!("\n## {}\n", check.card.id))));
    }
}
