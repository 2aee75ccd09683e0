//! A chart that lies on disk: where it came from, which bytes it is, and what its files say.
//!
//! `tools` fetches it; rendering, judging and the run all use these same bytes.

use std::path::PathBuf;
use std::sync::Arc;

use crate::model::chart::{Chart, ChartFiles, ChartRef, Digest};

/// A chart whose bytes lie in the private folder of this run.
#[derive(Debug, Clone)]
pub struct FetchedChart {
    /// The reference that the operator gave.
    pub reference: ChartRef,
    /// The packed file.
    pub file: PathBuf,
    /// The digest of the bytes.
    pub digest: Digest,
    /// What its files declare.
    pub chart: Chart,
    /// Its files: helm stores them in the release record.
    pub files: Arc<ChartFiles>,
}
