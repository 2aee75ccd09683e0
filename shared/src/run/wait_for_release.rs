//! Upgrades or rolls back a release with helm, and waits until its workloads are ready.
//!
//! Owns the wait: helm waits, this module reports the reason and ends the wait if it cannot succeed. After helm's success it reads
//! the workloads itself. Whether a workload is ready is decided in `model/`. Input: a step. Output: a text for the report.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::context::Run;
use super::release_error::{Blocker, ReleaseError, ReleaseName};
use super::wait_details::DetailCache;
use super::{clock_skew, verify_release};
use crate::cluster::view_reader;
use crate::model::cluster_view::ReadFailure;
use crate::model::object::ObjectRef;
use crate::model::pod_creation::FAILED_CREATE;
use crate::model::release_role::ReleaseRole;
use crate::model::unready_objects::{Outlook, OwnedWorkloads, UnreadyObject, find_unready};
use crate::plan::{Step, decide};
use crate::prepare::plan_commands;
use crate::prepare::prepared::UpgradeWork;
use crate::prepare::rendered_charts::{RenderedChart, RenderedCharts};
use crate::report::event::{Event, WaitingObject};
use crate::tools::error::ToolError;
use crate::tools::helm::RollbackArgs;
use crate::tools::spawn::StopSignal;

/// The interval between two reads of the workloads.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// How long workloads may be unreadable after helm's success before the result is undetermined.
const UNREADABLE_LIMIT: Duration = Duration::from_secs(15);

/// Upgrades the application and waits until it is ready.
///
/// # Errors
/// helm fails, is stopped, runs out of time, or a terminal reason has lasted too long.
pub(super) async fn upgrade_release(run: &Run<'_>, step: &Step) -> Result<String, ReleaseError> {
    let prepared = run.prepared;
    let Some(UpgradeWork { ask, charts: RenderedCharts { app: Some(rendered_chart), .. }, .. }) =
        prepared.work.as_upgrade()
    else {
        return Err(ReleaseError::Internal("the plan upgrades a release without a chart"));
    };
    let (description, label) = (
        decide::build_description(&rendered_chart.fetched.digest),
        plan_commands::run_label(&prepared.session.lease_watcher.identity.run),
    );
    let upgrade = plan_commands::build_helm_upgrade(ask, rendered_chart, ReleaseRole::App, &description, &label);
    let watch = ReadinessWatch::new(run, step, owned_workloads(run, upgrade.release, rendered_chart));
    let (helm, stop) = (clock_skew::helm_with_fresh_cache(run).await, watch.stop.clone());
    let ready = run_and_watch(watch, helm.upgrade(&upgrade, run.process_guard, stop)).await?;
    verify_release::verify_upgraded(run, &upgrade, &rendered_chart.fetched.chart.version).await?;
    Ok(format!("{} {}, {ready}", upgrade.release, rendered_chart.fetched.chart.version))
}

/// The objects to wait for. What had failed before counts only if the release already was at this version: then an earlier try of
/// the same upgrade made it.
pub(super) fn owned_workloads(run: &Run<'_>, release: &str, rendered_chart: &RenderedChart) -> OwnedWorkloads {
    let view = &run.prepared.session.view;
    let owned = OwnedWorkloads::new(release, &rendered_chart.rendered).without_earlier_hooks(&view.workloads);
    let newest = view.newest_revision(release).ok().flatten();
    let version = rendered_chart.fetched.chart.version.as_str();
    match newest.is_some_and(|newest| newest.chart_version != version) {
        true => owned.without_earlier_failures(&view.workloads),
        false => owned,
    }
}

