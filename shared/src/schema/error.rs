//! What the server would say: an error with its place, its kind and its words.

use serde::Serialize;
use serde_json::Value;

use super::object_path::ObjectPath;

/// The kinds of `field.Error` (apimachinery `pkg/util/validation/field/errors.go`) that a custom resource can meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorKind {
    /// A required field is absent.
    Required,
    /// A value of the wrong type.
    TypeInvalid,
    /// Not one of the enum.
    NotSupported,
    /// Any other wrong value.
    Invalid,
    /// Twice in a list that is a set or a map.
    Duplicate,
    /// A string above its length.
    TooLong,
    /// A list or an object above its size.
    TooMany,
    /// Not allowed here.
    Forbidden,
    /// The CEL rules were not evaluated, because other errors came first. It says nothing about the object itself.
    SkippedRules,
}

impl ErrorKind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Required => "Required value",
            Self::TypeInvalid | Self::Invalid | Self::SkippedRules => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Duplicate => "Duplicate value",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
            Self::Forbidden => "Forbidden",
        }
    }

    /// Whether the server leaves the CEL rules alone after it (`hasBlockingErr`).
    pub(super) const fn blocks_rules(self) -> bool {
        matches!(self, Self::Required | Self::TypeInvalid | Self::NotSupported | Self::TooLong | Self::TooMany)
    }
}

/// One error. Its message is the server's without the value: what a custom resource holds may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct SchemaError {
    /// The field, as the server writes it: `spec.ports[0].name`; empty for the whole object.
    pub path: String,
    /// Why: `Invalid value: spec.replicas in body should be greater than or equal to 1`
    pub message: String,
    #[serde(skip)]
    pub(super) kind: ErrorKind,
    #[serde(skip)]
    value: Option<String>,
    #[serde(skip)]
    detail: String,
    #[serde(skip)]
    has_nil_field: bool,
}

impl SchemaError {
    pub(super) fn new(path: String, kind: ErrorKind, value: Option<String>, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let message = join_message(kind, None, &detail);
        Self { path, message, kind, value, detail, has_nil_field: false }
    }

    /// One that shows its value: a count, or the keys of a list's item.
    pub(super) fn with_value(path: String, kind: ErrorKind, value: String, detail: &str) -> Self {
        let message = join_message(kind, Some(&value), detail);
        Self { path, message, kind, value: Some(value), detail: detail.to_owned(), has_nil_field: false }
    }

    /// One of `allOf`, `anyOf`, `oneOf`, `not`, and of numbers out of their format: the server names no field.
    pub(super) fn without_field(place: &ObjectPath<'_>, detail: String) -> Self {
        let message = join_message(ErrorKind::Invalid, None, &detail);
        Self {
            path: place.to_dotted(),
            message,
            kind: ErrorKind::Invalid,
            value: Some("\"\"".to_owned()),
            detail,
            has_nil_field: true,
        }
    }

    /// The server's own text, where it holds a value that ours leaves out.
    pub(super) fn with_server_detail(mut self, detail: String) -> Self {
        self.detail = detail;
        self
    }

    /// Whether it only says that the CEL rules were not evaluated: the errors beside it are the reason.
    #[must_use]
    pub fn is_skipped_rules(&self) -> bool {
        self.kind == ErrorKind::SkippedRules
    }

    pub(super) const fn with_nil_field(mut self) -> Self {
        self.has_nil_field = true;
        self
    }

    /// The field and the words as the server prints them, the value included. Not for anything that people or files see.
    #[must_use]
    pub fn server_message(&self) -> (String, String) {
        let field = if self.has_nil_field || self.path.is_empty() { "<nil>".to_owned() } else { self.path.clone() };
        (field, join_message(self.kind, self.value.as_deref(), &self.detail))
    }
}

fn join_message(kind: ErrorKind, value: Option<&str>, detail: &str) -> String {
    let mut text = kind.prefix().to_owned();
    for part in [value, (!detail.is_empty()).then_some(detail)].into_iter().flatten() {
        text.push_str(": ");
        text.push_str(part);
    }
    text
}

/// Something that cannot be judged here and could be either: never counted as a pass.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct UndeterminedField {
    /// The field.
    pub path: String,
    /// What kept us: the rule and the reason.
    pub reason: String,
}

/// A value as `field.Error` prints it.
pub(super) fn format_go_value(value: &Value) -> String {
    if let Value::Number(number) = value {
        return super::number::format_number(number);
    }
    let mut text = Vec::new();
    let written = value.serialize(&mut serde_json::Serializer::with_formatter(&mut text, GoNumberFormatter));
    written.ok().and_then(|()| String::from_utf8(text).ok()).unwrap_or_else(|| value.to_string())
}

/// Go's JSON writes the float 2.0 as `2`, and has only floats for what does not fit an `int64`.
struct GoNumberFormatter;

impl serde_json::ser::Formatter for GoNumberFormatter {
    fn write_f64<W: std::io::Write + ?Sized>(&mut self, writer: &mut W, value: f64) -> std::io::Result<()> {
        write!(writer, "{value}")
    }

    #[expect(clippy::cast_precision_loss, reason = "Go's own loss")]
    fn write_u64<W: std::io::Write + ?Sized>(&mut self, writer: &mut W, value: u64) -> std::io::Result<()> {
        if i64::try_from(value).is_ok() { write!(writer, "{value}") } else { self.write_f64(writer, value as f64) }
    }
}
