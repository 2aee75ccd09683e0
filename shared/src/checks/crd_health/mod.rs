//! Health checks of the CRDs of the charts, as they are on the cluster.
//!
//! Which CRDs are expected comes from the charts or the release records (`ReleaseInventory`). Changes between two CRDs are judged in
//! `crd_changes`.

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

/// The expected and the live CRDs; or the result of the check, if one of the two is unknown.
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

/// The scan of the live objects; or the result of the check, if they were not read.
fn object_reports<'a>(
    context: &'a CheckContext<'_>,
    card: &'static Card,
) -> Result<&'a BTreeMap<String, ObjectScan>, CheckResult> {
    match &context.health_inputs.object_scans {
        Ok(Some(streamed)) => Ok(streamed),
        Ok(None) => Err(skipped_result(card, "the live objects are not checked here; run kubectl mural validate")),
        Err(failure) => Err(undetermined_result(card, failure)),
    }
}

/// Why the release records could not be read, if that is so.
fn records_failure<'a>(context: &'a CheckContext<'_>) -> Option<&'a ReadFailure> {
    match &context.inventory.objects {
        Availability::Unreadable(failure) => Some(failure),
        Availability::Known(_) | Availability::Absent(_) => None,
    }
}

/// The arguments of the chart for a command in a hint.
fn chart_arguments(context: &CheckContext<'_>) -> String {
    match &context.expectations.crds_chart {
        Some(chart) if chart.reference.starts_with("oci://") && !chart.reference.contains('@') => {
            format!("{} --version {}", chart.reference, chart.version)
        }
        Some(chart) => chart.reference.clone(),
        None => "CHART".to_owned(),
    }
}

/// The command that applies the CRDs of the chart.
fn apply_command(context: &CheckContext<'_>) -> String {
    format!("helm mural crds apply {}", chart_arguments(context))
}

/// Calls the function for each expected CRD on the cluster; `crd-present` reports the missing ones.
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

/// A condition as one sentence, or that it is not set yet.
fn describe_condition(condition: Option<Condition<'_>>) -> String {
    match condition {
        None => "has no such condition yet".to_owned(),
        Some(found) if found.message.is_empty() => format!("{} ({})", found.status, found.reason),
        Some(found) => format!("{} ({}): {}", found.status, found.reason, found.message),
    }
}
