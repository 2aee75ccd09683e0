//! What changed since a plan was saved or a run was interrupted.

use std::fmt;

/// One difference from a saved plan or from an interrupted run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DriftItem {
    /// What changed.
    pub subject: DriftSubject,
    /// The difference between the current state and the earlier one.
    pub change: String,
    /// The hint to the operator; empty if the card has it.
    pub hint: &'static str,
}

/// What changed; `Display` is for people.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum DriftSubject {
    /// The cluster itself: its uid differs.
    Cluster,
    /// A release: its owner or its newest revision.
    Release(String),
    /// A live CRD.
    Crd(String),
    /// The bytes of a release's chart.
    Chart(String),
    /// A CRD as the chart renders it.
    RenderedCrd(String),
    /// The application's values.
    Values,
}

impl fmt::Display for DriftSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster => f.write_str("the cluster"),
            Self::Release(name) => write!(f, "release {name}"),
            Self::Crd(name) => write!(f, "CRD {name}"),
            Self::Chart(release) => write!(f, "the chart of {release}"),
            Self::RenderedCrd(name) => write!(f, "the chart's CRD {name}"),
            Self::Values => f.write_str("values"),
        }
    }
}
