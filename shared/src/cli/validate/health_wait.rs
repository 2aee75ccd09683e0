//! `--wait`: repeat the checks until the installation is healthy, show the pending objects, and end early on a terminal reason.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::checks::health_check::HealthCheck;
use crate::checks::health_checks::is_transient;
use crate::cli::progress_output::ProgressOutput;
use crate::model::check::{CheckResult, Finding, Level};
use crate::model::owner::Owner;
use crate::model::text_format::format_duration;
use crate::model::tool_versions::ToolVersions;
use crate::model::unready_objects::{OwnedWorkloads, find_unready};
use crate::problem::{Exit, Problem};
use crate::report::event::{Event, WaitingObject};
use crate::report::style::sanitize;
use crate::report::validate::ValidateReport;
use jiff::Timestamp;

use crate::cli::validate::observe::{ClusterObservations, observe};
use crate::cli::validate::validate_request::ValidateRequest;

/// The interval between two reads of the cluster.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// The step name of the wait in events.
const WAIT_STEP_ID: &str = "waiting";

/// Repeats the checks until the installation is healthy, a terminal reason outlasts the grace, or the limit is over.
///
/// # Errors
/// The first read failed, or a read still fails at the limit. Other failed reads are retried.
pub(crate) async fn wait_until_healthy(
    request: &ValidateRequest,
    tools: &ToolVersions,
    (limit, grace): (Duration, Duration),
    progress: &ProgressOutput,
) -> Result<(ValidateReport, Exit), Problem> {
    let mut wait = HealthWait {
        progress,
        began: Instant::now(),
        limit,
        grace,
        terminal_since: BTreeMap::new(),
        has_waited: false,
    };
    let mut failing: Option<Vec<&'static HealthCheck>> = None;
    loop {
        // After the first read, run only the failed checks again. If they pass, run all checks once more.
        let checks = failing.clone().unwrap_or_else(|| request.checks.clone());
        let observations = match observe(request, &request.installation, &checks).await {
            Err(problem) if failing.is_none() => return Err(problem),
            Err(problem) if wait.is_timed_out() => return Err(problem),
            Err(problem) => {
                wait.emit_waiting(vec![build_unreachable_entry(&problem)], (0, request.checks.len()));
                tokio::time::sleep(POLL_INTERVAL).await;
                continue;
            }
            Ok(observations) => observations,
        };
        let report = request.complete(observations.judge(tools, &checks, Timestamp::now()));
        let (is_healthy, is_complete) =
            (report.exit(request.strict) == Exit::Success, checks.len() == request.checks.len());
        if is_healthy && is_complete {
            wait.emit_healthy(&report);
            return Ok((report, Exit::Success));
        }
        let end = if is_healthy { None } else { wait.decide_end(&observations, &report, request) };
        if let Some(exit) = end {
            return report_all_checks(request, tools, report, is_complete, exit).await;
        }
        failing = (!is_healthy).then(|| select_unhealthy_checks(request, &report));
        if !is_healthy {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}

/// Runs all checks again if the last read covered only some, so that the report is always complete.
async fn report_all_checks(
    request: &ValidateRequest,
    tools: &ToolVersions,
    report: ValidateReport,
    is_complete: bool,
    exit: Exit,
) -> Result<(ValidateReport, Exit), Problem> {
    if is_complete {
        return Ok((report, exit));
    }
    let observations = observe(request, &request.installation, &request.checks).await?;
    Ok((request.complete(observations.judge(tools, &request.checks, Timestamp::now())), exit))
}

fn select_unhealthy_checks(request: &ValidateRequest, report: &ValidateReport) -> Vec<&'static HealthCheck> {
    let failed = |check: &&&'static HealthCheck| {
        report.checks.iter().any(|checked| {
            checked.check == check.card.id && (checked.is_undetermined() || !checked.findings().is_empty())
        })
    };
    request.checks.iter().filter(failed).copied().collect()
}

/// The pending entry of an unreachable API server.
fn build_unreachable_entry(problem: &Problem) -> WaitingObject {
    WaitingObject {
        object: "API server".to_owned(),
        progress: String::new(),
        reason: problem.to_string(),
        terminal_seconds: None,
    }
}

struct HealthWait<'a> {
    progress: &'a ProgressOutput,
    began: Instant,
    limit: Duration,
    grace: Duration,
    /// The start of each terminal reason, by object and reason.
    terminal_since: BTreeMap<(String, String), Instant>,
    /// Whether the wait showed a pending object.
    has_waited: bool,
}

