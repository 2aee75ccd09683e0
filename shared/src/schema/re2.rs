//! Patterns as the server reads them: Go's RE2 syntax, put into the words of the `regex` crate.
//!
//! [`go_syntax`] parses a pattern as Go does and writes it for the crate. A pattern that Go reads and the crate does not (a class
//! that its Unicode tables lack, a program beyond every size) is *undetermined*, never rejected.

mod go_classes;
mod go_escapes;
mod go_syntax;
mod syntax_error;
mod unicode_classes;

use std::sync::OnceLock;

use regex::{Regex, RegexBuilder};

/// The largest program that a pattern may become: `^.{1,32768}$` is one of 10 MB.
const MAX_PROGRAM_BYTES: usize = 256 << 20;

/// A pattern, read when it is first needed.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) text: String,
    compiled: OnceLock<Result<Regex, String>>,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), compiled: OnceLock::new() }
    }

    /// Whether it is found in `text`.
    ///
    /// # Errors
    /// The pattern cannot be read here.
    pub(super) fn is_match(&self, text: &str) -> Result<bool, String> {
        let compiled = self.compiled.get_or_init(|| {
            let unreadable = || format!("the pattern '{}' cannot be read here", self.text);
            let translated = go_syntax::translate(&self.text).map_err(|_| unreadable())?;
            RegexBuilder::new(&translated).size_limit(MAX_PROGRAM_BYTES).build().map_err(|_| unreadable())
        });
        compiled.as_ref().map(|regex| regex.is_match(text)).map_err(Clone::clone)
    }
}

/// Whether the server can read a pattern.
///
/// # Errors
/// Why not, in Go's words.
pub(super) fn check_readable(pattern: &str) -> Result<(), String> {
    go_syntax::translate(pattern).map(drop).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[track_caller]
    fn is_match(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern).is_match(text).unwrap()
    }

    /// What Go 1.26 says of each pattern: an error, or the texts in which it is found. The first line holds all texts.
    /// `tests/differential/patterns.rs` asks Go itself about patterns that chance makes.
    #[test]
    fn every_pattern_is_read_as_go_reads_it() {
        let mut lines = include_str!("re2/go_1.26.jsonl").lines().map(|line| serde_json::from_str(line).unwrap());
        let texts: Vec<String> = serde_json::from_value(lines.next().unwrap()).unwrap();
        let mut wrong = Vec::new();
        let mut count = 0;
        for line in lines {
            let (pattern, answer): (String, Value) = serde_json::from_value(line).unwrap();
            count += 1;
            let found = |text: &&String| Pattern::new(&pattern).is_match(text).unwrap_or_default();
            let ours = match check_readable(&pattern) {
                Ok(()) => Value::from_iter(texts.iter().filter(found).cloned()),
                Err(error) => Value::from(error),
            };
            if ours != answer {
                wrong.push(format!("{pattern}: Go says {answer}, we say {ours}"));
            }
        }
        assert!(wrong.is_empty() && count > 60, "{}", wrong.join("\n"));
    }

    #[test]
    fn patterns_that_go_reads_differently() {
        assert!(is_match("^(?i)(abort|warn)?$", "WARN"));
        assert!(is_match(r"^\d+$", "12") && !is_match(r"^\d+$", "١٢"), "Arabic digits are no \\d in Go");
        assert!(!is_match(r"^\w$", "ä") && is_match(r"^[\w-]+$", "a-b"));
        assert!(is_match(r"^[[a]$", "["), "[ is a plain character in brackets");
        assert!(is_match(r"^[a&&b]+$", "a&b") && is_match(r"^[]a]+$", "a]"));
        assert!(is_match(r"^{a}$", "{a}") && is_match(r"^a{,2}$", "a{,2}") && is_match(r"^a{2}$", "aa"));
        assert!(is_match(r"^\Qa.b\Ec$", "a.bc") && !is_match(r"^\Qa.b\Ec$", "axbc"));
        assert!(is_match(r"^\<x\>$", "<x>") && is_match(r"^[[:alpha:]]+$", "ab") && is_match(r"^\101$", "A"));
        assert!(is_match("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "a-0") && is_match(r"^[--/]$", "."), "a range from - to /");
    }

    #[test]
    fn an_unreadable_pattern_has_a_reason() {
        assert!(Pattern::new("(?=x)").is_match("x").unwrap_err().contains("(?=x)"));
    }
}
