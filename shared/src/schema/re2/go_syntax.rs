//! Go's regular expressions (`regexp/syntax`, flags `Perl`), parsed and written as a pattern of the `regex` crate.
//!
//! What Go rejects is an error in Go's words, so that a CRD is rejected here if and only if the API server rejects it. Two limits
//! of Go are not repeated: the size of the compiled expression, and the depth of nested groups.
//! Source: <https://github.com/golang/go/blob/master/src/regexp/syntax/parse.go>.

use std::fmt::Write as _;
use std::str::Chars;

use super::unicode_classes::UNICODE_CLASSES;

/// The most repetitions that Go takes, also of one repetition within another (`maxRepeat`).
const MAX_REPETITIONS: u64 = 1000;
/// Above this, Go does not count further (`parseInt`).
const MAX_COUNT: u64 = 100_000_000;

/// Why Go rejects a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {reason}: `{expression}`")]
pub(super) struct SyntaxError {
    reason: &'static str,
    expression: String,
}

impl SyntaxError {
    fn new(reason: &'static str, expression: impl Into<String>) -> Self {
        Self { reason, expression: expression.into() }
    }
}

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

/// Matches every character.
const ANYTHING: &str = "[\\x{0}-\\x{10FFFF}]";
/// Matches no character.
const NOTHING: &str = "[^\\x{0}-\\x{10FFFF}]";

/// A character by its number. Go's patterns know surrogates, which no UTF-8 text holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Literal(u32);

impl Literal {
    /// As a pattern; a surrogate matches nothing.
    fn to_pattern(self) -> String {
        if char::from_u32(self.0).is_some() { format!("\\x{{{:X}}}", self.0) } else { NOTHING.to_owned() }
    }
}

/// One escaped character.
fn parse_escape(text: &str) -> Result<(Literal, &str), SyntaxError> {
    let mut rest = text.get(1..).unwrap_or_default().chars();
    let Some(letter) = rest.next() else {
        return Err(SyntaxError::new("trailing backslash at end of expression", ""));
    };
    let is_octal = |sign: Option<char>| sign.is_some_and(|sign| ('0'..='7').contains(&sign));
    let simple = match letter {
        'a' => Some(7),
        'f' => Some(12),
        'n' => Some(10),
        'r' => Some(13),
        't' => Some(9),
        'v' => Some(11),
        '0'..='7' if letter == '0' || is_octal(rest.clone().next()) => Some(parse_octal(letter, &mut rest)),
        'x' => parse_hex(&mut rest),
        sign if sign.is_ascii() && !sign.is_ascii_alphanumeric() => Some(u32::from(sign)),
        _ => None,
    };
    let remainder = rest.as_str();
    let invalid = || SyntaxError::new("invalid escape sequence", &text[..text.len() - remainder.len()]);
    simple.map(|number| (Literal(number), remainder)).ok_or_else(invalid)
}

/// Up to three digits; the first was read.
fn parse_octal(first: char, rest: &mut Chars<'_>) -> u32 {
    let mut number = first.to_digit(8).unwrap_or_default();
    for _ in 0..2 {
        let Some(digit) = rest.clone().next().and_then(|sign| sign.to_digit(8)) else { break };
        number = number * 8 + digit;
        rest.next();
    }
    number
}

/// `\x7F`, `\x{10FFFF}`
fn parse_hex(rest: &mut Chars<'_>) -> Option<u32> {
    let first = rest.next()?;
    if first != '{' {
        return Some(first.to_digit(16)? * 16 + rest.next()?.to_digit(16)?);
    }
    let mut number: Option<u32> = None;
    loop {
        match rest.next()? {
            '}' => return number,
            sign => {
                let next = number.unwrap_or_default() * 16 + sign.to_digit(16)?;
                number = Some(next).filter(|number| *number <= u32::from(char::MAX));
                number?;
            }
        }
    }
}

/// `\d` and its like, and `\p{Greek}`: what they stand for inside of brackets. None for any other escape.
fn parse_class_escape(text: &str) -> Result<Option<(String, &str)>, SyntaxError> {
    let Some(letter) = text.strip_prefix('\\').and_then(|rest| rest.chars().next()) else { return Ok(None) };
    let ascii = match letter {
        'd' => "0-9",
        'w' => "0-9A-Za-z_",
        's' => "\\t\\n\\x0C\\r ",
        'D' => "[^0-9]",
        'W' => "[^0-9A-Za-z_]",
        'S' => "[^\\t\\n\\x0C\\r ]",
        'p' | 'P' => return parse_unicode_class(text).map(Some),
        _ => return Ok(None),
    };
    Ok(Some((ascii.to_owned(), &text[2..])))
}

