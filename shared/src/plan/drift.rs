//! What changed since a plan was saved or a run was interrupted.

/// One thing that is not as it was when a plan was saved, or a run cut off.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moved {
    /// `CRD pools.small.example.com`, `release mural`, `values`
    pub what: String,
    /// How it is other than it was.
    pub how: String,
    /// What to do about it; empty where the card says it.
    pub hint: &'static str,
}
