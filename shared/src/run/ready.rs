//! The application's upgrade: helm waits, we show what for, and end the wait where it cannot get better. And the last look.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;

use super::{Run, judge};
use crate::checks::{Finding, Level, Verdict};
use crate::cluster::look;
use crate::model::object::ObjectRef;
use crate::model::status::{self, State, Trouble};
use crate::model::view::{ClusterView, Workloads};
use crate::plan::{Step, decide};
use crate::problem::{Exit, Problem};
use crate::report::event::{Event, WaitingFor};
use crate::report::upgrade::LastLook;
use crate::report::validate::{ValidateReport, new_trouble};
use crate::tools::error::ToolError;
use crate::tools::spawn::Stop;

/// Between two looks at what is not ready yet.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Upgrades the application and waits until it is ready.
///
/// # Errors
/// helm fails, is stopped, runs out of time, or a reason that cannot pass has lasted too long.
pub(super) async fn upgrade(run: &Run<'_>, step: &Step) -> Result<String, Problem> {
    let prepared = run.prepared;
    let Some(side) = &prepared.app else { return Err(Problem::failed("the plan upgrades a chart that does not move")) };
    let (description, label) = (decide::description(&side.fetched.digest), judge::label(&prepared.turn.claim.run));
    let upgrade = judge::upgrade(&prepared.ask, side, false, &description, &label);
    // helm gets a stop of its own: it is asked to stop by Ctrl-C, and where waiting longer makes no sense.
    let stop = Stop::default();
    let mut watch =
        Watch { run, step, began: Instant::now(), terminal: BTreeMap::new(), last: Vec::new(), hopeless: None };
    let written = {
        let helm = prepared.helm.upgrade(&upgrade, run.leash, stop.clone());
        tokio::pin!(helm);
        loop {
            tokio::select! {
                result = &mut helm => break result,
                () = tokio::time::sleep(LOOK_AGAIN) => watch.look(&stop).await,
            }
        }
    };
    match written {
        Ok(()) => Ok(format!("{} {}", upgrade.release, side.fetched.chart.version)),
        Err(error) => Err(watch.told(error, upgrade.release)),
    }
}

struct Watch<'a> {
    run: &'a Run<'a>,
    step: &'a Step,
    began: Instant,
    /// Since when each terminal reason lasts, by object and reason.
    terminal: BTreeMap<(String, String), Instant>,
    last: Vec<WaitingFor>,
    hopeless: Option<String>,
}

impl Watch<'_> {
    async fn look(&mut self, stop: &Stop) {
        if self.run.manner.stop.asked() {
            stop.ask();
            return;
        }
        let prepared = self.run.prepared;
        let workloads = look::workloads(&prepared.cluster, &prepared.ask.installation.namespace).await;
        let (ready, mut objects) = waiting_for(&workloads, Timestamp::now());
        self.remember(&mut objects);
        self.last.clone_from(&objects);
        (self.run.emit)(Event::Waiting {
            step: self.step.id.clone(),
            seconds: self.began.elapsed().as_secs_f64(),
            limit_seconds: self.run.manner.timeout.as_secs_f64(),
            ready,
            objects,
        });
        let lasted = self.terminal.iter().find(|(_, since)| since.elapsed() >= self.run.manner.failure_grace);
        if let Some(((object, reason), since)) = lasted {
            self.hopeless = Some(format!("{object}: {reason}, for {}s", since.elapsed().as_secs()));
            stop.ask();
        }
    }

    /// Keeps since when each terminal reason lasts; one that has gone is forgotten.
    fn remember(&mut self, objects: &mut [WaitingFor]) {
        let now = Instant::now();
        let mut still = BTreeMap::new();
        for object in objects.iter_mut().filter(|object| object.terminal_seconds.is_some()) {
            let key = (object.object.clone(), object.reason.clone());
            let since = self.terminal.get(&key).copied().unwrap_or(now);
            object.terminal_seconds = Some(since.elapsed().as_secs());
            still.insert(key, since);
        }
        self.terminal = still;
    }

    fn told(&self, error: ToolError, release: &str) -> Problem {
        let namespace = &self.run.prepared.ask.installation.namespace;
        if let Some(reason) = &self.hopeless {
            return Problem::new(Exit::Failed, format!("{release} cannot become ready: {reason}"))
                .hint(format!("kubectl describe pods --namespace {namespace}"))
                .hint("mend it, then run the same command again");
        }
        let unready: Vec<String> =
            self.last.iter().map(|object| format!("{} {}", object.object, object.reason)).collect();
        let problem = error.problem(format!("helm could not upgrade {release}"));
        let waited =
            if unready.is_empty() { problem } else { problem.hint(format!("not ready: {}", unready.join("; "))) };
        waited.hint(format!("helm history {release} --namespace {namespace}"))
    }
}

