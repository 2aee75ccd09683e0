//! `--wait`: looks again until it is healthy, tells what it waits for, and ends early where it cannot get better.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use mural::checks::validate::{Check, may_pass};
use mural::cli::talk::Talk;
use mural::model::check::{Checked, Finding, Level};
use mural::model::owner::Owner;
use mural::model::tools::ToolsSeen;
use mural::model::waiting::{Own, unready};
use mural::problem::{Exit, Problem};
use mural::report::event::{Event, WaitingFor};
use mural::report::style::harmless;
use mural::report::validate::ValidateReport;

use crate::job::Job;
use crate::look::{Looked, see};

/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// The name of the wait in what is told of it.
const STEP: &str = "waiting";

/// Looks until it is healthy, until it cannot get better, or until the time is over.
///
/// # Errors
/// The first look cannot be done at all. A later one that cannot is tried again.
pub(crate) async fn until_healthy(
    job: &Job,
    tools: &ToolsSeen,
    (limit, grace): (Duration, Duration),
    talk: &Talk,
) -> Result<(ValidateReport, Exit), Problem> {
    let mut watch = Watch { talk, began: Instant::now(), limit, grace, since: BTreeMap::new(), waited: false };
    let mut failing: Option<Vec<&'static Check>> = None;
    loop {
        // After the first look only what failed is asked again; when that is well, everything once more.
        let checks = failing.clone().unwrap_or_else(|| job.checks.clone());
        let looked = match see(job, &job.installation, &checks).await {
            Err(problem) if failing.is_none() => return Err(problem),
            Err(problem) if watch.over() => return Err(problem),
            Err(problem) => {
                watch.tell(vec![unread(&problem)], (0, job.checks.len()));
                tokio::time::sleep(LOOK_AGAIN).await;
                continue;
            }
            Ok(looked) => looked,
        };
        let report = compared(looked.judged(tools, &checks, Timestamp::now()), job);
        let (well, whole) = (report.exit(job.strict) == Exit::Fine, checks.len() == job.checks.len());
        if well && whole {
            watch.healthy(&report);
            return Ok((report, Exit::Fine));
        }
        let end = if well { None } else { watch.look(&looked, &report, job) };
        if let Some(exit) = end {
            return last(job, tools, report, whole, exit).await;
        }
        failing = (!well).then(|| asked_again(job, &report));
        if !well {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// The answer is always whole, whatever was asked last.
async fn last(
    job: &Job,
    tools: &ToolsSeen,
    report: ValidateReport,
    whole: bool,
    exit: Exit,
) -> Result<(ValidateReport, Exit), Problem> {
    if whole {
        return Ok((report, exit));
    }
    let looked = see(job, &job.installation, &job.checks).await?;
    Ok((compared(looked.judged(tools, &job.checks, Timestamp::now()), job), exit))
}

fn compared(report: ValidateReport, job: &Job) -> ValidateReport {
    match &job.baseline {
        Some(baseline) => report.compared_with(baseline),
        None => report,
    }
}

fn asked_again(job: &Job, report: &ValidateReport) -> Vec<&'static Check> {
    let failed = |check: &&&'static Check| {
        report
            .checks
            .iter()
            .any(|checked| checked.check == check.card.id && (checked.undetermined() || !checked.findings().is_empty()))
    };
    job.checks.iter().filter(failed).copied().collect()
}

/// The API server did not answer this time.
fn unread(problem: &Problem) -> WaitingFor {
    WaitingFor {
        object: "API server".to_owned(),
        progress: String::new(),
        reason: problem.to_string(),
        terminal_seconds: None,
    }
}

struct Watch<'a> {
    talk: &'a Talk,
    began: Instant,
    limit: Duration,
    grace: Duration,
    /// Since when each reason lasts that does not pass by itself.
    since: BTreeMap<(String, String), Instant>,
    /// Whether anything was waited for.
    waited: bool,
}

