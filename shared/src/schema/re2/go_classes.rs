//! Character classes of Go's regular expressions: `[a-z]`, `[:alpha:]`, `\d`, `\p{Greek}`.
//!
//! Owns what a class stands for in the `regex` crate. Names of Unicode classes are in `unicode_classes.rs`. Input: a text that begins with
//! the class. Output: the class as the crate writes it and the rest of the text, or Go's error.

use super::go_escapes::{ANYTHING, Literal, NOTHING, parse_escape};
use super::syntax_error::SyntaxError;
use super::unicode_classes::UNICODE_CLASSES;

/// `\d` and its like, and `\p{Greek}`: what they stand for inside of brackets. None for any other escape.
pub(super) fn parse_class_escape(text: &str) -> Result<Option<(String, &str)>, SyntaxError> {
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
pub(super) fn parse_class(text: &str) -> Result<(String, &str), SyntaxError> {
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
