//! The final check: reads everything again and separates new issues from pre-existing ones.
//!
//! Owns the retries and the verdict on the run. The health checks themselves are in `checks/`. Input: the state before the run. Output:
//! [`FinalCheck`], in which only a new issue fails the run.

use crate::prepare::picture::read_health_inputs;
use std::time::Duration;

use jiff::Timestamp;

use super::context::Run;
use crate::ask::expect::Expectations;
use crate::checks;
use crate::checks::check_context::CheckContext;
use crate::cluster::{Cluster, view_reader};
use crate::model::check::{CheckResult, Finding, Level, Verdict};
use crate::model::cluster_view::ClusterView;
use crate::model::health_inputs::HealthInputs;
use crate::model::release_inventory::ReleaseInventory;
use crate::prepare::prepared::{Prepared, Work};
use crate::prepare::rendered_charts::RenderedChart;
use crate::problem::{Exit, Explain, Problem};
use crate::report::upgrade_report::FinalCheck;
use crate::report::validate::{ValidateReport, diff_reports};

/// The delays before the retries after a new issue: objects that were just written, or a server that just started, may need a
/// moment.
const MAX_RETRIES: usize = 2;
const RETRY_INTERVAL: Duration = Duration::from_secs(3);

/// Reads everything again, until there is no new issue or the retries are used up.
///
/// # Errors
/// The cluster cannot be read.
pub(super) async fn run_final_check(run: &Run<'_>) -> Result<FinalCheck, Problem> {
    let mut last = check_once(run).await?;
    for _ in 0..MAX_RETRIES {
        if judge_final_check(&last).is_ok() || run.options.stop.is_requested() {
            break;
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
        last = check_once(run).await?;
    }
    Ok(last)
}

/// One pass over all checks, with new issues separated from pre-existing ones.
async fn check_once(run: &Run<'_>) -> Result<FinalCheck, Problem> {
    let prepared = run.prepared;
    let view = view_reader::read_cluster_view(&prepared.session.cluster, &prepared.session.installation).await?;
    let health_inputs = read_final_health_inputs(&prepared.session.cluster, prepared, &view).await;
    let unread = HealthInputs::unavailable("it was not read before");
    let then = prepared.session.health_inputs.as_ref().unwrap_or(&unread);
    let report = |view: &ClusterView, health_inputs: &HealthInputs| {
        ValidateReport::new(view, check_health(prepared, view, health_inputs, Timestamp::now()))
            .mask(&prepared.session.secrets)
    };
    let (before, after) = (report(&prepared.session.view, then), report(&view, &health_inputs));
    let trouble = diff_reports(&before, &after);
    Ok(FinalCheck { checks: after.checks, comparison: trouble })
}

async fn read_final_health_inputs(cluster: &Cluster, prepared: &Prepared, view: &ClusterView) -> HealthInputs {
    let expect = build_expected(&prepared.work);
    let mut inputs = read_health_inputs(cluster, &prepared.session.installation, view, &expect).await;
    if let Ok(Some(last)) = &mut inputs.last_run {
        // This run is still open in the journal, and it is the one that checks.
        last.unfinished = None;
    }
    inputs
}

/// Why the installation is not as healthy as before the run.
#[derive(Debug, thiserror::Error)]
pub(super) enum FinalCheckError {
    /// Checks fail that passed before.
    #[error("{count} new errors, first: {example}")]
    NewErrors { count: usize, example: String },
    /// A check is undetermined that was not before.
    #[error("the check {check} can no longer be decided")]
    Undetermined { check: &'static str },
}

impl Explain for FinalCheckError {
    fn exit(&self) -> Exit {
        Exit::ChecksFailed
    }

    fn hints(&self) -> Vec<String> {
        vec!["kubectl mural validate lists all findings".to_owned()]
    }
}

/// The verdict on the run: an error that is new is a failure; a pre-existing error is not.
///
/// # Errors
/// Something is wrong that was not wrong before, or can no longer be read.
pub(super) fn judge_final_check(last: &FinalCheck) -> Result<String, FinalCheckError> {
    let errors: Vec<&Finding> = last.comparison.new.iter().filter(|finding| finding.level == Level::Error).collect();
    if let Some(first) = errors.first() {
        let example = format!("{}: {}", first.subject, first.message);
        return Err(FinalCheckError::NewErrors { count: errors.len(), example });
    }
    if let Some(check) = last.comparison.newly_undetermined.first() {
        return Err(FinalCheckError::Undetermined { check });
    }
    let passed = last.checks.iter().filter(|checked| checked.verdict == Verdict::Pass).count();
    Ok(format!("{passed} checks passed"))
}

/// The objects that the charts of a run require.
#[must_use]
pub(super) fn build_expected(work: &Work) -> Expectations {
    let version = |rendered_chart: Option<&RenderedChart>| {
        rendered_chart.map(|rendered_chart| rendered_chart.fetched.chart.version.clone())
    };
    Expectations {
        app_version: version(work.app_chart()),
        crds_version: version(work.crds_chart()),
        crds_chart_list: (!work.crds().is_empty()).then(|| work.crds().values().cloned().collect()),
        ..Expectations::default()
    }
}

/// Runs the health checks on an installation, against what was requested.
#[must_use]
pub(super) fn check_health(
    prepared: &Prepared,
    view: &ClusterView,
    health_inputs: &HealthInputs,
    now: Timestamp,
) -> Vec<CheckResult> {
    let expect = build_expected(&prepared.work);
    let installation = &prepared.session.installation;
    let named = ReleaseInventory::of(view, installation.releases(), expect.chart_crds());
    let context = CheckContext::new(installation, (view, health_inputs), &named, &prepared.session.tools, &expect, now);
    checks::health_checks::run_checks(&context, &checks::health_checks::HEALTH_CHECKS.iter().collect::<Vec<_>>())
}
