//! A place in an object: a chain on the stack, written out only for a message.

use std::fmt;

/// One step down.
#[derive(Debug, Clone, Copy)]
pub(super) enum PathPart<'a> {
    /// A field that the schema names: `.spec`
    Field(&'a str),
    /// A key of a map: `[cpu]`
    Key(&'a str),
    /// An item of a list: `[0]`
    Index(usize),
}

/// A place; none is the root.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ObjectPath<'a> {
    parent: Option<&'a ObjectPath<'a>>,
    part: Option<PathPart<'a>>,
}

impl<'a> ObjectPath<'a> {
    pub(super) const ROOT: Self = Self { parent: None, part: None };

    /// The place one step below.
    pub(super) const fn child(&'a self, part: PathPart<'a>) -> Self {
        ObjectPath { parent: Some(self), part: Some(part) }
    }

    pub(super) const fn is_root(&self) -> bool {
        self.part.is_none()
    }

    /// As the server's OpenAPI validator writes it: map keys after a dot, `spec.limits.cpu`.
    pub(super) fn to_dotted(self) -> String {
        let mut text = String::new();
        self.write(&mut text, true);
        text
    }

    fn write(&self, into: &mut String, dotted: bool) {
        if let Some(above) = self.parent {
            above.write(into, dotted);
        }
        match self.part {
            None => {}
            Some(PathPart::Index(at)) => {
                into.push('[');
                into.push_str(&at.to_string());
                into.push(']');
            }
            Some(PathPart::Key(key)) if !dotted => {
                into.push('[');
                into.push_str(key);
                into.push(']');
            }
            Some(PathPart::Field(name) | PathPart::Key(name)) => {
                if !into.is_empty() {
                    into.push('.');
                }
                into.push_str(name);
            }
        }
    }
}

/// As `field.Path` writes it (apimachinery `pkg/util/validation/field/path.go`): `spec.limits[cpu]`; the root is empty.
impl fmt::Display for ObjectPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write(&mut text, false);
        f.write_str(&text)
    }
}
