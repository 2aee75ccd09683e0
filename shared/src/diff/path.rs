//! Where in a schema: a typed path with an order and one text form.

use std::fmt;

use serde::{Serialize, Serializer};

/// One step down into a schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// A named field: `.spec`
    Property(String),
    /// The items of a list: `.items`
    Items,
    /// The values of a map: `.additionalProperties`
    Values,
    /// A branch: `.allOf[0]`
    AllOf(usize),
    /// A branch: `.anyOf[0]`
    AnyOf(usize),
    /// A branch: `.oneOf[0]`
    OneOf(usize),
    /// What must not hold: `.not`
    Not,
}

/// The path from a version's root to one position of its schema: `^.spec.template.items.name`.
///
/// The form is crdify's, so that findings of both can be laid side by side. A field that is named like a keyword
/// (`items`), or that is no plain word, stands in brackets: `^.spec["items"].items`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SchemaPath(Vec<Segment>);

impl SchemaPath {
    /// `^`
    #[must_use]
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// The position one step further down.
    #[must_use]
    pub fn child(&self, segment: Segment) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment);
        Self(segments)
    }

    /// The position of a named field.
    #[must_use]
    pub fn field(&self, name: &str) -> Self {
        self.child(Segment::Property(name.to_owned()))
    }

    /// The steps from the root.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Whether this position is `other` or lies below it.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }
}

/// Whether a field's name can stand after a dot without being taken for a keyword.
fn is_plain_name(name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '$';
    !name.is_empty() && name.chars().all(word) && !["items", "additionalProperties", "not"].contains(&name)
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Property(name) if is_plain_name(name) => write!(f, ".{name}"),
            Self::Property(name) => write!(f, "[{name:?}]"),
            Self::Items => f.write_str(".items"),
            Self::Values => f.write_str(".additionalProperties"),
            Self::AllOf(at) => write!(f, ".allOf[{at}]"),
            Self::AnyOf(at) => write!(f, ".anyOf[{at}]"),
            Self::OneOf(at) => write!(f, ".oneOf[{at}]"),
            Self::Not => f.write_str(".not"),
        }
    }
}

impl fmt::Display for SchemaPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("^")?;
        self.0.iter().try_for_each(|segment| write!(f, "{segment}"))
    }
}

impl Serialize for SchemaPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_tells_a_field_from_a_keyword() {
        let path = SchemaPath::root().field("spec").child(Segment::Items).field("b");
        assert_eq!(path.to_string(), "^.spec.items.b");
        let path = SchemaPath::root().field("items").child(Segment::Items).child(Segment::OneOf(2)).field("a.b/c");
        assert_eq!(path.to_string(), "^[\"items\"].items.oneOf[2][\"a.b/c\"]");
    }

    #[test]
    fn within_is_about_steps_not_letters() {
        let spec = SchemaPath::root().field("spec");
        assert!(spec.field("a").is_within(&spec) && spec.is_within(&spec) && spec.is_within(&SchemaPath::root()));
        assert!(!SchemaPath::root().field("specs").is_within(&spec));
    }
}
