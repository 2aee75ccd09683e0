//! Waiting for Flux: what is waited for is watched, and told with its reason; what does not get better ends the wait.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cluster::ApiError;
use crate::cluster::flux_reader::api_paths;
use crate::cluster::watch::{ChangeWatcher, ObjectWatcher};
use crate::model::flux::{FluxObject, FluxRef, FluxSource, HelmRelease};
use crate::model::release_role::ReleaseRole;
use crate::model::unready_objects::OwnedWorkloads;
use crate::plan::Step;
use crate::plan::flux::TargetChart;
use crate::plan::flux::argo_sync;
use crate::plan::flux::progress::{FluxController, Progress, assess_helm_release, assess_source};
use crate::problem::{Exit, Problem};
use crate::report::event::{Event, WaitingObject};
use crate::run::context::Run;
use crate::run::wait_for_release::ReadinessWatch;

/// The longest between two judgements, whether anything has changed or not.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// A controller that has not looked at our change yet is not spoken of for so long.
const CONTROLLER_QUIET_PERIOD: Duration = Duration::from_secs(10);
/// Whoever tries again is on its way for a moment, and in the same trouble after it: only so much of peace ends it.
const RECOVERY_PERIOD: Duration = Duration::from_secs(10);
/// Between two looks at the application's workloads, which cost six lists: while something is in trouble, and while nothing moves.
const TROUBLED_POLL_INTERVAL: Duration = Duration::from_secs(2);
const IDLE_POLL_INTERVAL: Duration = Duration::from_secs(10);
/// So long the server may not answer before we say that we could not look.
const UNREADABLE_LIMIT: Duration = Duration::from_secs(15);

/// Waits until a source's artifact is the wanted chart.
pub(super) async fn wait_for_source(
    run: &Run<'_>,
    step: &Step,
    object: &FluxRef,
    wanted: &TargetChart,
    token: &str,
) -> Result<String, Problem> {
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

/// Waits until a HelmRelease is Ready at the wanted chart; the application's workloads are looked at beside it.
pub(super) async fn wait_for_release(
    run: &Run<'_>,
    step: &Step,
    object: &FluxRef,
    wanted: Option<&TargetChart>,
    role: ReleaseRole,
    token: Option<&str>,
) -> Result<String, Problem> {
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

/// The application's workloads, looked at beside its HelmRelease.
struct WorkloadWatch<'a> {
    watch: ReadinessWatch<'a>,
    changes: ChangeWatcher,
    last_poll: Instant,
}

impl<'a> WorkloadWatch<'a> {
    /// None where the CRD chart is waited for, or the application does not move.
    fn try_new(run: &'a Run<'a>, step: &'a Step, role: ReleaseRole) -> Option<Self> {
        let rendered_chart = run.prepared.work.app_chart().filter(|_| role == ReleaseRole::App)?;
        let installation = &run.prepared.session.installation;
        let watch =
            ReadinessWatch::new(run, step, OwnedWorkloads::new(&installation.app_release, &rendered_chart.rendered));
        let pods = format!("/api/v1/namespaces/{}/pods", installation.namespace);
        Some(Self {
            watch,
            changes: ChangeWatcher::new(&run.prepared.session.cluster, pods),
            last_poll: Instant::now(),
        })
    }

    /// A look where it is worth one: something has moved, something is in trouble, or long enough ago.
    async fn poll_if_due(&mut self, wait: &FluxWait<'_>) -> Result<(), Problem> {
        let since = self.last_poll.elapsed();
        let due = if self.watch.has_terminal_reason() { TROUBLED_POLL_INTERVAL } else { IDLE_POLL_INTERVAL };
        self.watch.set_extra_wait(wait.waiting_for());
        if since < POLL_INTERVAL || (since < due && !self.changes.has_changed().await) {
            // Before the first look nobody knows how many there are.
            if self.watch.ready().1 > 0 {
                self.watch.emit_waiting();
            }
            return Ok(());
        }
        self.last_poll = Instant::now();
        self.watch.poll().await;
        self.watch.terminal_reason().map_or(Ok(()), |reason| Err(wait.terminal_problem(reason)))
    }
}

/// Whoever waits for somebody else's commit waits as long as it takes; only what has failed for good ends it.
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
) -> Result<String, Problem> {
    let object = FluxRef::new("Application", namespace, name);
    let path = format!("/apis/argoproj.io/v1alpha1/namespaces/{namespace}/applications/{name}");
    let mut wait = FluxWait::new(run, step, &object);
    let mut watched = ObjectWatcher::new(&run.prepared.session.cluster, vec![path]);
    loop {
        let progress = wait.poll(&mut watched).await?.map(|found| argo_sync::assess_application(&found, version));
        if let Some(done) = wait.evaluate(progress)? {
            return verify_workloads_ready(done, WorkloadWatch::try_new(run, step, role)).await;
        }
        wait.emit_waiting();
    }
}

