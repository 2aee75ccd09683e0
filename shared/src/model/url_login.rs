//! Logins in URLs, such as `postgres://user:password@host/db`: where they are in a text, and a text without them.

use std::ops::Range;

/// Stands for a secret in every text.
pub const MASK: &str = "***";

/// A text in which the user information of each URL is masked: `postgres://***@host/db`.
#[must_use]
pub fn mask_url_logins(text: &str) -> String {
    mask_ranges(text, find_url_logins(text))
}

/// The byte ranges of the user information of each URL in a text, without the `@`.
///
/// A password may contain unencoded `/`, `?` or `#`. An `@` in the path of a URL without a password is no login:
/// `oci://registry/chart@sha256:…`.
#[must_use]
pub fn find_url_logins(text: &str) -> Vec<Range<usize>> {
    let starts = text.match_indices("://").map(|(at, separator)| at + separator.len());
    starts.filter_map(|start| Some(start..start + login_length(text.get(start..)?)?)).collect()
}

/// The length of the user information at the start of what follows `://`.
fn login_length(rest: &str) -> Option<usize> {
    let is_end = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`');
    let url = rest.split(is_end).next()?;
    // The next URL of a list has a login of its own.
    let url = url.find("://").map_or(url, |next| url.get(..next).unwrap_or(url));
    let authority = url.split(['/', '?', '#']).next()?;
    if let Some(at) = authority.rfind('@') {
        return Some(at);
    }
    let (_, after_colon) = authority.split_once(':')?;
    let is_port = after_colon.chars().all(|c| c.is_ascii_digit()) || authority.starts_with('[');
    if is_port { None } else { url.rfind('@') }
}

/// A text in which each of these byte ranges is the mask; ranges that overlap become one.
pub(super) fn mask_ranges(text: &str, mut ranges: Vec<Range<usize>>) -> String {
    ranges.sort_by_key(|range| (range.start, range.end));
    let mut masked = String::with_capacity(text.len());
    let mut end = 0;
    for range in ranges {
        if range.start >= end && !range.is_empty() {
            masked.push_str(text.get(end..range.start).unwrap_or_default());
            masked.push_str(MASK);
        }
        end = end.max(range.end);
    }
    masked.push_str(text.get(end..).unwrap_or_default());
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_of_each_url_is_masked_and_the_rest_stays() {
        for (text, masked) in [
            ("dial postgres://user:pw@db.example:5432/x?y=1", "dial postgres://***@db.example:5432/x?y=1"),
            ("https://token@git.example/a.git, redis://:pw@r", "https://***@git.example/a.git, redis://***@r"),
            ("amqp://u:p/w?#1@host", "amqp://***@host"),
            ("mongodb://u:p@a,mongodb://u:p@b", "mongodb://***@a,mongodb://***@b"),
            ("oci://a.example:5000/mural@sha256:05", "oci://a.example:5000/mural@sha256:05"),
            ("https://a.example/@user and ann@a.example", "https://a.example/@user and ann@a.example"),
            ("http://[::1]:80/@x", "http://[::1]:80/@x"),
            ("\"https://u:ä@h\"", "\"https://***@h\""),
        ] {
            assert_eq!(mask_url_logins(text), masked);
        }
    }

    #[test]
    fn overlapping_ranges_are_one_mask() {
        assert_eq!(mask_ranges("abcdefgh", vec![2..4, 1..3, 6..7, 1..2]), "a***ef***h");
    }
}
