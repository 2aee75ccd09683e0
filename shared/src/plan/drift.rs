//! What changed since a plan was saved or a run was interrupted.

/// One thing that is not as it was when a plan was saved, or a run cut off.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DriftItem {
    /// `CRD pools.small.example.com`, `release mural`, `values`
    pub subject: String,
    /// How it is other than it was.
    pub change: String,
    /// What to do about it; empty where the card says it.
    pub hint: &'static str,
}
