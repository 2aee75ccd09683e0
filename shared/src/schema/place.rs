//! Where in an object: a chain on the stack, written out only where something is said about it.

use std::fmt;

/// One step down.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step<'a> {
    /// A field that the schema names: `.spec`
    Field(&'a str),
    /// A key of a map: `[cpu]`
    Key(&'a str),
    /// An item of a list: `[0]`
    Index(usize),
}

/// A place; none is the root.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place<'a> {
    above: Option<&'a Place<'a>>,
    step: Option<Step<'a>>,
}

impl<'a> Place<'a> {
    pub(super) const ROOT: Self = Self { above: None, step: None };

    /// The place one step below.
    pub(super) const fn then(&'a self, step: Step<'a>) -> Self {
        Place { above: Some(self), step: Some(step) }
    }

    pub(super) const fn is_root(&self) -> bool {
        self.step.is_none()
    }

    /// As the server's OpenAPI validator writes it: map keys after a dot, `spec.limits.cpu`.
    pub(super) fn dotted(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, true);
        text
    }

    fn write(&self, into: &mut String, dotted: bool) {
        if let Some(above) = self.above {
            above.write(into, dotted);
        }
        match self.step {
            None => {}
            Some(Step::Index(at)) => {
                into.push('[');
                into.push_str(&at.to_string());
                into.push(']');
            }
            Some(Step::Key(key)) if !dotted => {
                into.push('[');
                into.push_str(key);
                into.push(']');
            }
            Some(Step::Field(name) | Step::Key(name)) => {
                if !into.is_empty() {
                    into.push('.');
                }
                into.push_str(name);
            }
        }
    }
}

/// As `field.Path` writes it (apimachinery `pkg/util/validation/field/path.go`): `spec.limits[cpu]`; the root is empty.
impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write(&mut text, false);
        f.write_str(&text)
    }
}
