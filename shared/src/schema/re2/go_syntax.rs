//! Go's regular expressions (`regexp/syntax`, flags `Perl`), parsed and written as a pattern of the `regex` crate.
//!
//! What Go rejects is an error in Go's words, so that a CRD is rejected here if and only if the API server rejects it. Two limits
//! of Go are not repeated: the size of the compiled expression, and the depth of nested groups.
//! Source: <https://github.com/golang/go/blob/master/src/regexp/syntax/parse.go>.

use std::fmt::Write as _;

use super::go_classes::{parse_class, parse_class_escape};
use super::go_escapes::parse_escape;
use super::syntax_error::SyntaxError;

/// The most repetitions that Go takes, also of one repetition within another (`maxRepeat`).
const MAX_REPETITIONS: u64 = 1000;
/// Above this, Go does not count further (`parseInt`).
const MAX_COUNT: u64 = 100_000_000;

/// Writes a pattern of Go as one of the `regex` crate that matches the same text.
///
/// # Errors
/// Go rejects the pattern.
pub(super) fn translate(pattern: &str) -> Result<String, SyntaxError> {
    let mut parser = Parser {
        pattern,
        rest: pattern,
        out: String::with_capacity(pattern.len() + 16),
        groups: vec![Group::default()],
        flags: Flags::default(),
        after_repetition: None,
    };
    while !parser.rest.is_empty() {
        parser.parse_next()?;
    }
    if parser.groups.len() > 1 {
        return Err(SyntaxError::new("missing closing )", pattern));
    }
    Ok(parser.out)
}

/// The flags that `(?ims)` sets and that the translation must know. `U` only decides how much is matched, never whether.
#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    ignores_case: bool,
    is_multi_line: bool,
    dot_matches_newline: bool,
}

impl Flags {
    /// The flags as the `regex` crate writes them, all of them: `is-m`.
    fn to_group_start(self) -> String {
        let all = [('i', self.ignores_case), ('m', self.is_multi_line), ('s', self.dot_matches_newline)];
        let of = |set: bool| all.iter().filter(|(_, is)| *is == set).map(|(letter, _)| *letter).collect::<String>();
        let off = of(false);
        if off.is_empty() { of(true) } else { format!("{}-{off}", of(true)) }
    }
}

/// What was read of a group since its start or its last `|`.
#[derive(Debug, Default)]
struct Group {
    flags: Flags,
    /// The last item, which a repetition repeats; none directly after `(` and `|`.
    last: Option<Item>,
    /// The largest product of nested repetitions of any item of the group.
    repetitions: u64,
}

/// Something that can be repeated.
#[derive(Debug, Clone, Copy)]
struct Item {
    /// Where it ends in the output; flags may follow.
    end: usize,
    /// The product of the repetitions nested in it (`repeatIsValid`).
    repetitions: u64,
}

struct Parser<'a> {
    pattern: &'a str,
    rest: &'a str,
    out: String,
    /// The open groups; the first is the whole pattern.
    groups: Vec<Group>,
    flags: Flags,
    /// The pattern from the last repetition on, if nothing came after it.
    after_repetition: Option<&'a str>,
}

impl<'a> Parser<'a> {
    fn parse_bracket_class(&mut self) -> Result<(), SyntaxError> {
        let (class, rest) = parse_class(self.rest)?;
        self.rest = rest;
        self.push_item(&class);
        Ok(())
    }

    fn parse_next(&mut self) -> Result<(), SyntaxError> {
        let previous = self.after_repetition.take();
        let Some(next) = self.rest.chars().next() else { return Ok(()) };
        match next {
            '(' => self.open_group(),
            ')' => self.close_group(),
            '|' => {
                self.advance(1);
                self.out.push('|');
                self.group().last = None;
                Ok(())
            }
            '*' | '+' | '?' => {
                self.parse_repetition(Repetition { text: &self.rest[..1], least: 0, most: None }, previous)
            }
            '{' => match parse_counts(self.rest) {
                Some(counts) => self.parse_repetition(counts, previous),
                None => {
                    self.advance(1);
                    self.push_literal('{');
                    Ok(())
                }
            },
            '[' => self.parse_bracket_class(),
            '\\' => self.parse_backslash(),
            // Without the flag `m`, `$` means the end of the text in Go and in Rust.
            '^' | '.' | '$' => {
                self.advance(1);
                self.push_item(next.encode_utf8(&mut [0; 4]));
                Ok(())
            }
            literal => {
                self.advance(literal.len_utf8());
                self.push_literal(literal);
                Ok(())
            }
        }
    }

