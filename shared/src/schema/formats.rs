//! The formats that an API server knows (apiextensions-apiserver `pkg/apiserver/validation/formats.go`); it ignores any
//! other. What each accepts is in kube-openapi `pkg/validation/strfmt`.

mod code;
mod net;
mod time;
mod uri;

pub(super) use time::parse_nanoseconds;

use super::ServerVersion;
use super::node::Type;

/// A format that counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Format {
    name: &'static str,
    accepts: fn(&str) -> bool,
}

impl Format {
    /// As the schema writes it, which the messages repeat.
    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn accepts(&self, text: &str) -> bool {
        (self.accepts)(text)
    }
}

type FormatEntry = (&'static str, fn(&str) -> bool);

/// Formats of strings. A dash in the name does not count: `date-time` is `datetime`.
const STRING_FORMATS: [FormatEntry; 26] = [
    ("bsonobjectid", code::is_bson_object_id),
    ("uri", uri::is_request_uri),
    ("email", net::is_email),
    ("hostname", net::is_hostname),
    ("ipv4", net::is_ipv4),
    ("ipv6", net::is_ipv6),
    ("cidr", net::is_cidr),
    ("mac", net::is_mac),
    ("uuid", code::is_uuid),
    ("uuid3", code::is_uuid3),
    ("uuid4", code::is_uuid4),
    ("uuid5", code::is_uuid5),
    ("isbn", code::is_isbn),
    ("isbn10", code::is_isbn10),
    ("isbn13", code::is_isbn13),
    ("creditcard", code::is_credit_card),
    ("ssn", code::is_ssn),
    ("hexcolor", code::is_hex_color),
    ("rgbcolor", code::is_rgb_color),
    ("byte", code::is_base64),
    ("password", |_| true),
    ("date", time::is_date),
    ("duration", time::is_duration),
    ("datetime", time::is_date_time),
    ("k8s-short-name", code::is_short_name),
    ("k8s-long-name", code::is_long_name),
];

/// The format of a schema of that type, where the server of that version looks at it.
pub(super) fn find_format(kind: Option<Type>, name: &str, server: ServerVersion) -> Option<Format> {
    match kind {
        // No type is also what `x-kubernetes-int-or-string` looks like.
        None | Some(Type::String) => find_string_format(name, server),
        // Enforced since 1.36 (kubernetes commit 0835a2fa9); before, they were taken away.
        Some(Type::Integer) if server >= ServerVersion::new(1, 36) => find_number_format(name, ["int32", "int64"]),
        Some(Type::Number) if server >= ServerVersion::new(1, 36) => find_number_format(name, ["float", "double"]),
        Some(_) => None,
    }
}

fn find_string_format(name: &str, server: ServerVersion) -> Option<Format> {
    let without_dashes = |name: &str| name.replace('-', "");
    let (known, accepts) = STRING_FORMATS.iter().find(|(known, _)| without_dashes(known) == without_dashes(name))?;
    if known.starts_with("k8s-") && server < ServerVersion::new(1, 34) {
        return None;
    }
    let name = if name == "date-time" { "date-time" } else { known };
    Some(Format { name, accepts: *accepts })
}

fn find_number_format(name: &str, known: [&'static str; 2]) -> Option<Format> {
    known.into_iter().find(|known| *known == name).map(|name| Format { name, accepts: |_| true })
}

#[cfg(test)]
mod tests;
