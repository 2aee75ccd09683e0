//! The CRDs that the charts name, as they are on the cluster.

pub mod crd_established;
pub mod crd_names_accepted;
pub mod crd_present;
pub mod crd_stored_versions;
pub mod crd_structural;
pub mod crd_terminating;

use std::collections::{BTreeMap, BTreeSet};

use super::gathered::{Gathered, skipped, undetermined};
use super::seen::{Listed, Seen};
use super::{Card, Checked, Finding};
use crate::model::crd::Crd;
use crate::model::object::Condition;

/// What should be there, and all that is there; or the answer, where one of the two is not known.
fn both<'a>(
    seen: &'a Seen<'_>,
    card: &'static Card,
) -> Result<(&'a BTreeSet<String>, &'a BTreeMap<String, Crd>), Checked> {
    match (&seen.wanted_crds, &seen.view.crds) {
        (Listed::NotSeen(not_seen), _) | (_, Err(not_seen)) => Err(undetermined(card, not_seen)),
        (Listed::Nothing(reason), _) => Err(skipped(card, reason)),
        (Listed::Known(wanted), Ok(live)) => Ok((wanted, live)),
    }
}

/// Asks each CRD that should be there and is; `crd-present` names those that are not.
fn each(seen: &Seen<'_>, card: &'static Card, judge: impl Fn(&Crd) -> Option<Finding>) -> Checked {
    let (wanted, live) = match both(seen, card) {
        Ok(both) => both,
        Err(answer) => return answer,
    };
    let mut gathered = Gathered::new(card);
    for crd in wanted.iter().filter_map(|name| live.get(name)) {
        gathered.looked(judge(crd));
    }
    gathered.skipped("none of the CRDs is on the cluster");
    gathered.checked()
}

/// What a condition says, in a sentence; or that it is not there.
fn said(condition: Option<Condition<'_>>) -> String {
    match condition {
        None => "has no such condition yet".to_owned(),
        Some(found) if found.message.is_empty() => format!("{} ({})", found.status, found.reason),
        Some(found) => format!("{} ({}): {}", found.status, found.reason, found.message),
    }
}
