//! Patterns as the server reads them: Go's RE2 syntax, put into the words of the `regex` crate.
//!
//! The two differ, and here is where that is mended: `\d`, `\w`, `\s` and `\b` know only ASCII in Go; inside of brackets
//! `[`, `&&`, `--` and `~~` are plain characters there; `{` that begins no repetition is a plain character; `\<` and
//! `\>` are plain too; `\Q…\E` quotes. What is left different: Go refuses more than 1,000 repetitions (such a CRD is
//! refused when it is written), and `\C` is not known here. A pattern that cannot be read is *undetermined*.

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
            let built = RegexBuilder::new(&translate_from_go(&self.text)).size_limit(MAX_PROGRAM_BYTES).build();
            built.map_err(|_| format!("the pattern '{}' cannot be read here", self.text))
        });
        compiled.as_ref().map(|regex| regex.is_match(text)).map_err(Clone::clone)
    }
}

/// The most repetitions that Go takes (`regexp/syntax`, `maxRepeat`).
const MAX_REPETITIONS: u32 = 1000;

/// Whether the server can read a pattern.
///
/// # Errors
/// Why not, in a few words.
pub(super) fn check_readable(pattern: &str) -> Result<(), String> {
    let counts = pattern.split('{').skip(1).filter(|rest| is_repetition(&format!("{{{rest}")));
    let numbers = counts.filter_map(|rest| rest.split_once('}')).flat_map(|(inner, _)| inner.split(','));
    if numbers.filter_map(|number| number.parse().ok()).any(|number: u32| number > MAX_REPETITIONS) {
        return Err("error parsing regexp: invalid repeat count".to_owned());
    }
    let read = RegexBuilder::new(&translate_from_go(pattern)).size_limit(MAX_PROGRAM_BYTES).build();
    read.map(drop).map_err(|_| "error parsing regexp".to_owned())
}

/// A pattern of Go in the words of `regex`.
fn translate_from_go(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    while let Some(next) = rest.chars().next() {
        let consumed = match next {
            '\\' => translate_escape(rest, false, &mut out),
            '[' => translate_class(rest, &mut out),
            '{' if !is_repetition(rest) => {
                out.push_str("\\{");
                1
            }
            other => {
                out.push(other);
                other.len_utf8()
            }
        };
        rest = rest.get(consumed..).unwrap_or_default();
    }
    out
}

/// `{2}`, `{2,}`, `{2,5}`: Go takes any other `{` as a plain character.
fn is_repetition(rest: &str) -> bool {
    let Some(inner) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(inner, _)| inner) else {
        return false;
    };
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    inner
        .split_once(',')
        .map_or_else(|| number(inner), |(least, most)| number(least) && (most.is_empty() || number(most)))
}

/// Writes one escape; says how many bytes of the pattern it was.
fn translate_escape(rest: &str, in_class: bool, out: &mut String) -> usize {
    let Some(letter) = rest.chars().nth(1) else {
        out.push('\\');
        return 1;
    };
    let plain = |inside: &str| if in_class { inside.to_owned() } else { format!("[{inside}]") };
    match letter {
        'd' => out.push_str(&plain("0-9")),
        'w' => out.push_str(&plain("0-9A-Za-z_")),
        's' => out.push_str(&plain("\\t\\n\\f\\r ")),
        'D' => out.push_str("[^0-9]"),
        'W' => out.push_str("[^0-9A-Za-z_]"),
        'S' => out.push_str("[^\\t\\n\\f\\r ]"),
        'b' if !in_class => out.push_str("(?-u:\\b)"),
        'B' if !in_class => out.push_str("(?-u:\\B)"),
        '<' | '>' => out.push(letter),
        'Q' if !in_class => return translate_quote(rest, out),
        '0'..='7' => return translate_octal(rest, out),
        other => {
            out.push('\\');
            out.push(other);
        }
    }
    1 + letter.len_utf8()
}

fn translate_quote(rest: &str, out: &mut String) -> usize {
    let inner = rest.get(2..).unwrap_or_default();
    let end = inner.find("\\E");
    out.push_str(&regex::escape(&inner[..end.unwrap_or(inner.len())]));
    end.map_or(rest.len(), |end| 2 + end + 2)
}

/// `\0`, `\07`, `\123`: a character by its octal number.
fn translate_octal(rest: &str, out: &mut String) -> usize {
    let digits: String = rest.chars().skip(1).take(3).take_while(|digit| ('0'..='7').contains(digit)).collect();
    let number = u32::from_str_radix(&digits, 8).unwrap_or_default();
    out.push_str(&format!("\\x{{{number:X}}}"));
    1 + digits.len()
}

/// Writes a bracket expression; says how many bytes of the pattern it was.
fn translate_class(rest: &str, out: &mut String) -> usize {
    let mut at = 1;
    out.push('[');
    if rest[at..].starts_with('^') {
        out.push('^');
        at += 1;
    }
    let mut first = true;
    while let Some(next) = rest[at..].chars().next() {
        let here = &rest[at..];
        match next {
            ']' if !first => {
                out.push(']');
                return at + 1;
            }
            '[' if here.starts_with("[:") && here.contains(":]") => {
                let end = here.find(":]").unwrap_or_default() + 2;
                out.push_str(&here[..end]);
                at += end;
            }
            '\\' => at += translate_escape(here, true, out),
            ']' | '[' | '&' | '~' => {
                out.push('\\');
                out.push(next);
                at += 1;
            }
            '-' if first || here.starts_with("--") || here.starts_with("-]") => {
                out.push_str("\\-");
                at += 1;
            }
            other => {
                out.push(other);
                at += other.len_utf8();
            }
        }
        first = false;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is_match(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern).is_match(text).unwrap()
    }

    #[test]
    fn what_go_reads_in_another_way() {
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
    fn what_cannot_be_read_is_said() {
        assert!(Pattern::new("(?=x)").is_match("x").unwrap_err().contains("(?=x)"));
    }
}