    fn advance(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    /// The innermost open group. The whole pattern is one.
    fn group(&mut self) -> &mut Group {
        if self.groups.is_empty() {
            self.groups.push(Group::default());
        }
        let last = self.groups.len() - 1;
        &mut self.groups[last]
    }

    fn push_item(&mut self, text: &str) {
        self.out.push_str(text);
        self.set_last(Item { end: self.out.len(), repetitions: 1 });
    }

    fn set_last(&mut self, item: Item) {
        let group = self.group();
        group.last = Some(item);
        group.repetitions = group.repetitions.max(item.repetitions);
    }

    fn push_literal(&mut self, literal: char) {
        let escaped = regex::escape(literal.encode_utf8(&mut [0; 4]));
        self.push_item(&escaped);
    }

    fn parse_repetition(&mut self, counts: Repetition<'a>, previous: Option<&'a str>) -> Result<(), SyntaxError> {
        let before = self.rest;
        if counts.is_too_large() {
            return Err(SyntaxError::new("invalid repeat count", counts.text));
        }
        self.advance(counts.text.len());
        let is_lazy = self.rest.starts_with('?');
        self.advance(usize::from(is_lazy));
        let text = &before[..before.len() - self.rest.len()];
        if let Some(previous) = previous {
            let stacked = &previous[..previous.len() - self.rest.len()];
            return Err(SyntaxError::new("invalid nested repetition operator", stacked));
        }
        let Some(item) = self.group().last else {
            return Err(SyntaxError::new("missing argument to repetition operator", text));
        };
        let repetitions = counts.nest(item.repetitions);
        if counts.is_checked() && repetitions > MAX_REPETITIONS {
            return Err(SyntaxError::new("invalid repeat count", text));
        }
        self.out.insert_str(item.end, text);
        self.set_last(Item { end: item.end + text.len(), repetitions });
        self.after_repetition = Some(before);
        Ok(())
    }

    fn open_group(&mut self) -> Result<(), SyntaxError> {
        let flags = self.flags;
        if self.rest.starts_with("(?") {
            return self.open_perl_group();
        }
        self.advance(1);
        self.push_group(flags);
        Ok(())
    }

    /// Begins a group; what is captured is of no interest. `outer` are the flags that hold again after it.
    fn push_group(&mut self, outer: Flags) {
        let _ = write!(self.out, "(?{}:", self.flags.to_group_start());
        self.groups.push(Group { flags: outer, last: None, repetitions: 1 });
    }

    /// `(?P<name>…)`, `(?<name>…)`, `(?flags)`, `(?flags:…)`
    fn open_perl_group(&mut self) -> Result<(), SyntaxError> {
        let text = self.rest;
        let named = [("(?P<", 5), ("(?<", 4)]
            .into_iter()
            .find(|(start, least)| text.starts_with(start) && text.len() >= *least);
        if let Some((start, _)) = named {
            let end = text.find('>').ok_or_else(|| SyntaxError::new("invalid named capture", text))?;
            let name = text.get(start.len()..end).unwrap_or_default();
            if name.is_empty() || !name.chars().all(|sign| sign == '_' || sign.is_ascii_alphanumeric()) {
                return Err(SyntaxError::new("invalid named capture", &text[..=end]));
            }
            self.advance(end + 1);
            self.push_group(self.flags);
            return Ok(());
        }
        let outer = self.flags;
        let (flags, consumed, opens) = parse_flags(text, outer)?;
        self.advance(consumed);
        self.flags = flags;
        if opens {
            self.push_group(outer);
        } else {
            // It holds to the end of the group around it, and is no item: `a(?i)*` repeats the `a`.
            let _ = write!(self.out, "(?{})", flags.to_group_start());
        }
        Ok(())
    }

    fn close_group(&mut self) -> Result<(), SyntaxError> {
        if self.groups.len() < 2 {
            return Err(SyntaxError::new("unexpected )", self.pattern));
        }
        self.advance(1);
        self.out.push(')');
        let Some(closed) = self.groups.pop() else { return Ok(()) };
        self.flags = closed.flags;
        self.set_last(Item { end: self.out.len(), repetitions: closed.repetitions });
        Ok(())
    }

    fn parse_backslash(&mut self) -> Result<(), SyntaxError> {
        let text = self.rest;
        let letter = text.chars().nth(1);
        match letter {
            Some('A') => self.push_escape("\\A"),
            Some('z') => self.push_escape("\\z"),
            Some('b') => self.push_escape("(?-u:\\b)"),
            Some('B') => self.push_escape("(?-u:\\B)"),
            Some('C') => return Err(SyntaxError::new("invalid escape sequence", "\\C")),
            Some('Q') => self.parse_quote(),
            Some(_) | None => {
                let (class, rest) = match parse_class_escape(text)? {
                    Some((class, rest)) => (format!("[{class}]"), rest),
                    None => {
                        let (literal, rest) = parse_escape(text)?;
                        (literal.to_pattern(), rest)
                    }
                };
                self.rest = rest;
                self.push_item(&class);
            }
        }
        Ok(())
    }

    fn push_escape(&mut self, text: &str) {
        self.advance(2);
        self.push_item(text);
    }

    /// `\Q…\E`: plain text; without `\E`, to the end.
    fn parse_quote(&mut self) {
        self.advance(2);
        let (quoted, rest) = self.rest.split_once("\\E").unwrap_or((self.rest, ""));
        quoted.chars().for_each(|literal| self.push_literal(literal));
        self.rest = rest;
    }
}

/// `*`, `+`, `?`, or `{least,most}`.
#[derive(Debug, Clone, Copy)]
struct Repetition<'a> {
    text: &'a str,
    least: u64,
    /// None without an upper bound.
    most: Option<u64>,
}