impl HealthWait<'_> {
    fn is_timed_out(&self) -> bool {
        self.began.elapsed() >= self.limit
    }

    /// The exit code of the wait; `None` if the installation can still become healthy.
    fn decide_end(
        &mut self,
        observations: &ClusterObservations,
        report: &ValidateReport,
        request: &ValidateRequest,
    ) -> Option<Exit> {
        let by_flux = observations.view.owners.values().any(Owner::is_flux);
        let known = |finding: &&Finding| {
            report.comparison.as_ref().is_some_and(|compared| compared.pre_existing.contains(finding))
        };
        let counts =
            |finding: &&Finding| finding.level == Level::Error || (request.strict && finding.level == Level::Warning);
        let open: Vec<&Finding> =
            report.findings().into_iter().filter(counts).filter(|finding| !known(finding)).collect();
        if let Some(terminal_finding) = open.iter().find(|finding| !is_transient(&finding.check, by_flux)) {
            self.emit_failed(&format!(
                "waiting does not fix {}: {}: {}",
                terminal_finding.check, terminal_finding.subject, terminal_finding.message
            ));
            return Some(Exit::ChecksFailed);
        }
        if let Some(reason) = self.find_terminal_reason(observations, report) {
            self.emit_failed(&format!("terminal reason: {reason}"));
            return Some(Exit::ChecksFailed);
        }
        if self.is_timed_out() {
            self.emit_failed(&format!("not healthy after {}", format_duration(self.limit.as_secs_f64())));
            return Some(Exit::TimedOut);
        }
        let unseen = report.checks.iter().filter(|checked| checked.is_undetermined());
        let waiting = open.iter().map(|finding| (finding.subject.as_str(), finding.message.as_str()));
        let waiting = waiting.chain(unseen.map(|checked| (checked.check, "undetermined")));
        let waiting = waiting.map(|(object, reason)| self.build_waiting_entry(object, reason)).collect();
        let all = request.checks.len();
        self.emit_waiting(waiting, (all - select_unhealthy_checks(request, report).len().min(all), all));
        None
    }

    fn build_waiting_entry(&self, object: &str, reason: &str) -> WaitingObject {
        let terminal_since = self.terminal_since.iter().find(|((lasting, _), _)| lasting == object);
        let terminal_seconds = terminal_since.map(|(_, since)| since.elapsed().as_secs());
        WaitingObject {
            object: object.to_owned(),
            progress: String::new(),
            reason: reason.to_owned(),
            terminal_seconds,
        }
    }

    /// A terminal reason that lasts longer than the grace: of a pod, or an undetermined check.
    fn find_terminal_reason(&mut self, observations: &ClusterObservations, report: &ValidateReport) -> Option<String> {
        let record = observations.view.newest_revision(&observations.installation.app_release).ok().flatten();
        let hooks: Vec<_> = record.into_iter().flat_map(crate::model::release::ReleaseRecord::hook_objects).collect();
        let owned_workloads = OwnedWorkloads::new(&observations.installation.app_release, &hooks);
        let (_, waiting) = find_unready(&observations.view.workloads, &owned_workloads, Timestamp::now());
        let terminal = waiting.iter().filter_map(|one| Some((one, one.terminal_reason()?)));
        let mut now: BTreeMap<(String, String), String> = terminal
            .map(|(one, reason)| {
                ((one.object.to_string(), reason.to_owned()), format!("{}: {}", one.object, one.reason))
            })
            .collect();
        for checked in report.checks.iter().filter(|checked| CheckResult::is_undetermined(checked)) {
            now.insert((checked.check.to_owned(), "unseen".to_owned()), format!("{} is undetermined", checked.check));
        }
        self.terminal_since.retain(|key, _| now.contains_key(key));
        for key in now.keys() {
            self.terminal_since.entry(key.clone()).or_insert_with(Instant::now);
        }
        let (key, since) = self.terminal_since.iter().find(|(_, since)| since.elapsed() >= self.grace)?;
        now.get(key).map(|reason| format!("{reason}, for {}s", since.elapsed().as_secs()))
    }

    /// Shows the pending objects: in the spinner on a terminal, else one line per change.
    fn emit_waiting(&mut self, objects: Vec<WaitingObject>, ready: (usize, usize)) {
        self.has_waited = true;
        let (seconds, limit_seconds) = (self.began.elapsed().as_secs_f64(), self.limit.as_secs_f64());
        let grace_seconds = self.grace.as_secs();
        let step = WAIT_STEP_ID.to_owned();
        self.progress.show_event(&Event::Waiting { step, seconds, limit_seconds, grace_seconds, ready, objects });
    }

    fn emit_healthy(&self, report: &ValidateReport) {
        if self.has_waited {
            let detail = format!("healthy: {} passed", report.counts.passed);
            let seconds = self.began.elapsed().as_secs_f64();
            self.progress.show_event(&Event::StepDone { step: WAIT_STEP_ID.to_owned(), detail, seconds });
        }
    }

    fn emit_failed(&self, text: &str) {
        let (reason, seconds) = (sanitize(text).replace('\n', " "), self.began.elapsed().as_secs_f64());
        self.progress.show_event(&Event::StepFailed { step: WAIT_STEP_ID.to_owned(), reason, seconds });
    }
}
