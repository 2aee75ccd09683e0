//! The state that all steps of one run share.
//!
//! Owns no logic. `mod.rs` builds it after the locks are held; every step reads it. The state that steps add during the run are the
//! journal, the verified CRDs and the migrated CRDs.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::journal_writer::Journal;
use super::run_options::RunOptions;
use super::verified_crds::VerifiedCrds;
use crate::cluster::leases::Locks;
use crate::model::command::ProcessGuard;
use crate::model::crd::Crd;
use crate::prepare::prepared::Prepared;
use crate::report::event::Emit;

/// The state that all steps of one run share.
pub struct Run<'a> {
    /// The result of the prepare stage.
    pub prepared: &'a Prepared,
    /// Limits and stop signals.
    pub options: &'a RunOptions,
    /// Receives the events.
    pub emit: Emit<'a>,
    /// The locks that this run holds.
    pub locks: &'a Locks,
    /// Ends helm and kubectl when this process ends.
    pub process_guard: &'a ProcessGuard,
    /// The journal; `None` for a run that has none.
    pub journal: Option<Journal>,
    /// The CRDs that this run verified, and when.
    pub verified_crds: VerifiedCrds,
    /// The CRDs whose objects this run has migrated, as they were after it.
    pub(super) migrated_crds: Mutex<BTreeMap<String, Crd>>,
}

impl Run<'_> {
    /// The CRDs whose objects this run has migrated, as they were after it.
    pub(super) fn migrated_crds(&self) -> BTreeMap<String, Crd> {
        self.migrated_crds.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Records a CRD as this run's migration left it.
    pub(super) fn record_migrated_crd(&self, crd: Crd) {
        self.migrated_crds.lock().unwrap_or_else(PoisonError::into_inner).insert(crd.name().to_owned(), crd);
    }
}
