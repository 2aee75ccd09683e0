//! Why Go rejects a pattern, in the words of its package `regexp/syntax` (<https://pkg.go.dev/regexp/syntax#Error>).

/// Why Go rejects a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {reason}: `{expression}`")]
pub(in crate::schema) struct SyntaxError {
    reason: &'static str,
    expression: String,
}

impl SyntaxError {
    pub(super) fn new(reason: &'static str, expression: impl Into<String>) -> Self {
        Self { reason, expression: expression.into() }
    }
}