/// Flux says that it is done: our own reading of the workloads has to say so too.
async fn verify_workloads_ready(done: String, workloads: Option<WorkloadWatch<'_>>) -> Result<String, Problem> {
    let Some(WorkloadWatch { mut watch, .. }) = workloads else { return Ok(done) };
    watch.set_extra_wait(None);
    watch.wait_until_ready().await?;
    let (ready, of) = watch.ready();
    Ok(format!("{done}, {ready} of {of} ready"))
}

struct FluxWait<'a> {
    run: &'a Run<'a>,
    step: &'a Step,
    object: &'a FluxRef,
    started: Instant,
    reason: String,
    /// The controller that the reason is about, where it has not looked at our change.
    silent_controller: Option<FluxController>,
    /// Since when the same trouble lasts.
    troubled_since: Option<Instant>,
    /// Since when it is on its way again.
    recovering_since: Option<Instant>,
    /// Whether its controller has not looked yet, and whether that is worth a word.
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

    /// What there is, as soon as it has changed; a server that does not answer for a moment is waited for.
    async fn poll(&mut self, watched: &mut ObjectWatcher) -> Result<Option<Value>, Problem> {
        let read = watched.next(POLL_INTERVAL).await;
        if read.is_err() {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        self.handle_read(read)
    }

    fn handle_read(&mut self, read: Result<Option<Value>, ApiError>) -> Result<Option<Value>, Problem> {
        match read {
            Ok(Some(found)) => {
                self.unreadable_since = None;
                Ok(Some(found))
            }
            Ok(None) => Err(Problem::failure(format!("{} has been deleted meanwhile", self.object))
                .with_hint("look who deletes it; then run the same command again")),
            Err(error) if self.unreadable_since.get_or_insert_with(Instant::now).elapsed() < UNREADABLE_LIMIT => {
                self.set_reason(format!("cannot be read: {error}"), None);
                Ok(None)
            }
            Err(error) => {
                Err(Problem::new(Exit::ChecksFailed, format!("{} cannot be read", self.object)).with_source(error))
            }
        }
    }

    fn evaluate(&mut self, progress: Option<Progress>) -> Result<Option<String>, Problem> {
        let options = self.run.options;
        if options.stop.is_requested() {
            return Err(Problem::new(
                Exit::Interrupted,
                format!("stopped by Ctrl-C while waiting for {}", self.object),
            ));
        }
        let was_silent = self.controller_silence.take().is_some();
        match progress {
            Some(Progress::Done(summary)) => return Ok(Some(summary)),
            Some(Progress::Failed(reason)) => return Err(self.problem(Exit::Failed, &reason, None)),
            // Quiet at first: a controller that looks a second later is no news.
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
                // Its silence was another trouble.
                self.troubled_since = self.troubled_since.filter(|_| !was_silent);
                self.set_reason(reason, None);
                self.record_trouble(Instant::now())?;
            }
            Some(Progress::Waiting(reason)) => self.record_waiting(reason),
            None => {}
        }
        if self.started.elapsed() >= options.timeout {
            let limit = options.timeout.as_secs();
            return Err(self.problem(
                Exit::TimedOut,
                &format!("not there within {limit}s: {}", self.reason),
                self.silent_controller,
            ));
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

    /// Ends the wait where the trouble has lasted too long.
    fn record_trouble(&mut self, from: Instant) -> Result<(), Problem> {
        self.recovering_since = None;
        let since = *self.troubled_since.get_or_insert(from);
        if since.elapsed() < self.run.options.failure_grace {
            return Ok(());
        }
        let seconds = since.elapsed().as_secs();
        Err(self.problem(Exit::Failed, &format!("{}, for {seconds}s", self.reason), self.silent_controller))
    }

    fn problem(&self, exit: Exit, reason: &str, silent_controller: Option<FluxController>) -> Problem {
        let object = self.object;
        let problem = Problem::new(exit, format!("{object}: {reason}"));
        let look = match silent_controller {
            Some(controller) => {
                format!("kubectl get deployments --all-namespaces --field-selector metadata.name={}", controller.name())
            }
            None => format!("kubectl describe {}", object.to_kubectl_args()),
        };
        problem.with_hint(look).with_hint("mend it, then run the same command again: it goes on from what is there")
    }

    fn terminal_problem(&self, reason: &str) -> Problem {
        Problem::new(Exit::Failed, format!("{} cannot become ready: {reason}", self.object))
            .with_hint(format!("kubectl describe pods --namespace {}", self.run.prepared.session.installation.namespace))
            .with_hint("helm-controller goes on waiting until its own timeout, and then does what spec.upgrade.remediation says")
    }

    /// What is told; nothing while there is nothing to say.
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