/// `\pL`, `\p{Greek}`, `\P{^Greek}`
fn parse_unicode_class(text: &str) -> Result<(String, &str), SyntaxError> {
    let mut is_negated = text.starts_with("\\P");
    let after = text.get(2..).unwrap_or_default();
    let (written, rest) = match after.chars().next() {
        Some('{') => {
            let end = after.find('}').ok_or_else(|| SyntaxError::new("invalid character class range", text))?;
            (&after[1..end], &after[end + 1..])
        }
        Some(letter) => after.split_at(letter.len_utf8()),
        None => ("", ""),
    };
    let name = written.strip_prefix('^').inspect(|_| is_negated = !is_negated).unwrap_or(written);
    let sign = if is_negated { 'P' } else { 'p' };
    let name = canonical_name(name);
    if UNICODE_CLASSES.binary_search(&name.as_str()).is_err() {
        return Err(SyntaxError::new("invalid character class range", &text[..text.len() - rest.len()]));
    }
    Ok((format!("\\{sign}{{{name}}}"), rest))
}

/// Go reads names without regard to case, spaces, `_` and `-`.
fn canonical_name(name: &str) -> String {
    let plain = name.chars().filter(|sign| !matches!(sign, '_' | '-' | ' '));
    plain.map(|sign| sign.to_ascii_lowercase()).collect()
}

/// `[:alpha:]` and its like (`posixGroup`).
const POSIX_CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word",
    "xdigit",
];

/// A bracket expression, and what comes after it.
fn parse_class(text: &str) -> Result<(String, &str), SyntaxError> {
    let mut rest = text.get(1..).unwrap_or_default();
    let negated = rest.strip_prefix('^');
    rest = negated.unwrap_or(rest);
    let mut out = String::new();
    let mut is_first = true;
    while is_first || !rest.starts_with(']') {
        is_first = false;
        if let Some((class, after)) = parse_named_class(rest)? {
            out.push_str(&class);
            rest = after;
        } else if let Some((class, after)) = parse_class_escape(rest)? {
            out.push_str(&class);
            rest = after;
        } else {
            let (range, after) = parse_range(rest, text)?;
            out.push_str(&range);
            rest = after;
        }
    }
    let class = match (negated, out.as_str()) {
        (Some(_), "") => ANYTHING.to_owned(),
        (None, "") => NOTHING.to_owned(),
        (Some(_), inside) => format!("[^{inside}]"),
        (None, inside) => format!("[{inside}]"),
    };
    Ok((class, &rest[1..]))
}

/// `[:alpha:]`, `[:^alpha:]`; none where no `:]` follows.
fn parse_named_class(text: &str) -> Result<Option<(String, &str)>, SyntaxError> {
    let Some((name, rest)) = text.strip_prefix("[:").and_then(|inner| inner.split_once(":]")) else { return Ok(None) };
    if !POSIX_CLASSES.contains(&name.strip_prefix('^').unwrap_or(name)) {
        return Err(SyntaxError::new("invalid character class range", format!("[:{name}:]")));
    }
    Ok(Some((format!("[:{name}:]"), rest)))
}

/// One character, or a range of them.
fn parse_range<'a>(text: &'a str, class: &str) -> Result<(String, &'a str), SyntaxError> {
    let (from, mut rest) = parse_class_character(text, class)?;
    let mut to = from;
    if rest.starts_with('-') && rest.len() >= 2 && !rest.starts_with("-]") {
        (to, rest) = parse_class_character(&rest[1..], class)?;
        if to < from {
            return Err(SyntaxError::new("invalid character class range", &text[..text.len() - rest.len()]));
        }
    }
    Ok((write_range(from, to), rest))
}

/// A range without the surrogates, which no UTF-8 text holds.
fn write_range(Literal(from): Literal, Literal(to): Literal) -> String {
    const SURROGATES: (u32, u32) = (0xD800, 0xDFFF);
    let from = if (SURROGATES.0..=SURROGATES.1).contains(&from) { SURROGATES.1 + 1 } else { from };
    let to = if (SURROGATES.0..=SURROGATES.1).contains(&to) { SURROGATES.0 - 1 } else { to };
    if from > to { String::new() } else { format!("\\x{{{from:X}}}-\\x{{{to:X}}}") }
}

fn parse_class_character<'a>(text: &'a str, class: &str) -> Result<(Literal, &'a str), SyntaxError> {
    if text.starts_with('\\') {
        return parse_escape(text);
    }
    let Some(sign) = text.chars().next() else { return Err(SyntaxError::new("missing closing ]", class)) };
    Ok((Literal(u32::from(sign)), &text[sign.len_utf8()..]))
}
