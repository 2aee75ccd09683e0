//! The CRDs that the charts name, as they are on the cluster.

pub mod crd_content;
pub mod crd_established;
pub mod crd_foreign_owner;
pub mod crd_in_two_charts;
pub mod crd_names_accepted;
pub mod crd_objects_fit;
pub mod crd_present;
pub mod crd_schema_served;
pub mod crd_stored_versions;
pub mod crd_structural;
pub mod crd_terminating;
pub mod crd_version_named;
pub mod live;

use std::collections::{BTreeMap, BTreeSet};

use crate::checks::gathered::{Gathered, skipped, undetermined};
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Finding};
use crate::model::crd::Crd;
use crate::model::inventory::Listed;
use crate::model::object::Condition;
use crate::model::view::NotSeen;
use crate::model::vitals::Streamed;

/// What should be there, and all that is there; or the answer, where one of the two is not known.
fn both<'a>(
    seen: &'a Seen<'_>,
    card: &'static Card,
) -> Result<(&'a BTreeSet<String>, &'a BTreeMap<String, Crd>), Checked> {
    match (&seen.named.crds, &seen.view.crds) {
        (Listed::NotSeen(not_seen), _) | (_, Err(not_seen)) => Err(undetermined(card, not_seen)),
        (Listed::Nothing(reason), _) => Err(skipped(card, reason)),
        (Listed::Known(wanted), Ok(live)) => Ok((wanted, live)),
    }
}

/// What streaming the live objects has told; or the answer, where nobody did or could.
fn streamed<'a>(seen: &'a Seen<'_>, card: &'static Card) -> Result<&'a BTreeMap<String, Streamed>, Checked> {
    match &seen.vitals.streamed {
        Ok(Some(streamed)) => Ok(streamed),
        Ok(None) => Err(skipped(card, "the live objects were not asked here: kubectl mural validate asks them")),
        Err(not_seen) => Err(undetermined(card, not_seen)),
    }
}

/// What kept us from reading the releases' records, where something did.
fn records_unseen<'a>(seen: &'a Seen<'_>) -> Option<&'a NotSeen> {
    match &seen.named.objects {
        Listed::NotSeen(not_seen) => Some(not_seen),
        Listed::Known(_) | Listed::Nothing(_) => None,
    }
}

/// The chart as a command names it: the one that the caller has named.
fn chart_words(seen: &Seen<'_>) -> String {
    match &seen.expect.crds_chart {
        Some(chart) if chart.reference.starts_with("oci://") && !chart.reference.contains('@') => {
            format!("{} --version {}", chart.reference, chart.version)
        }
        Some(chart) => chart.reference.clone(),
        None => "CHART".to_owned(),
    }
}

/// The command that brings the chart's CRDs.
fn apply(seen: &Seen<'_>) -> String {
    format!("helm mural crds apply {}", chart_words(seen))
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
