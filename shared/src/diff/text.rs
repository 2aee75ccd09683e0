//! Changes of words: nothing that the API server or an object can notice.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::kind::{Effect, format_change};
use super::walk::{ChangeCollector, PositionPair};

/// Documentation inside a schema. Old or new is absent where there was none.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase")]
pub enum TextChange {
    /// `description`
    #[serde(rename = "description-changed")]
    Description {
        /// Before.
        old: Option<Value>,
        /// After.
        new: Option<Value>,
    },
    /// `title`
    #[serde(rename = "title-changed")]
    Title {
        /// Before.
        old: Option<Value>,
        /// After.
        new: Option<Value>,
    },
    /// `example`
    #[serde(rename = "example-changed")]
    Example {
        /// Before.
        old: Option<Value>,
        /// After.
        new: Option<Value>,
    },
    /// `externalDocs`
    #[serde(rename = "external-docs-changed")]
    ExternalDocs {
        /// Before.
        old: Option<Value>,
        /// After.
        new: Option<Value>,
    },
}

impl TextChange {
    /// Always text only.
    #[must_use]
    pub const fn effect(&self) -> Effect {
        Effect::Text
    }
}

impl fmt::Display for TextChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, old, new) = match self {
            Self::Description { old, new } => ("description", old, new),
            Self::Title { old, new } => ("title", old, new),
            Self::Example { old, new } => ("example", old, new),
            Self::ExternalDocs { old, new } => ("external documentation", old, new),
        };
        write!(f, "{what} changed: {}", format_change(old.as_ref(), new.as_ref()))
    }
}

/// The keywords that this file speaks for.
pub(super) const KEYWORDS: [&str; 4] = ["description", "title", "example", "externalDocs"];

pub(super) fn compare(pair: &PositionPair<'_>, collector: &mut ChangeCollector) {
    for key in KEYWORDS {
        let (old, new) = (pair.old_keyword(key).cloned(), pair.new_keyword(key).cloned());
        if old == new {
            continue;
        }
        collector.add(
            pair,
            match key {
                "description" => TextChange::Description { old, new },
                "title" => TextChange::Title { old, new },
                "example" => TextChange::Example { old, new },
                _ => TextChange::ExternalDocs { old, new },
            },
        );
    }
}