/// Rolls a release back to a revision, and waits until it is ready.
///
/// # Errors
/// As [`upgrade_release`].
pub(super) async fn roll_back_release(
    run: &Run<'_>,
    step: &Step,
    release: &str,
    revision: u64,
    wait: bool,
) -> Result<String, ReleaseError> {
    let prepared = run.prepared;
    let records = prepared.session.view.releases.get(release).and_then(|records| records.as_ref().ok());
    let target = records.and_then(|records| records.iter().find(|record| record.revision == revision));
    let objects = target.and_then(|target| target.manifest_objects().ok()).unwrap_or_default();
    let (timeout, passed) = (run.options.timeout, prepared.work.helm_args());
    let back = RollbackArgs { release, revision, wait, timeout, extra_args: passed };
    let version = target.map_or("", |target| target.chart_version.as_str());
    if !wait {
        let written = clock_skew::helm_with_fresh_cache(run)
            .await
            .rollback(&back, run.process_guard, run.options.abort.clone())
            .await;
        written.map_err(|error| ReleaseError::RollBack { release: release.to_owned(), revision, error })?;
        verify_release::verify_rolled_back(run, release, version).await?;
        return Ok(format!("{release} rolled back to revision {revision}, {version}"));
    }
    let before = &prepared.session.view.workloads;
    let owned = OwnedWorkloads::new(release, &objects).without_earlier_hooks(before).without_earlier_failures(before);
    let watch = ReadinessWatch::new(run, step, owned);
    let (helm, stop) = (clock_skew::helm_with_fresh_cache(run).await, watch.stop.clone());
    let ready = run_and_watch(watch, helm.rollback(&back, run.process_guard, stop)).await?;
    verify_release::verify_rolled_back(run, release, version).await?;
    Ok(format!("{release} rolled back to revision {revision}, {version}, {ready}"))
}

/// Runs helm and watches the workloads meanwhile. Returns what is ready in the end, in words.
async fn run_and_watch(
    mut watch: ReadinessWatch<'_>,
    helm: impl Future<Output = Result<(), ToolError>>,
) -> Result<String, ReleaseError> {
    let written = {
        tokio::pin!(helm);
        loop {
            tokio::select! {
                result = &mut helm => break result,
                () = tokio::time::sleep(POLL_INTERVAL) => watch.poll().await,
            }
        }
    };
    if let Err(error) = written {
        watch.poll().await;
        return Err(watch.helm_error(error));
    }
    watch.wait_until_ready().await?;
    Ok(watch.summary())
}

/// Reads which of a release's workloads are not ready, and reports them.
pub(super) struct ReadinessWatch<'a> {
    run: &'a Run<'a>,
    step: &'a Step,
    workloads: OwnedWorkloads,
    started: Instant,
    /// Stops helm: set by Ctrl-C, and if the wait cannot succeed.
    stop: StopSignal,
    /// Since when each terminal reason lasts, by object and reason.
    terminal_since: BTreeMap<(String, String), Instant>,
    details: DetailCache,
    ready: (usize, usize),
    waiting: Vec<WaitingObject>,
    unreadable_since: Option<(Instant, ReadFailure)>,
    terminal_reason: Option<String>,
    /// The terminal reason in one word.
    terminal_word: Option<String>,
    /// The object that failed for good: nothing starts it again.
    failed: Option<ObjectRef>,
    /// The pod behind the gravest reason.
    blocked_pod: Option<String>,
    /// Jobs of the release that still run, if nothing else is waited for.
    running_jobs: Vec<String>,
    /// Something else that the step waits for, reported with the workloads.
    extra_wait: Option<WaitingObject>,
}

impl<'a> ReadinessWatch<'a> {
    pub(super) fn new(run: &'a Run<'a>, step: &'a Step, workloads: OwnedWorkloads) -> Self {
        Self {
            run,
            step,
            workloads,
            started: Instant::now(),
            stop: StopSignal::default(),
            terminal_since: BTreeMap::new(),
            details: DetailCache::default(),
            ready: (0, 0),
            waiting: Vec::new(),
            unreadable_since: None,
            terminal_reason: None,
            terminal_word: None,
            failed: None,
            blocked_pod: None,
            running_jobs: Vec::new(),
            extra_wait: None,
        }
    }

