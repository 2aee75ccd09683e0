//! The CRDs that the charts name, as they are on the cluster.

pub mod crd_established;
pub mod crd_foreign_owner;
pub mod crd_in_two_charts;
pub mod crd_matches_chart;
pub mod crd_names_accepted;
pub mod crd_objects_fit;
pub mod crd_present;
pub mod crd_schema_served;
pub mod crd_stored_versions;
pub mod crd_structural;
pub mod crd_terminating;
pub mod crd_version_in_use;
pub mod live_object_validator;

use std::collections::{BTreeMap, BTreeSet};

use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::{CheckResultBuilder, skipped_result, undetermined_result};
use crate::model::check::{Card, CheckResult, Finding};
use crate::model::cluster_view::ReadFailure;
use crate::model::crd::Crd;
use crate::model::health_inputs::ObjectScan;
use crate::model::object::Condition;
use crate::model::release_inventory::Availability;

/// What should be there, and all that is there; or the answer, where one of the two is not known.
fn expected_and_live<'a>(
    context: &'a CheckContext<'_>,
    card: &'static Card,
) -> Result<(&'a BTreeSet<String>, &'a BTreeMap<String, Crd>), CheckResult> {
    match (&context.inventory.crds, &context.view.crds) {
        (Availability::Unreadable(failure), _) | (_, Err(failure)) => Err(undetermined_result(card, failure)),
        (Availability::Absent(reason), _) => Err(skipped_result(card, reason)),
        (Availability::Known(wanted), Ok(live)) => Ok((wanted, live)),
    }
}

/// What streaming the live objects has told; or the answer, where nobody did or could.
fn object_reports<'a>(
    context: &'a CheckContext<'_>,
    card: &'static Card,
) -> Result<&'a BTreeMap<String, ObjectScan>, CheckResult> {
    match &context.health_inputs.object_scans {
        Ok(Some(streamed)) => Ok(streamed),
        Ok(None) => Err(skipped_result(card, "the live objects were not asked here: kubectl mural validate asks them")),
        Err(failure) => Err(undetermined_result(card, failure)),
    }
}

/// What kept us from reading the releases' records, where something did.
fn records_failure<'a>(context: &'a CheckContext<'_>) -> Option<&'a ReadFailure> {
    match &context.inventory.objects {
        Availability::Unreadable(failure) => Some(failure),
        Availability::Known(_) | Availability::Absent(_) => None,
    }
}

/// The chart as a command names it: the one that the caller has named.
fn chart_arguments(context: &CheckContext<'_>) -> String {
    match &context.expectations.crds_chart {
        Some(chart) if chart.reference.starts_with("oci://") && !chart.reference.contains('@') => {
            format!("{} --version {}", chart.reference, chart.version)
        }
        Some(chart) => chart.reference.clone(),
        None => "CHART".to_owned(),
    }
}

/// The command that brings the chart's CRDs.
fn apply_command(context: &CheckContext<'_>) -> String {
    format!("helm mural crds apply {}", chart_arguments(context))
}

/// Asks each CRD that should be there and is; `crd-present` names those that are not.
fn check_each_crd(
    context: &CheckContext<'_>,
    card: &'static Card,
    judge: impl Fn(&Crd) -> Option<Finding>,
) -> CheckResult {
    let (wanted, live) = match expected_and_live(context, card) {
        Ok(both) => both,
        Err(answer) => return answer,
    };
    let mut result = CheckResultBuilder::new(card);
    for crd in wanted.iter().filter_map(|name| live.get(name)) {
        result.record(judge(crd));
    }
    result.record_skip("none of the CRDs is on the cluster");
    result.build()
}

/// What a condition says, in a sentence; or that it is not there.
fn describe_condition(condition: Option<Condition<'_>>) -> String {
    match condition {
        None => "has no such condition yet".to_owned(),
        Some(found) if found.message.is_empty() => format!("{} ({})", found.status, found.reason),
        Some(found) => format!("{} ({}): {}", found.status, found.reason, found.message),
    }
}