impl Repetition<'_> {
    const fn is_counted(&self) -> bool {
        self.text.len() > 1
    }

    fn is_too_large(&self) -> bool {
        let beyond = |count: u64| count > MAX_REPETITIONS;
        self.is_counted() && (beyond(self.least) || self.most.is_some_and(|most| beyond(most) || self.least > most))
    }

    /// Whether Go looks at the repetitions that are nested in this one.
    fn is_checked(&self) -> bool {
        self.is_counted() && (self.least >= 2 || self.most.is_some_and(|most| most >= 2))
    }

    /// The repetitions of an item, repeated once more.
    fn nest(&self, inner: u64) -> u64 {
        if !self.is_counted() {
            return inner;
        }
        match self.most.unwrap_or(self.least) {
            0 if self.most.is_some() => 0,
            count => count.max(1).saturating_mul(inner.max(1)),
        }
    }
}

/// `{2}`, `{2,}`, `{2,5}`: Go takes any other `{` as a plain character, also `{02}`.
fn parse_counts(text: &str) -> Option<Repetition<'_>> {
    let (inner, _) = text.strip_prefix('{')?.split_once('}')?;
    let number = |digits: &str| -> Option<u64> {
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let leading_zero = digits.len() > 1 && digits.starts_with('0');
        (plain && !leading_zero).then(|| digits.parse().unwrap_or(MAX_COUNT).min(MAX_COUNT))
    };
    let (least, most) = match inner.split_once(',') {
        None => (number(inner)?, Some(number(inner)?)),
        Some((least, "")) => (number(least)?, None),
        Some((least, most)) => (number(least)?, Some(number(most)?)),
    };
    Some(Repetition { text: &text[..inner.len() + 2], least, most })
}

/// The flags of `(?i-s:` or `(?i-s)`, how long the text is, and whether it opens a group.
fn parse_flags(text: &str, outer: Flags) -> Result<(Flags, usize, bool), SyntaxError> {
    let (mut flags, mut sets, mut has_flag) = (outer, true, false);
    let mut end = 2;
    for letter in text.get(2..).unwrap_or_default().chars() {
        end += letter.len_utf8();
        match letter {
            'i' => flags.ignores_case = sets,
            'm' => flags.is_multi_line = sets,
            's' => flags.dot_matches_newline = sets,
            'U' => {}
            '-' if sets => {
                (sets, has_flag) = (false, false);
                continue;
            }
            ':' | ')' if sets || has_flag => return Ok((flags, end, letter == ':')),
            _ => break,
        }
        has_flag = true;
    }
    Err(SyntaxError::new("invalid or unsupported Perl syntax", text.get(..end).unwrap_or(text)))
}
