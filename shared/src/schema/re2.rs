//! Patterns as the server reads them: Go's RE2 syntax, put into the words of the `regex` crate.
//!
//! The two differ, and here is where that is mended: `\d`, `\w`, `\s` and `\b` know only ASCII in Go; inside of brackets
//! `[`, `&&`, `--` and `~~` are plain characters there; `{` that begins no repetition is a plain character; `\<` and
//! `\>` are plain too; `\Q…\E` quotes. What is left different: Go refuses more than 1,000 repetitions (such a CRD is
//! refused when it is written), and `\C` is not known here. A pattern that cannot be read is *undetermined*.

use std::sync::OnceLock;

use regex::{Regex, RegexBuilder};

/// The largest program that a pattern may become: `^.{1,32768}$` is one of 10 MB.
const SIZE_LIMIT: usize = 256 << 20;

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
            let built = RegexBuilder::new(&from_go(&self.text)).size_limit(SIZE_LIMIT).build();
            built.map_err(|_| format!("the pattern '{}' cannot be read here", self.text))
        });
        compiled.as_ref().map(|regex| regex.is_match(text)).map_err(Clone::clone)
    }
}

/// The most repetitions that Go takes (`regexp/syntax`, `maxRepeat`).
const MOST_REPEATED: u32 = 1000;

/// Whether the server can read a pattern.
///
/// # Errors
/// Why not, in a few words.
pub(super) fn readable(pattern: &str) -> Result<(), String> {
    let counts = pattern.split('{').skip(1).filter(|rest| repeats(&format!("{{{rest}")));
    let numbers = counts.filter_map(|rest| rest.split_once('}')).flat_map(|(inner, _)| inner.split(','));
    if numbers.filter_map(|number| number.parse().ok()).any(|number: u32| number > MOST_REPEATED) {
        return Err("error parsing regexp: invalid repeat count".to_owned());
    }
    let read = RegexBuilder::new(&from_go(pattern)).size_limit(SIZE_LIMIT).build();
    read.map(drop).map_err(|_| "error parsing regexp".to_owned())
}

/// A pattern of Go in the words of `regex`.
fn from_go(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    while let Some(next) = rest.chars().next() {
        let eaten = match next {
            '\\' => escape(rest, false, &mut out),
            '[' => class(rest, &mut out),
            '{' if !repeats(rest) => {
                out.push_str("\\{");
                1
            }
            other => {
                out.push(other);
                other.len_utf8()
            }
        };
        rest = rest.get(eaten..).unwrap_or_default();
    }
    out
}

/// `{2}`, `{2,}`, `{2,5}`: Go takes any other `{` as a plain character.
fn repeats(rest: &str) -> bool {
    let Some(inner) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(inner, _)| inner) else {
        return false;
    };
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    inner
        .split_once(',')
        .map_or_else(|| number(inner), |(least, most)| number(least) && (most.is_empty() || number(most)))
}

/// Writes one escape; says how many bytes of the pattern it was.
fn escape(rest: &str, in_class: bool, out: &mut String) -> usize {
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
        'Q' if !in_class => return quoted(rest, out),
        '0'..='7' => return octal(rest, out),
        other => {
            out.push('\\');
            out.push(other);
        }
    }
    1 + letter.len_utf8()
}

fn quoted(rest: &str, out: &mut String) -> usize {
    let inner = rest.get(2..).unwrap_or_default();
    let end = inner.find("\\E");
    out.push_str(&regex::escape(&inner[..end.unwrap_or(inner.len())]));
    end.map_or(rest.len(), |end| 2 + end + 2)
}

/// `\0`, `\07`, `\123`: a character by its octal number.
fn octal(rest: &str, out: &mut String) -> usize {
    let digits: String = rest.chars().skip(1).take(3).take_while(|digit| ('0'..='7').contains(digit)).collect();
    let number = u32::from_str_radix(&digits, 8).unwrap_or_default();
    out.push_str(&format!("\\x{{{number:X}}}"));
    1 + digits.len()
}

/// Writes a bracket expression; says how many bytes of the pattern it was.
fn class(rest: &str, out: &mut String) -> usize {
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
            '\\' => at += escape(here, true, out),
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
    fn said(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern).is_match(text).unwrap()
    }

    #[test]
    fn what_go_reads_in_another_way() {
        assert!(said("^(?i)(abort|warn)?$", "WARN"));
        assert!(said(r"^\d+$", "12") && !said(r"^\d+$", "١٢"), "Arabic digits are no \\d in Go");
        assert!(!said(r"^\w$", "ä") && said(r"^[\w-]+$", "a-b"));
        assert!(said(r"^[[a]$", "["), "[ is a plain character in brackets");
        assert!(said(r"^[a&&b]+$", "a&b") && said(r"^[]a]+$", "a]"));
        assert!(said(r"^{a}$", "{a}") && said(r"^a{,2}$", "a{,2}") && said(r"^a{2}$", "aa"));
        assert!(said(r"^\Qa.b\Ec$", "a.bc") && !said(r"^\Qa.b\Ec$", "axbc"));
        assert!(said(r"^\<x\>$", "<x>") && said(r"^[[:alpha:]]+$", "ab") && said(r"^\101$", "A"));
        assert!(said("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "a-0") && said(r"^[--/]$", "."), "a range from - to /");
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        assert!(Pattern::new("(?=x)").is_match("x").unwrap_err().contains("(?=x)"));
    }
}
