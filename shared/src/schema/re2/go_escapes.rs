//! Escaped characters of Go's regular expressions: `\n`, `\x7F`, `\123`, `\.`.
//!
//! Owns the numbers of characters. Classes such as `\d` are in `go_classes.rs`. Input: a text that begins with the escape. Output: the
//! character and the rest of the text, or Go's error.

use std::str::Chars;

use super::syntax_error::SyntaxError;

/// Matches every character.
pub(super) const ANYTHING: &str = "[\\x{0}-\\x{10FFFF}]";
/// Matches no character.
pub(super) const NOTHING: &str = "[^\\x{0}-\\x{10FFFF}]";

/// A character by its number. Go's patterns know surrogates, which no UTF-8 text holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Literal(pub(super) u32);

impl Literal {
    /// As a pattern; a surrogate matches nothing.
    pub(super) fn to_pattern(self) -> String {
        if char::from_u32(self.0).is_some() { format!("\\x{{{:X}}}", self.0) } else { NOTHING.to_owned() }
    }
}

/// One escaped character.
pub(super) fn parse_escape(text: &str) -> Result<(Literal, &str), SyntaxError> {
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
