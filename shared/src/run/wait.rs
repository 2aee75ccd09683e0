//! The application's upgrade: helm waits, we show what for, and end the wait where it cannot get better. When helm says that
//! it is done, we look ourselves.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::more::Told;
use super::{Run, clock, released};
use crate::cluster::look;
use crate::model::view::NotSeen;
use crate::model::waiting::{Own, Unready, unready};
use crate::plan::{Step, decide};
use crate::prepare::judge;
use crate::problem::{Exit, Problem};
use crate::report::event::{Event, WaitingFor};
use crate::tools::error::ToolError;
use crate::tools::helm::Rollback;
use crate::tools::spawn::Stop;

/// Between two looks at what is not ready yet.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// So long what runs may be unreadable after helm said that it is done, before we say that we could not look.
const UNSEEN_AT_MOST: Duration = Duration::from_secs(15);

/// Upgrades the application and waits until it is ready.
///
/// # Errors
/// helm fails, is stopped, runs out of time, or a reason that cannot pass has lasted too long.
pub(super) async fn upgrade(run: &Run<'_>, step: &Step) -> Result<String, Problem> {
    let prepared = run.prepared;
    let Some(side) = &prepared.app else { return Err(Problem::failed("the plan upgrades a chart that does not move")) };
    let (description, label) = (decide::description(&side.fetched.digest), judge::label(&prepared.turn.claim.run));
    let upgrade = judge::upgrade(&prepared.ask, side, false, &description, &label);
    let watch = Watch::new(run, step, Own::new(upgrade.release, &side.rendered));
    let (helm, stop) = (clock::helm(run).await, watch.stop.clone());
    let (ready, all) = watched(watch, helm.upgrade(&upgrade, run.leash, stop)).await?;
    released::proved(run, &upgrade, &side.fetched.chart.version).await?;
    Ok(format!("{} {}, {ready} of {all} ready", upgrade.release, side.fetched.chart.version))
}

/// Takes a release back to a revision, and waits until it is ready.
///
/// # Errors
/// As [`upgrade`].
pub(super) async fn rollback(
    run: &Run<'_>,
    step: &Step,
    release: &str,
    revision: u64,
    wait: bool,
) -> Result<String, Problem> {
    let prepared = run.prepared;
    let records = prepared.view.releases.get(release).and_then(|records| records.as_ref().ok());
    let target = records.and_then(|records| records.iter().find(|record| record.revision == revision));
    let objects = target.and_then(|target| target.objects().ok()).unwrap_or_default();
    let (timeout, passed) = (prepared.ask.timeout, prepared.ask.helm.words());
    let back = Rollback { release, revision, wait, timeout, passed };
    let version = target.map_or("", |target| target.chart_version.as_str());
    if !wait {
        let written = clock::helm(run).await.rollback(&back, run.leash, run.manner.at_once.clone()).await;
        written
            .map_err(|error| error.problem(format!("helm could not bring {release} back to revision {revision}")))?;
        released::went_back(run, release, version).await?;
        return Ok(format!("{release} as revision {revision}, {version}"));
    }
    let watch = Watch::new(run, step, Own::new(release, &objects));
    let (helm, stop) = (clock::helm(run).await, watch.stop.clone());
    let (ready, all) = watched(watch, helm.rollback(&back, run.leash, stop)).await?;
    released::went_back(run, release, version).await?;
    Ok(format!("{release} as revision {revision}, {version}, {ready} of {all} ready"))
}

/// Runs helm, and looks meanwhile. How many things are ready in the end, and of how many.
async fn watched(
    mut watch: Watch<'_>,
    helm: impl Future<Output = Result<(), ToolError>>,
) -> Result<(usize, usize), Problem> {
    let written = {
        tokio::pin!(helm);
        loop {
            tokio::select! {
                result = &mut helm => break result,
                () = tokio::time::sleep(LOOK_AGAIN) => watch.look().await,
            }
        }
    };
    if let Err(error) = written {
        watch.look().await;
        return Err(watch.told(error));
    }
    watch.settle().await?;
    Ok(watch.ready)
}

