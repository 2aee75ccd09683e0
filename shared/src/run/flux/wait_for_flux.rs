//! Waits for Flux and Argo CD objects.
//!
//! Owns the limits of a wait: progress is reported with its reason, and a failure that does not heal ends the wait. Whether an object
//! is done is decided in `plan/flux/progress.rs`. Input: a watched object. Output: a text for the report, or a `Problem`.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::flux_error::FluxError;
use crate::cluster::ApiError;
use crate::cluster::flux_reader::api_paths;
use crate::cluster::watch::{ChangeWatcher, ObjectWatcher};
use crate::model::flux::{FluxObject, FluxRef, FluxSource, HelmRelease};
use crate::model::release_role::ReleaseRole;
use crate::plan::Step;
use crate::plan::flux::TargetChart;
use crate::plan::flux::argo_sync;
use crate::plan::flux::progress::{FluxController, Progress, assess_helm_release, assess_source};
use crate::report::event::{Event, WaitingObject};
use crate::run::context::Run;
use crate::run::wait_for_release::{ReadinessWatch, owned_workloads};

/// The longest interval between two assessments, even if nothing has changed.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// How long a controller may take to observe our change before the wait reports it.
const CONTROLLER_QUIET_PERIOD: Duration = Duration::from_secs(10);
/// A controller that retries reports progress for a moment, then the same failure. Only this much time without a failure ends it.
const RECOVERY_PERIOD: Duration = Duration::from_secs(10);
/// Intervals between two reads of the application's workloads, which cost six lists: with a terminal reason, and without changes.
const TROUBLED_POLL_INTERVAL: Duration = Duration::from_secs(2);
const IDLE_POLL_INTERVAL: Duration = Duration::from_secs(10);
/// How long the server may not answer before the wait ends as undetermined.
const UNREADABLE_LIMIT: Duration = Duration::from_secs(15);

/// Waits until a source's artifact is the wanted chart.
pub(super) async fn wait_for_source(
    run: &Run<'_>,
    step: &Step,
    object: &FluxRef,
    wanted: &TargetChart,
    token: &str,
) -> Result<String, FluxError> {
    let mut wait = FluxWait::new(run, step, object);
    let mut watched = ObjectWatcher::new(&run.prepared.session.cluster, api_paths(object).collect());
    loop {
        let progress =
            wait.poll(&mut watched).await?.map(|found| assess_source(&FluxSource::new(found), wanted, token));
        if let Some(done) = wait.evaluate(progress)? {
            return Ok(done);
        }
        wait.emit_waiting();
    }
}

/// Waits until a HelmRelease is Ready at the wanted chart. Also reads the application's workloads.
pub(super) async fn wait_for_release(
    run: &Run<'_>,
    step: &Step,
    object: &FluxRef,
    wanted: Option<&TargetChart>,
    role: ReleaseRole,
    token: Option<&str>,
) -> Result<String, FluxError> {
    let mut wait = FluxWait::new(run, step, object);
    let mut watched = ObjectWatcher::new(&run.prepared.session.cluster, api_paths(object).collect());
    let mut workloads = WorkloadWatch::try_new(run, step, role);
    loop {
        let found = wait.poll(&mut watched).await?.map(HelmRelease::new);
        let progress = found.map(|release| match token {
            Some(token) => assess_helm_release(&release, wanted, token),
            None => treat_trouble_as_waiting(assess_helm_release(&release, wanted, release.last_handled_reconcile())),
        });
        if let Some(done) = wait.evaluate(progress)? {
            return verify_workloads_ready(done, workloads).await;
        }
        match &mut workloads {
            Some(workloads) => workloads.poll_if_due(&wait).await?,
            None => wait.emit_waiting(),
        }
    }
}

/// The application's workloads, read while its HelmRelease is not ready.
struct WorkloadWatch<'a> {
    watch: ReadinessWatch<'a>,
    changes: ChangeWatcher,
    last_poll: Instant,
}

impl<'a> WorkloadWatch<'a> {
    /// `None` for the CRD chart, or if the application is not upgraded.
    fn try_new(run: &'a Run<'a>, step: &'a Step, role: ReleaseRole) -> Option<Self> {
        let rendered_chart = run.prepared.work.app_chart().filter(|_| role == ReleaseRole::App)?;
        let installation = &run.prepared.session.installation;
        let watch = ReadinessWatch::new(run, step, owned_workloads(run, &installation.app_release, rendered_chart));
        let pods = format!("/api/v1/namespaces/{}/pods", installation.namespace);
        Some(Self {
            watch,
            changes: ChangeWatcher::new(&run.prepared.session.cluster, pods),
            last_poll: Instant::now(),
        })
    }