    /// Sets what else is reported from now on.
    pub(super) fn set_extra_wait(&mut self, other: Option<WaitingObject>) {
        self.extra_wait = other;
    }

    /// Why the wait cannot succeed.
    pub(super) fn terminal_reason(&self) -> Option<&str> {
        self.terminal_reason.as_deref()
    }

    /// Whether an object has a terminal reason.
    pub(super) fn has_terminal_reason(&self) -> bool {
        !self.terminal_since.is_empty()
    }

    /// How many objects are ready, and of how many.
    pub(super) const fn ready(&self) -> (usize, usize) {
        self.ready
    }

    /// How many parts are ready, and which Jobs still run.
    pub(super) fn summary(&self) -> String {
        let (ready, all) = self.ready;
        match self.running_jobs.as_slice() {
            [] => format!("{ready} of {all} ready"),
            jobs => format!("{ready} of {all} ready; {} still running", jobs.join(", ")),
        }
    }

    /// Reads the workloads once and reports them.
    pub(super) async fn poll(&mut self) {
        if self.run.options.stop.is_requested() {
            self.stop.request();
            return;
        }
        let prepared = self.run.prepared;
        let workloads =
            view_reader::read_workloads(&prepared.session.cluster, &prepared.session.installation.namespace).await;
        let failure = workloads.objects.as_ref().err().or(workloads.pods.as_ref().err());
        if let Some(not_seen) = failure {
            self.unreadable_since.get_or_insert_with(|| (Instant::now(), not_seen.clone()));
            return;
        }
        self.unreadable_since = None;
        let (ready, unready) = find_unready(&workloads, &self.workloads, Timestamp::now());
        self.details.refresh(prepared, &unready).await;
        self.ready = ready;
        self.waiting = self.update_waiting(&unready);
        let gravest = unready.iter().find(|one| one.terminal_reason().is_some()).or_else(|| unready.first());
        self.blocked_pod = gravest.and_then(|one| one.pod.clone());
        self.running_jobs = list_running_jobs(&unready);
        self.emit_waiting();
        match unready.iter().find(|one| one.outlook == Outlook::Final) {
            Some(failed) => self.stop_for_failure(failed),
            None => self.stop_if_terminal(),
        }
    }

    /// Reports the last reading, with the extra wait.
    pub(super) fn emit_waiting(&self) {
        (self.run.emit)(Event::Waiting {
            step: self.step.id.to_string(),
            seconds: self.started.elapsed().as_secs_f64(),
            limit_seconds: self.run.options.timeout.as_secs_f64(),
            grace_seconds: self.run.options.failure_grace.as_secs(),
            ready: self.ready,
            objects: self.extra_wait.iter().chain(&self.waiting).cloned().collect(),
        });
    }

    /// The objects that are not ready, with the age of each terminal reason. A reason that has gone is forgotten.
    fn update_waiting(&mut self, unready: &[UnreadyObject]) -> Vec<WaitingObject> {
        let (now, mut still) = (Instant::now(), BTreeMap::new());
        let all = unready.iter().map(|one| {
            let object = format!("{} {}", one.object.kind, one.object.name);
            let since = one.terminal_reason().map(|reason| {
                let key = (object.clone(), reason.to_owned());
                let since = self.terminal_since.get(&key).copied().unwrap_or(now);
                *still.entry(key).or_insert(since)
            });
            WaitingObject {
                object,
                progress: one.progress.map_or_else(String::new, |(ready, wanted)| format!("{ready}/{wanted}")),
                reason: self.run.prepared.session.secrets.mask(&self.details.reason(one)),
                terminal_seconds: since.map(|since| since.elapsed().as_secs()),
            }
        });
        let all = all.collect();
        self.terminal_since = still;
        all
    }