/// How much is ready, and what is not and why.
#[must_use]
pub(super) fn waiting_for(workloads: &Workloads, now: Timestamp) -> ((usize, usize), Vec<WaitingFor>) {
    let empty = Vec::new();
    let owners = workloads.owners.as_ref().unwrap_or(&empty);
    let pods = workloads.pods.as_ref().unwrap_or(&empty);
    let mut objects: Vec<WaitingFor> = owners.iter().filter_map(|owner| one(owner, pods, now)).collect();
    objects.sort();
    ((owners.len() - objects.len(), owners.len()), objects)
}

fn one(owner: &Value, pods: &[Value], now: Timestamp) -> Option<WaitingFor> {
    let found = status::status(owner, now);
    if found.state == State::Current {
        return None;
    }
    let trouble = troubles(owner, pods).into_iter().max_by_key(|trouble| trouble.terminal);
    let progress = status::progress(owner).map_or_else(String::new, |(ready, wanted)| format!("{ready}/{wanted}"));
    let reason = match &trouble {
        Some(trouble) if trouble.message.is_empty() => trouble.reason.clone(),
        Some(trouble) => format!("{} {}", trouble.reason, trouble.message),
        None => found.reason,
    };
    let object = ObjectRef::of(owner)?;
    Some(WaitingFor {
        object: format!("{} {}", object.kind, object.name),
        progress,
        reason,
        terminal_seconds: trouble.filter(|trouble| trouble.terminal).map(|_| 0),
    })
}

/// The troubles of the pods that an object's selector chooses.
fn troubles(owner: &Value, pods: &[Value]) -> Vec<Trouble> {
    let Some(wanted) = owner.pointer("/spec/selector/matchLabels").and_then(Value::as_object) else {
        return Vec::new();
    };
    let chosen = |pod: &&Value| {
        let labels = pod.pointer("/metadata/labels");
        labels.is_some_and(|labels| wanted.iter().all(|(key, value)| labels.get(key) == Some(value)))
    };
    pods.iter().filter(chosen).filter_map(status::pod_trouble).collect()
}

/// Looks at everything again, and tells new trouble from old.
///
/// # Errors
/// The cluster cannot be read.
pub(super) async fn validate(run: &Run<'_>) -> Result<LastLook, Problem> {
    let prepared = run.prepared;
    let view = look::look(&prepared.cluster, &prepared.ask.installation).await?;
    let report = |view: &ClusterView| ValidateReport::new(view, judge::health(prepared, view, Timestamp::now()));
    let (before, after) = (report(&prepared.view), report(&view));
    let trouble = new_trouble(&before, &after);
    Ok(LastLook { checks: after.checks, trouble })
}

/// What the last look means for the run: an error that came with the upgrade is a failure, one that was there before is not.
///
/// # Errors
/// Something is wrong that was not wrong before, or can no longer be seen.
pub(super) fn verdict(last: &LastLook) -> Result<String, Problem> {
    let errors: Vec<&Finding> = last.trouble.new.iter().filter(|finding| finding.level == Level::Error).collect();
    let more = "kubectl mural validate shows all";
    if let Some(first) = errors.first() {
        let text = format!("{} new errors, first: {}: {}", errors.len(), first.subject, first.message);
        return Err(Problem::new(Exit::ChecksFailed, text).hint(more));
    }
    if let Some(check) = last.trouble.newly_undetermined.first() {
        return Err(Problem::new(Exit::ChecksFailed, format!("the check {check} can no longer look")).hint(more));
    }
    let passed = last.checks.iter().filter(|checked| checked.verdict == Verdict::Pass).count();
    Ok(format!("{passed} checks passed"))
}
