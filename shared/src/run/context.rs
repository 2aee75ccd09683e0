//! What the steps of one run share.

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

/// What the steps of one run share.
pub struct Run<'a> {
    /// What was prepared.
    pub prepared: &'a Prepared,
    /// How it behaves.
    pub options: &'a RunOptions,
    /// Where events go.
    pub emit: Emit<'a>,
    /// What says that it is our turn.
    pub locks: &'a Locks,
    /// What keeps helm and kubectl from outliving us.
    pub process_guard: &'a ProcessGuard,
    /// What is noted of it.
    pub journal: Option<Journal>,
    /// What was proved of the CRDs.
    pub verified_crds: VerifiedCrds,
    /// The CRDs whose objects this run has moved, as it left them.
    pub(super) migrated_crds: Mutex<BTreeMap<String, Crd>>,
}

impl Run<'_> {
    /// The CRDs whose objects this run has moved, as it left them.
    pub(super) fn migrated_crds(&self) -> BTreeMap<String, Crd> {
        self.migrated_crds.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers a CRD as this run left it.
    pub(super) fn record_migrated_crd(&self, crd: Crd) {
        self.migrated_crds.lock().unwrap_or_else(PoisonError::into_inner).insert(crd.name().to_owned(), crd);
    }
}
