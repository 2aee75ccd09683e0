//! The CRDs that the API server was verified to serve, and when.
//!
//! Owns the comparison for the second verification: same CRD, same spec, and who wrote since. `verify_served_schema.rs` fills and
//! reads it; the journal records it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::model::crd::{Crd, SpecWriter, list_spec_writers};
use crate::plan::recorded_state::RecordedCrd;
use crate::plan::value_hash::digest_json;

/// The verified CRDs, and when they were verified last.
#[derive(Default)]
pub struct VerifiedCrds(Mutex<Option<(Instant, BTreeMap<String, VerifiedSpec>)>>);

/// A CRD's spec as it was verified.
#[derive(Clone)]
pub(super) struct VerifiedSpec {
    uid: String,
    digest: String,
    stored_versions: Vec<String>,
    /// The writers of each field of the spec at that time.
    pub(super) writers: Vec<SpecWriter>,
}

impl VerifiedSpec {
    fn from_crd(crd: &Crd) -> Self {
        let stored_versions = crd.stored_versions().into_iter().map(str::to_owned).collect();
        Self {
            uid: crd.uid().to_owned(),
            digest: digest_json(&crd.json()["spec"]),
            stored_versions,
            writers: list_spec_writers(crd),
        }
    }

    pub(super) fn is_same(&self, now: &Crd) -> bool {
        let now = Self::from_crd(now);
        (&self.uid, &self.digest) == (&now.uid, &now.digest)
    }
}

impl VerifiedCrds {
    pub(super) fn record(&self, live: &[Crd]) {
        let mut verified = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut specs = verified.take().map_or_else(BTreeMap::new, |(_, specs)| specs);
        specs.extend(live.iter().map(|crd| (crd.name().to_owned(), VerifiedSpec::from_crd(crd))));
        *verified = Some((Instant::now(), specs));
    }

    /// The verified CRDs, as the journal records them.
    pub(super) fn to_live_crds(&self) -> BTreeMap<String, RecordedCrd> {
        let specs = self.snapshot().map(|(_, specs)| specs).unwrap_or_default();
        let live = |spec: VerifiedSpec| RecordedCrd {
            uid: spec.uid,
            spec_digest: spec.digest,
            stored_versions: spec.stored_versions,
        };
        specs.into_iter().map(|(name, spec)| (name, live(spec))).collect()
    }

    pub(super) fn snapshot(&self) -> Option<(Instant, BTreeMap<String, VerifiedSpec>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