    /// Ends the wait at once: nothing starts this object again.
    fn stop_for_failure(&mut self, failed: &UnreadyObject) {
        let name = format!("{} {}", failed.object.kind, failed.object.name);
        let reason = self.waiting.iter().find(|one| one.object == name).map_or("", |one| one.reason.as_str());
        self.terminal_reason = Some(format!("{name}: {reason}"));
        self.failed = Some(failed.object.clone());
        self.stop.request();
    }

    /// Ends the wait if a terminal reason has lasted longer than the grace period.
    fn stop_if_terminal(&mut self) {
        let lasted = self.terminal_since.iter().find(|(_, since)| since.elapsed() >= self.run.options.failure_grace);
        let Some(((object, word), since)) = lasted else { return };
        let reason = self.waiting.iter().find(|one| one.object == *object).map_or("", |one| one.reason.as_str());
        self.terminal_reason = Some(format!("{object}: {reason}, for {}s", since.elapsed().as_secs()));
        self.terminal_word = Some(word.clone());
        self.stop.request();
    }

    /// helm reported success. Our own reading of the workloads must agree.
    pub(super) async fn wait_until_ready(&mut self) -> Result<(), ReleaseError> {
        loop {
            self.poll().await;
            if self.run.options.stop.is_requested() {
                return Err(ReleaseError::Stopped);
            }
            match &self.unreadable_since {
                // First: a Job that failed may be gone by now (`ttlSecondsAfterFinished`).
                None if self.terminal_reason.is_some() => return Err(self.not_ready_error()),
                None if self.waiting.is_empty() => return Ok(()),
                Some((since, failure)) if since.elapsed() >= UNREADABLE_LIMIT => {
                    return Err(ReleaseError::WorkloadsUnreadable(failure.clone()));
                }
                None | Some(_) => {}
            }
            if self.started.elapsed() >= self.run.options.timeout {
                // helm itself does not wait for Jobs: one that runs on is no failure.
                return if self.running_jobs.is_empty() { Err(self.not_ready_error()) } else { Ok(()) };
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Why the release did not become ready: a terminal reason, or the time limit.
    fn not_ready_error(&self) -> ReleaseError {
        let (name, blocker, error) = (self.name(), self.blocker(), None);
        match &self.terminal_reason {
            Some(reason) => ReleaseError::Terminal { name, reason: reason.clone(), blocker, error },
            None => {
                let describe =
                    |one: &WaitingObject| format!("{} {} {}", one.object, one.progress, one.reason).replace("  ", " ");
                let unready = self.waiting.iter().map(describe).collect::<Vec<_>>().join("; ");
                ReleaseError::NotReady { name, limit: self.run.options.timeout, unready, blocker, error }
            }
        }
    }

    fn blocker(&self) -> Blocker {
        match (&self.failed, self.terminal_word.as_deref()) {
            (Some(failed), _) => Blocker::Failed(Box::new(failed.clone())),
            (None, Some(FAILED_CREATE)) => Blocker::FailedCreate,
            (None, _) => Blocker::Pods(self.blocked_pod.clone()),
        }
    }

    fn helm_error(&self, error: ToolError) -> ReleaseError {
        let over = self.started.elapsed() + POLL_INTERVAL >= self.run.options.timeout && !self.waiting.is_empty();
        if self.terminal_reason.is_some() || (over && !self.run.options.stop.is_requested()) {
            return self.not_ready_error().with_helm_error(error);
        }
        let unready = self.waiting.iter().map(|one| format!("{} {}", one.object, one.reason)).collect();
        ReleaseError::Upgrade { name: self.name(), unready, error }
    }

    fn name(&self) -> ReleaseName {
        let namespace = self.run.prepared.session.installation.namespace.clone();
        ReleaseName { release: self.workloads.release.clone(), namespace }
    }
}

/// The Jobs of the release that still run; none if anything else is not ready.
fn list_running_jobs(unready: &[UnreadyObject]) -> Vec<String> {
    if unready.iter().any(|one| one.outlook != Outlook::Running) {
        return Vec::new();
    }
    unready.iter().map(|one| format!("Job {}", one.object.name)).collect()
}