impl Watch<'_> {
    fn over(&self) -> bool {
        self.began.elapsed() >= self.limit
    }

    /// How to end; none where it may get better.
    fn look(&mut self, looked: &Looked, report: &ValidateReport, job: &Job) -> Option<Exit> {
        let by_flux =
            looked.view.owners.values().any(|owner| matches!(owner, Owner::Flux { .. } | Owner::Appliance { .. }));
        let known =
            |finding: &&Finding| report.compared.as_ref().is_some_and(|compared| compared.known.contains(finding));
        let counts =
            |finding: &&Finding| finding.level == Level::Error || (job.strict && finding.level == Level::Warning);
        let open: Vec<&Finding> =
            report.findings().into_iter().filter(counts).filter(|finding| !known(finding)).collect();
        if let Some(lasting) = open.iter().find(|finding| !may_pass(&finding.check, by_flux)) {
            self.end(&format!("waiting does not mend {}: {}: {}", lasting.check, lasting.subject, lasting.message));
            return Some(Exit::ChecksFailed);
        }
        if let Some(reason) = self.lasting(looked, report) {
            self.end(&format!("it cannot get better: {reason}"));
            return Some(Exit::ChecksFailed);
        }
        if self.over() {
            self.end(&format!("not healthy after {}s", self.limit.as_secs()));
            return Some(Exit::OutOfTime);
        }
        let unseen = report.checks.iter().filter(|checked| checked.undetermined());
        let waiting = open.iter().map(|finding| (finding.subject.as_str(), finding.message.as_str()));
        let waiting = waiting.chain(unseen.map(|checked| (checked.check, "cannot look")));
        let waiting = waiting.map(|(object, reason)| self.waiting_for(object, reason)).collect();
        let all = job.checks.len();
        self.tell(waiting, (all - asked_again(job, report).len().min(all), all));
        None
    }

    fn waiting_for(&self, object: &str, reason: &str) -> WaitingFor {
        let since = self.since.iter().find(|((lasting, _), _)| lasting == object);
        let terminal_seconds = since.map(|(_, since)| since.elapsed().as_secs());
        WaitingFor { object: object.to_owned(), progress: String::new(), reason: reason.to_owned(), terminal_seconds }
    }

    /// A reason that does not pass by itself and has lasted longer than the grace: a pod's, or that something cannot be read.
    fn lasting(&mut self, looked: &Looked, report: &ValidateReport) -> Option<String> {
        let record = looked.view.newest(&looked.installation.app_release).ok().flatten();
        let hooks: Vec<_> = record.into_iter().flat_map(mural::model::release::ReleaseRecord::hook_objects).collect();
        let own = Own::new(&looked.installation.app_release, &hooks);
        let (_, waiting) = unready(&looked.view.workloads, &own, Timestamp::now());
        let terminal = waiting.into_iter().filter(|one| !one.terminal.is_empty());
        let mut now: BTreeMap<(String, String), String> = terminal
            .map(|one| ((one.object.to_string(), one.terminal), format!("{}: {}", one.object, one.reason)))
            .collect();
        for checked in report.checks.iter().filter(|checked| Checked::undetermined(checked)) {
            now.insert((checked.check.to_owned(), "unseen".to_owned()), format!("{} cannot look", checked.check));
        }
        self.since.retain(|key, _| now.contains_key(key));
        for key in now.keys() {
            self.since.entry(key.clone()).or_insert_with(Instant::now);
        }
        let (key, since) = self.since.iter().find(|(_, since)| since.elapsed() >= self.grace)?;
        now.get(key).map(|reason| format!("{reason}, for {}s", since.elapsed().as_secs()))
    }

    /// What is waited for: moving on a terminal, elsewhere a line a change.
    fn tell(&mut self, objects: Vec<WaitingFor>, ready: (usize, usize)) {
        self.waited = true;
        let (seconds, limit_seconds) = (self.began.elapsed().as_secs_f64(), self.limit.as_secs_f64());
        let grace_seconds = self.grace.as_secs();
        let step = STEP.to_owned();
        self.talk.event(&Event::Waiting { step, seconds, limit_seconds, grace_seconds, ready, objects });
    }

    fn healthy(&self, report: &ValidateReport) {
        if self.waited {
            let detail = format!("healthy: {} passed", report.counts.passed);
            let seconds = self.began.elapsed().as_secs_f64();
            self.talk.event(&Event::StepDone { step: STEP.to_owned(), detail, seconds });
        }
    }

    fn end(&self, words: &str) {
        let (reason, seconds) = (harmless(words).replace('\n', " "), self.began.elapsed().as_secs_f64());
        self.talk.event(&Event::StepFailed { step: STEP.to_owned(), reason, seconds });
    }
}