/// Looks at what a release's workloads still wait for, and tells it.
pub(super) struct Watch<'a> {
    run: &'a Run<'a>,
    step: &'a Step,
    own: Own,
    began: Instant,
    /// helm's own stop: asked by Ctrl-C, and where waiting longer makes no sense.
    stop: Stop,
    /// Since when each terminal reason lasts, by object and reason.
    terminal: BTreeMap<(String, String), Instant>,
    told: Told,
    ready: (usize, usize),
    waiting: Vec<WaitingFor>,
    unseen: Option<(Instant, NotSeen)>,
    hopeless: Option<String>,
    /// What else is waited for, and told with it.
    beside: Option<WaitingFor>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(run: &'a Run<'a>, step: &'a Step, own: Own) -> Self {
        Self {
            run,
            step,
            own,
            began: Instant::now(),
            stop: Stop::default(),
            terminal: BTreeMap::new(),
            told: Told::default(),
            ready: (0, 0),
            waiting: Vec::new(),
            unseen: None,
            hopeless: None,
            beside: None,
        }
    }

    /// Tells this too, from now on.
    pub(super) fn beside(&mut self, other: Option<WaitingFor>) {
        self.beside = other;
    }

    /// Why waiting longer makes no sense.
    pub(super) fn hopeless(&self) -> Option<&str> {
        self.hopeless.as_deref()
    }

    /// Whether something has a reason that may not pass by itself.
    pub(super) fn in_trouble(&self) -> bool {
        !self.terminal.is_empty()
    }

    /// How many parts are ready, of how many.
    pub(super) const fn ready(&self) -> (usize, usize) {
        self.ready
    }

    /// One look, told.
    pub(super) async fn look(&mut self) {
        if self.run.manner.stop.asked() {
            self.stop.ask();
            return;
        }
        let prepared = self.run.prepared;
        let workloads = look::workloads(&prepared.cluster, &prepared.ask.installation.namespace).await;
        let seen = workloads.owners.as_ref().err().or(workloads.pods.as_ref().err());
        if let Some(not_seen) = seen {
            self.unseen.get_or_insert_with(|| (Instant::now(), not_seen.clone()));
            return;
        }
        self.unseen = None;
        let (ready, unready) = unready(&workloads, &self.own, Timestamp::now());
        self.told.ask(prepared, &unready).await;
        self.ready = ready;
        self.waiting = self.as_told(&unready);
        self.tell();
        self.give_up();
    }

    /// Tells what was seen last, with what is waited for beside it.
    pub(super) fn tell(&self) {
        (self.run.emit)(Event::Waiting {
            step: self.step.id.clone(),
            seconds: self.began.elapsed().as_secs_f64(),
            limit_seconds: self.run.manner.timeout.as_secs_f64(),
            grace_seconds: self.run.manner.failure_grace.as_secs(),
            ready: self.ready,
            objects: self.beside.iter().chain(&self.waiting).cloned().collect(),
        });
    }

    /// What is not ready, with since when each terminal reason lasts; one that has gone is forgotten.
    fn as_told(&mut self, unready: &[Unready]) -> Vec<WaitingFor> {
        let (now, mut still) = (Instant::now(), BTreeMap::new());
        let all = unready.iter().map(|one| {
            let object = format!("{} {}", one.object.kind, one.object.name);
            let key = (object.clone(), one.terminal.clone());
            let since = (!one.terminal.is_empty()).then(|| self.terminal.get(&key).copied().unwrap_or(now));
            if let Some(since) = since {
                still.insert(key, since);
            }
            WaitingFor {
                object,
                progress: one.progress.map_or_else(String::new, |(ready, wanted)| format!("{ready}/{wanted}")),
                reason: self.told.reason(one),
                terminal_seconds: since.map(|since| since.elapsed().as_secs()),
            }
        });
        let all = all.collect();
        self.terminal = still;
        all
    }

    /// Ends the wait where a reason that does not pass by itself has lasted too long.
    fn give_up(&mut self) {
        let lasted = self.terminal.iter().find(|(_, since)| since.elapsed() >= self.run.manner.failure_grace);
        let Some(((object, _), since)) = lasted else { return };
        let reason = self.waiting.iter().find(|one| one.object == *object).map_or("", |one| one.reason.as_str());
        self.hopeless = Some(format!("{object}: {reason}, for {}s", since.elapsed().as_secs()));
        self.stop.ask();
    }

    /// helm said that it is done: our own reading has to say so too.
    pub(super) async fn settle(&mut self) -> Result<(), Problem> {
        loop {
            self.look().await;
            if self.run.manner.stop.asked() {
                return Err(Problem::new(Exit::Interrupted, "stopped by Ctrl-C while the application becomes ready"));
            }
            match &self.unseen {
                None if self.waiting.is_empty() => return Ok(()),
                None if self.hopeless.is_some() => return Err(self.not_ready()),
                Some((since, not_seen)) if since.elapsed() >= UNSEEN_AT_MOST => {
                    return Err(Problem::new(
                        Exit::ChecksFailed,
                        format!("helm is done, and we cannot see it: {not_seen}"),
                    ));
                }
                None | Some(_) => {}
            }
            if self.began.elapsed() >= self.run.manner.timeout {
                return Err(self.not_ready());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Why it did not become ready: a reason that does not pass, or the time that is over.
    fn not_ready(&self) -> Problem {
        let (release, namespace) = (&self.own.release, &self.run.prepared.ask.installation.namespace);
        let unready = |one: &WaitingFor| format!("{} {} {}", one.object, one.progress, one.reason).replace("  ", " ");
        let problem = match &self.hopeless {
            Some(reason) => Problem::new(Exit::Failed, format!("{release} cannot become ready: {reason}")),
            None => {
                let all: Vec<String> = self.waiting.iter().map(unready).collect();
                let limit = self.run.manner.timeout.as_secs();
                Problem::new(
                    Exit::OutOfTime,
                    format!("{release} did not become ready within {limit}s: {}", all.join("; ")),
                )
            }
        };
        problem
            .hint(format!("kubectl describe pods --namespace {namespace}"))
            .hint("mend it, then run the same command again")
    }

    fn told(&self, error: ToolError) -> Problem {
        let over = self.began.elapsed() + LOOK_AGAIN >= self.run.manner.timeout && !self.waiting.is_empty();
        if self.hopeless.is_some() || (over && !self.run.manner.stop.asked()) {
            return self.not_ready().because(error);
        }
        let (release, namespace) = (&self.own.release, &self.run.prepared.ask.installation.namespace);
        let unready: Vec<String> = self.waiting.iter().map(|one| format!("{} {}", one.object, one.reason)).collect();
        let problem = error.problem(format!("helm could not upgrade {release}"));
        let waited =
            if unready.is_empty() { problem } else { problem.hint(format!("not ready: {}", unready.join("; "))) };
        waited.hint(format!("helm history {release} --namespace {namespace}"))
    }
}