    /// Reads the workloads if something has changed, a terminal reason is known, or the interval is over.
    async fn poll_if_due(&mut self, wait: &FluxWait<'_>) -> Result<(), FluxError> {
        let since = self.last_poll.elapsed();
        let due = if self.watch.has_terminal_reason() { TROUBLED_POLL_INTERVAL } else { IDLE_POLL_INTERVAL };
        self.watch.set_extra_wait(wait.waiting_for());
        if since < POLL_INTERVAL || (since < due && !self.changes.has_changed().await) {
            // Before the first read the number of objects is not known.
            if self.watch.ready().1 > 0 {
                self.watch.emit_waiting();
            }
            return Ok(());
        }
        self.last_poll = Instant::now();
        self.watch.poll().await;
        self.watch.terminal_reason().map_or(Ok(()), |reason| Err(wait.terminal_error(reason)))
    }
}

/// A wait for someone else's commit has no grace period: only a final failure ends it.
fn treat_trouble_as_waiting(progress: Progress) -> Progress {
    match progress {
        Progress::Failing(reason) | Progress::NotObserved { reason, .. } => Progress::Waiting(reason),
        other @ (Progress::Done(_) | Progress::Waiting(_) | Progress::Failed(_)) => other,
    }
}

/// Waits until an Argo CD Application is synced to a version and healthy.
pub(super) async fn wait_for_application(
    run: &Run<'_>,
    step: &Step,
    namespace: &str,
    name: &str,
    version: &str,
    role: ReleaseRole,
) -> Result<String, FluxError> {
    let object = FluxRef::new("Application", namespace, name);
    let path = format!("/apis/argoproj.io/v1alpha1/namespaces/{namespace}/applications/{name}");
    let mut wait = FluxWait::new(run, step, &object);
    let mut watched = ObjectWatcher::new(&run.prepared.session.cluster, vec![path]);
    let release = run.prepared.session.installation.release(role);
    loop {
        let found = wait.poll(&mut watched).await?;
        let progress = found.map(|found| argo_sync::assess_application(&found, release, version));
        if let Some(done) = wait.evaluate(progress)? {
            return verify_workloads_ready(done, WorkloadWatch::try_new(run, step, role)).await;
        }
        wait.emit_waiting();
    }
}

/// Flux reports success. Our own reading of the workloads must agree.
async fn verify_workloads_ready(done: String, workloads: Option<WorkloadWatch<'_>>) -> Result<String, FluxError> {
    let Some(WorkloadWatch { mut watch, .. }) = workloads else { return Ok(done) };
    watch.set_extra_wait(None);
    watch.wait_until_ready().await?;
    Ok(format!("{done}, {}", watch.summary()))
}

struct FluxWait<'a> {
    run: &'a Run<'a>,
    step: &'a Step,
    object: &'a FluxRef,
    started: Instant,
    reason: String,
    /// The controller that has not observed our change, if the reason is about it.
    silent_controller: Option<FluxController>,
    /// Since when the same failure lasts.
    troubled_since: Option<Instant>,
    /// Since when the object makes progress again.
    recovering_since: Option<Instant>,
    /// Whether the controller has not observed our change, and whether that is reported already.
    controller_silence: Option<ControllerSilence>,
    unreadable_since: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ControllerSilence {
    TooEarly,
    Reportable,
}

impl<'a> FluxWait<'a> {
    fn new(run: &'a Run<'a>, step: &'a Step, object: &'a FluxRef) -> Self {
        let (reason, started) = (String::new(), Instant::now());
        Self {
            run,
            step,
            object,
            started,
            reason,
            silent_controller: None,
            troubled_since: None,
            recovering_since: None,
            controller_silence: None,
            unreadable_since: None,
        }
    }

