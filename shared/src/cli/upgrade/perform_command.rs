//! The command that performs a plan that was only shown: its last line.
//!
//! Input: the request and its plan. Output: words of a command line; a saved plan is applied, any other is requested again with its
//! charts pinned by digest.

use super::upgrade_request::{UpgradeAction, UpgradeRequest};
use crate::cli::files;
use crate::model::owner::Owner;
use crate::plan::saved_plan::RecordedRequest;
use crate::prepare::prepared::Prepared;
use crate::problem::Problem;
use crate::report::upgrade_report::{Outcome, UpgradeReport};

/// Builds the command; empty if the plan cannot be performed, or was declined.
///
/// # Errors
/// The working directory cannot be read.
pub(crate) fn build(
    request: &UpgradeRequest<'_>,
    prepared: &Prepared,
    report: &UpgradeReport,
) -> Result<Vec<String>, Problem> {
    let is_upgrade = matches!(request.action, UpgradeAction::Upgrade { .. });
    if report.outcome != Outcome::Planned || request.can_write() || !is_upgrade {
        return Ok(Vec::new());
    }
    if let Some(file) = request.plan_file {
        return Ok(request.ask.apply_command(&file.display().to_string()));
    }
    if request.saved.is_some() || request.resumed_run.is_some() {
        return Ok(Vec::new());
    }
    let mut ask = request.ask.clone();
    let is_helm = |owner: &Owner| matches!(owner, Owner::Helm | Owner::NotInstalled);
    // Flux and Argo CD have their own chart references.
    if prepared.plan.charts.iter().all(|chart| is_helm(&chart.owner)) {
        let pinned = RecordedRequest::new(&ask, &prepared.plan, &files::current_dir()?);
        (ask.crds.chart, ask.app.chart) = (pinned.crds.chart, pinned.app.chart);
    }
    Ok(ask.upgrade_command())
}
