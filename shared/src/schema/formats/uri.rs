//! `net/url.ParseRequestURI`: an absolute URI or an absolute path.

pub(super) fn is_request_uri(text: &str) -> bool {
    if text.is_empty() || text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return false;
    }
    if text == "*" {
        return true;
    }
    let Some((scheme, rest)) = split_scheme(text) else { return false };
    let path_and_host = rest.split_once('?').map_or(rest, |(before, _)| before);
    if !path_and_host.starts_with('/') {
        // `mailto:someone@example.com`: opaque, and taken as it is.
        return scheme;
    }
    let authority = path_and_host.strip_prefix("//").filter(|_| scheme);
    match authority {
        Some(after) => {
            let (authority, path) = after.find('/').map_or((after, ""), |at| after.split_at(at));
            is_valid_authority(authority) && has_valid_escapes(path)
        }
        None => has_valid_escapes(path_and_host),
    }
}

/// Whether there is a scheme, and what follows it; none where it is broken.
fn split_scheme(text: &str) -> Option<(bool, &str)> {
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return None,
            b':' => return Some((true, &text[at + 1..])),
            _ => return Some((false, text)),
        }
    }
    Some((false, text))
}

/// Every `%` is followed by two hexadecimal digits.
fn has_valid_escapes(text: &str) -> bool {
    let bytes = text.as_bytes();
    let whole = |at: usize| bytes.get(at + 1..at + 3).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
    bytes.iter().enumerate().all(|(at, byte)| *byte != b'%' || whole(at))
}

fn is_valid_authority(authority: &str) -> bool {
    let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    let user_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte);
    if user.is_some_and(|user| !user.bytes().all(user_byte) || !has_valid_escapes(user)) {
        return false;
    }
    let (name, port) = if host.starts_with('[') {
        let Some(end) = host.rfind(']') else { return false };
        (&host[..=end], &host[end + 1..])
    } else {
        host.rfind(':').map_or((host, ""), |at| host.split_at(at))
    };
    let port_fits =
        port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    let host_byte =
        |byte: u8| byte >= 0x80 || byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"%".contains(&byte);
    port_fits && name.bytes().all(host_byte) && has_valid_host_escapes(name)
}

/// In a host only bytes beyond ASCII may be escaped, and `%25` before an IPv6 zone.
fn has_valid_host_escapes(name: &str) -> bool {
    let bytes = name.as_bytes();
    let beyond = |at: usize| {
        let two = name.get(at + 1..at + 3)?;
        u8::from_str_radix(two, 16).ok()
    };
    bytes.iter().enumerate().all(|(at, byte)| {
        *byte != b'%' || beyond(at).is_some_and(|value| value >= 0x80 || (value == b'%' && name.starts_with('[')))
    })
}