    /// The object, as soon as it has changed. `None` while the server does not answer.
    async fn poll(&mut self, watched: &mut ObjectWatcher) -> Result<Option<Value>, FluxError> {
        let read = watched.next(POLL_INTERVAL).await;
        if read.is_err() {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        self.handle_read(read)
    }

    fn handle_read(&mut self, read: Result<Option<Value>, ApiError>) -> Result<Option<Value>, FluxError> {
        match read {
            Ok(Some(found)) => {
                self.unreadable_since = None;
                Ok(Some(found))
            }
            Ok(None) => Err(FluxError::Deleted { object: self.object.clone() }),
            Err(error) if self.unreadable_since.get_or_insert_with(Instant::now).elapsed() < UNREADABLE_LIMIT => {
                self.set_reason(format!("cannot be read: {error}"), None);
                Ok(None)
            }
            Err(error) => Err(FluxError::Unreadable { object: self.object.clone(), error: Box::new(error) }),
        }
    }

    fn evaluate(&mut self, progress: Option<Progress>) -> Result<Option<String>, FluxError> {
        let options = self.run.options;
        if options.stop.is_requested() {
            return Err(FluxError::Stopped { object: self.object.clone() });
        }
        let was_silent = self.controller_silence.take().is_some();
        match progress {
            Some(Progress::Done(summary)) => return Ok(Some(summary)),
            Some(Progress::Failed(reason)) => {
                return Err(FluxError::Failed { object: self.object.clone(), reason, silent_controller: None });
            }
            // Not reported at first: a controller that observes the change a second later is normal.
            Some(Progress::NotObserved { controller, reason })
                if self.started.elapsed() < CONTROLLER_QUIET_PERIOD.min(options.failure_grace) =>
            {
                self.set_reason(reason, Some(controller));
                self.controller_silence = Some(ControllerSilence::TooEarly);
            }
            Some(Progress::NotObserved { controller, reason }) => {
                self.controller_silence = Some(ControllerSilence::Reportable);
                self.set_reason(reason, Some(controller));
                self.record_trouble(self.started)?;
            }
            Some(Progress::Failing(reason)) => {
                // The silence of the controller was another failure.
                self.troubled_since = self.troubled_since.filter(|_| !was_silent);
                self.set_reason(reason, None);
                self.record_trouble(Instant::now())?;
            }
            Some(Progress::Waiting(reason)) => self.record_waiting(reason),
            None => {}
        }
        if self.started.elapsed() >= options.timeout {
            return Err(FluxError::TimedOut {
                object: self.object.clone(),
                seconds: options.timeout.as_secs(),
                reason: self.reason.clone(),
                silent_controller: self.silent_controller,
            });
        }
        Ok(None)
    }

    fn record_waiting(&mut self, reason: String) {
        if self.troubled_since.is_some()
            && self.recovering_since.get_or_insert_with(Instant::now).elapsed() < RECOVERY_PERIOD
        {
            return;
        }
        self.set_reason(reason, None);
        (self.troubled_since, self.recovering_since) = (None, None);
    }

    fn set_reason(&mut self, reason: String, silent_controller: Option<FluxController>) {
        (self.reason, self.silent_controller) = (reason, silent_controller);
    }

    /// Ends the wait if the failure has lasted longer than the grace period.
    fn record_trouble(&mut self, from: Instant) -> Result<(), FluxError> {
        self.recovering_since = None;
        let since = *self.troubled_since.get_or_insert(from);
        if since.elapsed() < self.run.options.failure_grace {
            return Ok(());
        }
        let seconds = since.elapsed().as_secs();
        let reason = format!("{}, for {seconds}s", self.reason);
        Err(FluxError::Failed { object: self.object.clone(), reason, silent_controller: self.silent_controller })
    }

    fn terminal_error(&self, reason: &str) -> FluxError {
        let namespace = self.run.prepared.session.installation.namespace.clone();
        FluxError::Terminal { object: self.object.clone(), reason: reason.to_owned(), namespace }
    }

    /// The progress to report; `None` while there is no reason to report.
    fn waiting_for(&self) -> Option<WaitingObject> {
        if self.reason.is_empty() || self.controller_silence == Some(ControllerSilence::TooEarly) {
            return None;
        }
        let terminal_seconds = self.troubled_since.map(|since| since.elapsed().as_secs());
        let object = format!("{} {}", self.object.kind, self.object.name);
        Some(WaitingObject { object, progress: String::new(), reason: self.reason.clone(), terminal_seconds })
    }

    fn emit_waiting(&self) {
        let options = self.run.options;
        (self.run.emit)(Event::Waiting {
            step: self.step.id.to_string(),
            seconds: self.started.elapsed().as_secs_f64(),
            limit_seconds: options.timeout.as_secs_f64(),
            grace_seconds: options.failure_grace.as_secs(),
            ready: (0, 1),
            objects: self.waiting_for().into_iter().collect(),
        });
    }
}
