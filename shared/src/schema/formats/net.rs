//! Addresses.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use regex::Regex;

use super::code::matches_pattern;

/// `net/mail.ParseAddress` in its common forms: `a@b.c` and `Name <a@b.c>`. Comments, quoted local parts and encoded
/// names are refused here where Go takes them.
pub(super) fn is_email(text: &str) -> bool {
    let text = text.trim_matches([' ', '\t']);
    let address = text.strip_suffix('>').map_or(Some(text), |rest| rest.rsplit_once('<').map(|(_, inner)| inner));
    address.is_some_and(|address| {
        matches_pattern!(
            r"^[^\x00-\x20()<>\[\]:;@\\,.\x22\x7f]+(\.[^\x00-\x20()<>\[\]:;@\\,.\x22\x7f]+)*@([^\x00-\x20()<>\[\]:;@\\,.\x22\x7f]+(\.[^\x00-\x20()<>\[\]:;@\\,.\x22\x7f]+)*|\[[^\[\]\\]*\])$",
            address.trim_matches([' ', '\t'])
        )
    })
}

pub(super) fn is_hostname(text: &str) -> bool {
    let known = matches_pattern!(
        r"^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)|([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9\-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})$",
        text
    );
    known && text.len() <= 255 && text.split('.').all(|part| part.len() <= 63)
}

/// As older Go reads it: leading zeros are allowed, and are decimal.
fn parse_lenient_ipv4(text: &str) -> Option<Ipv4Addr> {
    let mut parts = text.split('.').map(|part| {
        let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let trimmed = part.trim_start_matches('0');
        digits.then(|| if trimmed.is_empty() { Some(0) } else { trimmed.parse::<u8>().ok() }).flatten()
    });
    let address = [parts.next()??, parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then(|| Ipv4Addr::from(address))
}

/// An IPv6 address; one that ends in an IPv4 address may have zeros there.
fn is_lenient_ipv6(text: &str) -> bool {
    if text.parse::<Ipv6Addr>().is_ok() {
        return true;
    }
    let Some((before, last)) = text.rsplit_once(':') else { return false };
    parse_lenient_ipv4(last).is_some_and(|last| format!("{before}:{last}").parse::<Ipv6Addr>().is_ok())
}

/// Any address with a dot in it, `::ffff:1.2.3.4` too.
pub(super) fn is_ipv4(text: &str) -> bool {
    text.contains('.') && (parse_lenient_ipv4(text).is_some() || is_lenient_ipv6(text))
}

pub(super) fn is_ipv6(text: &str) -> bool {
    text.parse::<Ipv6Addr>().is_ok()
}

pub(super) fn is_cidr(text: &str) -> bool {
    let Some((address, mask)) = text.split_once('/') else { return false };
    let most = if parse_lenient_ipv4(address).is_some() {
        32
    } else if is_lenient_ipv6(address) {
        128
    } else {
        return false;
    };
    let digits = !mask.is_empty() && mask.bytes().all(|byte| byte.is_ascii_digit());
    digits && format!("0{}", mask.trim_start_matches('0')).parse::<u32>().is_ok_and(|mask| mask <= most)
}

/// `net.ParseMAC`: 6, 8 or 20 bytes, by colons, dashes, or in groups of four with dots.
pub(super) fn is_mac(text: &str) -> bool {
    let (separator, group) = match text.as_bytes() {
        [_, _, separator @ (b':' | b'-'), ..] => (*separator as char, 2),
        [_, _, _, _, b'.', ..] => ('.', 4),
        _ => return false,
    };
    let groups: Vec<&str> = text.split(separator).collect();
    let hex = |part: &&str| part.len() == group && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    matches!(groups.len() * group / 2, 6 | 8 | 20) && groups.iter().all(hex)
}
