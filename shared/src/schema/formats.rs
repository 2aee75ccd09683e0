//! The formats that an API server knows (apiextensions-apiserver `pkg/apiserver/validation/formats.go`); it ignores any
//! other. What each accepts is in kube-openapi `pkg/validation/strfmt`.

mod code;
mod net;
mod time;
mod uri;

pub(super) use time::nanoseconds;

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

type Known = (&'static str, fn(&str) -> bool);

/// Formats of strings. A dash in the name does not count: `date-time` is `datetime`.
const STRINGS: [Known; 26] = [
    ("bsonobjectid", code::bson_object_id),
    ("uri", uri::request_uri),
    ("email", net::email),
    ("hostname", net::hostname),
    ("ipv4", net::ipv4),
    ("ipv6", net::ipv6),
    ("cidr", net::cidr),
    ("mac", net::mac),
    ("uuid", code::uuid),
    ("uuid3", code::uuid3),
    ("uuid4", code::uuid4),
    ("uuid5", code::uuid5),
    ("isbn", code::isbn),
    ("isbn10", code::isbn10),
    ("isbn13", code::isbn13),
    ("creditcard", code::credit_card),
    ("ssn", code::ssn),
    ("hexcolor", code::hex_color),
    ("rgbcolor", code::rgb_color),
    ("byte", code::base64),
    ("password", |_| true),
    ("date", time::date),
    ("duration", time::duration),
    ("datetime", time::date_time),
    ("k8s-short-name", code::short_name),
    ("k8s-long-name", code::long_name),
];

/// The format of a schema of that type, where the server of that version looks at it.
pub(super) fn format_of(kind: Option<Type>, name: &str, server: ServerVersion) -> Option<Format> {
    match kind {
        // No type is also what `x-kubernetes-int-or-string` looks like.
        None | Some(Type::String) => string_format(name, server),
        // Enforced since 1.36 (kubernetes commit 0835a2fa9); before, they were taken away.
        Some(Type::Integer) if server >= ServerVersion::new(1, 36) => number_format(name, ["int32", "int64"]),
        Some(Type::Number) if server >= ServerVersion::new(1, 36) => number_format(name, ["float", "double"]),
        Some(_) => None,
    }
}

fn string_format(name: &str, server: ServerVersion) -> Option<Format> {
    let bare = |name: &str| name.replace('-', "");
    let (known, accepts) = STRINGS.iter().find(|(known, _)| bare(known) == bare(name))?;
    if known.starts_with("k8s-") && server < ServerVersion::new(1, 34) {
        return None;
    }
    let name = if name == "date-time" { "date-time" } else { known };
    Some(Format { name, accepts: *accepts })
}

fn number_format(name: &str, known: [&'static str; 2]) -> Option<Format> {
    known.into_iter().find(|known| *known == name).map(|name| Format { name, accepts: |_| true })
}

#[cfg(test)]
mod tests;
