//! Codes and names.

use std::sync::LazyLock;

use regex::Regex;

/// The pattern of one format; a broken one would be a defect of ours and accepts nothing.
macro_rules! matches_pattern {
    ($pattern:literal, $text:expr) => {{
        static REGEX: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new($pattern).ok());
        REGEX.as_ref().is_some_and(|regex| regex.is_match($text))
    }};
}
pub(super) use matches_pattern;

pub(super) fn is_bson_object_id(text: &str) -> bool {
    text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

pub(super) fn is_uuid(text: &str) -> bool {
    matches_pattern!("(?i-u)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$", text)
}

pub(super) fn is_uuid3(text: &str) -> bool {
    matches_pattern!("(?i-u)^[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$", text)
}

pub(super) fn is_uuid4(text: &str) -> bool {
    matches_pattern!("(?i-u)^[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$", text)
}

pub(super) fn is_uuid5(text: &str) -> bool {
    matches_pattern!("(?i-u)^[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$", text)
}

/// What is left without blanks and dashes.
fn strip_separators(text: &str) -> Vec<u8> {
    let is_significant = |byte: &u8| !matches!(byte, b'-' | b' ' | b'\t' | b'\n' | b'\r' | 0x0c);
    text.bytes().filter(is_significant).collect()
}

fn parse_digits(bytes: &[u8]) -> Option<Vec<u32>> {
    bytes.iter().map(|byte| byte.is_ascii_digit().then(|| u32::from(byte - b'0'))).collect()
}

pub(super) fn is_isbn(text: &str) -> bool {
    is_isbn10(text) || is_isbn13(text)
}

pub(super) fn is_isbn10(text: &str) -> bool {
    let bytes = strip_separators(text);
    let Some((last, first)) = bytes.split_last().filter(|_| bytes.len() == 10) else { return false };
    let Some(mut all) = parse_digits(first) else { return false };
    match last {
        b'X' => all.push(10),
        b'0'..=b'9' => all.push(u32::from(last - b'0')),
        _ => return false,
    }
    (1..).zip(all).map(|(weight, digit)| weight * digit).sum::<u32>() % 11 == 0
}

pub(super) fn is_isbn13(text: &str) -> bool {
    let bytes = strip_separators(text);
    let Some(all) = parse_digits(&bytes).filter(|all| all.len() == 13) else { return false };
    let sum: u32 = all[..12].iter().zip([1, 3].iter().cycle()).map(|(digit, weight)| digit * weight).sum();
    all[12] == (10 - sum % 10) % 10
}

/// Prefixes and lengths of the issuers, then Luhn's sum.
pub(super) fn is_credit_card(text: &str) -> bool {
    let number: String = text.chars().filter(char::is_ascii_digit).collect();
    let issued = matches_pattern!(
        "^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9]{2})[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35[0-9]{3})[0-9]{11})$",
        &number
    );
    let luhn = |(at, byte): (usize, u8)| {
        let digit = u32::from(byte - b'0');
        if at % 2 == 1 { digit * 2 / 10 + digit * 2 % 10 } else { digit }
    };
    issued && number.bytes().rev().enumerate().map(luhn).sum::<u32>() % 10 == 0
}

pub(super) fn is_ssn(text: &str) -> bool {
    text.len() == 11 && matches_pattern!("^[0-9]{3}[- ]?[0-9]{2}[- ]?[0-9]{4}$", text)
}

pub(super) fn is_hex_color(text: &str) -> bool {
    matches_pattern!("^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$", text)
}

pub(super) fn is_rgb_color(text: &str) -> bool {
    matches_pattern!(
        r"(?-u)^rgb\(\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*,\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*,\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*\)$",
        text
    )
}

/// The empty text is none.
pub(super) fn is_base64(text: &str) -> bool {
    matches_pattern!("^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$", text)
}

pub(super) fn is_short_name(text: &str) -> bool {
    text.len() <= 63 && matches_pattern!("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", text)
}

pub(super) fn is_long_name(text: &str) -> bool {
    text.len() <= 253 && matches_pattern!(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$", text)
}
