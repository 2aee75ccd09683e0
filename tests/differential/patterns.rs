//! Patterns that chance puts together, against Go's own `regexp`.

use std::fmt::Write as _;

use anyhow::{Result, ensure};
use mural::schema::crd_rules::predict_schema_rejections;
use mural::schema::{Schema, ServerVersion, Validity};
use serde_json::{Value, json};

use crate::oracle::Oracle;
use crate::random::Random;

/// What patterns are made of: atoms, repetitions, groups, flags, classes, and pieces that are wrong alone.
const PIECES: [&str; 96] = [
    "a",
    "b",
    "Z",
    "0",
    "7",
    "-",
    "_",
    " ",
    "#",
    "é",
    "☺",
    ".",
    "^",
    "$",
    "|",
    "(",
    ")",
    "(a)",
    "(?:",
    "(?i)",
    "(?-i)",
    "(?s:",
    "(?m)",
    "(?x)",
    "(?U)",
    "(?i-s:",
    "(?P<n>",
    "(?<m>",
    "(?P<>",
    "(?=",
    "(?!",
    "(?>",
    "*",
    "+",
    "?",
    "*?",
    "+?",
    "??",
    "**",
    "{2}",
    "{2,}",
    "{,2}",
    "{1,3}",
    "{3,1}",
    "{02}",
    "{1000}",
    "{1001}",
    "{0}",
    "{",
    "}",
    "{a}",
    "[",
    "]",
    "[a-c]",
    "[^a-c]",
    "[]a]",
    "[^]a]",
    "[a-",
    "[z-a]",
    "[-a]",
    "[a&&b]",
    "[a~~b]",
    "[--/]",
    "[[:alpha:]]",
    "[[:^digit:]]",
    "[[:foo:]]",
    "[[:alpha]",
    "[\\d-z]",
    "[\\p{L}_]",
    "[^\\P{L}]",
    "\\d",
    "\\D",
    "\\w",
    "\\W",
    "\\s",
    "\\S",
    "\\b",
    "\\B",
    "\\A",
    "\\z",
    "\\Z",
    "\\C",
    "\\pL",
    "\\p{Lu}",
    "\\p{^Greek}",
    "\\P{Latin}",
    "\\p{Emoji}",
    "\\p{",
    "\\x41",
    "\\x{61}",
    "\\x{}",
    "\\101",
    "\\8",
    "\\Qa.b\\E",
    "\\Q",
    "\\",
];

const TEXTS: [&str; 28] = [
    "", "a", "b", "A", "Z", "aa", "aaa", "ab", "aB", "abc", "0", "77", "-", "_", " ", "#", "é", "☺", "ω", "Ω", "a.b",
    "a&b", "a\nb", "\n", "{a}", "[a]", "(a)", "٣",
];

/// Patterns of one question.
const BATCH: usize = 500;

/// Both must reject the same patterns, and find the others in the same texts.
pub fn agree(count: usize, random: &mut Random, oracle: &mut Oracle) -> Result<()> {
    let (mut differences, mut rejected) = (String::new(), 0_usize);
    for _ in 0..count.div_ceil(BATCH) {
        let patterns: Vec<String> = (0..BATCH).map(|_| build_pattern(random)).collect();
        let answer = oracle.ask(&json!({"patterns": patterns, "texts": TEXTS}))?;
        for (pattern, theirs) in patterns.iter().zip(answer["patterns"].as_array().into_iter().flatten()) {
            let is_rejected = theirs["error"].is_string();
            rejected += usize::from(is_rejected);
            let ours = judge(pattern);
            let found =
                theirs["found"].as_array().map(|all| all.iter().map(|found| *found == true).collect::<Vec<bool>>());
            if ours != found {
                let _ = writeln!(differences, "{pattern:?}: Go says {theirs}, we say {ours:?}");
            }
        }
    }
    println!("\n{count} patterns, {rejected} rejected by Go");
    ensure!(differences.is_empty(), "{differences}");
    Ok(())
}

fn build_pattern(random: &mut Random) -> String {
    (0..=random.below(5)).map(|_| *random.pick(&PIECES)).collect()
}

/// In which texts we find it; none where we say that the API server rejects the pattern.
fn judge(pattern: &str) -> Option<Vec<bool>> {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string", "pattern": pattern}}});
    let crd = json!({"spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]}});
    let rejections = predict_schema_rejections(None, &crd);
    if rejections.iter().any(|rejection| rejection.to_string().contains("must be a valid regular expression")) {
        return None;
    }
    let schema = Schema::new(&schema, ServerVersion::NEWEST);
    let object =
        |text: &str| -> Value { json!({"apiVersion": "x/v1", "kind": "A", "metadata": {"name": "a"}, "a": text}) };
    Some(TEXTS.iter().map(|text| schema.validate(&object(text)).create == Validity::Valid).collect())
}
