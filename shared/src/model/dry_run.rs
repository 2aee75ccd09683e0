//! What the API server answers to a dry-run.

use crate::model::crd::Crd;

/// What the server says of one CRD that we would write: the merged result, or its refusal in its own words.
pub type CrdDryRunResult = Result<Crd, String>;
