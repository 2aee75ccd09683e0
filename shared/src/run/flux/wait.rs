//! Waiting for Flux: one small read at a time, told with its reason; what does not get better ends the wait.

use std::time::{Duration, Instant};

use super::{helm_release, source as read_source};
use crate::cluster::ApiError;
use crate::model::flux::{FluxObject, FluxRef};
use crate::model::waiting::Own;
use crate::plan::Step;
use crate::plan::flux::Wanted;
use crate::plan::flux::argo;
use crate::plan::flux::progress::{Progress, of_release, of_source};
use crate::problem::{Exit, Problem};
use crate::report::event::{Event, WaitingFor};
use crate::run::Run;
use crate::run::wait::Watch;

/// Between two looks: quick at first, since most of it takes a second or two, then at leisure.
const QUICK: Duration = Duration::from_millis(200);
const QUICK_FOR: Duration = Duration::from_secs(10);
const SLOW: Duration = Duration::from_secs(1);
/// Between two looks at the application's workloads, which cost six lists.
const WORKLOADS: Duration = Duration::from_secs(2);
/// So long the server may not answer before we say that we could not look.
const UNSEEN_AT_MOST: Duration = Duration::from_secs(15);

/// Waits until a source's artifact is the wanted chart.
pub(super) async fn source(
    run: &Run<'_>,
    step: &Step,
    named: &FluxRef,
    wanted: &Wanted,
    asked: &str,
) -> Result<String, Problem> {
    let mut wait = Wait::new(run, step, named, "source-controller");
    loop {
        let seen = read_source(&run.prepared.cluster, named).await;
        let progress = wait.seen(seen)?.map(|source| of_source(&source, wanted, asked));
        if let Some(done) = wait.judge(progress)? {
            return Ok(done);
        }
        wait.told(None);
        wait.pause().await;
    }
}

/// Waits until a HelmRelease is Ready at the wanted chart; the application's workloads are looked at beside it.
pub(super) async fn release(
    run: &Run<'_>,
    step: &Step,
    named: &FluxRef,
    wanted: Option<&Wanted>,
    crds: bool,
    asked: Option<&str>,
) -> Result<String, Problem> {
    let mut wait = Wait::new(run, step, named, "helm-controller");
    let app = run.prepared.app.as_ref().filter(|_| !crds);
    let mut workloads =
        app.map(|side| Watch::new(run, step, Own::new(&run.prepared.ask.installation.app_release, &side.rendered)));
    let mut looked = Instant::now();
    loop {
        let seen = helm_release(&run.prepared.cluster, named).await;
        let progress = wait.seen(seen)?.map(|release| match asked {
            Some(asked) => of_release(&release, wanted, asked),
            None => patient(of_release(&release, wanted, release.handled_at())),
        });
        if let Some(done) = wait.judge(progress)? {
            return settled(done, workloads).await;
        }
        match &mut workloads {
            Some(watch) if looked.elapsed() >= WORKLOADS => {
                looked = Instant::now();
                watch.beside(wait.waiting_for());
                watch.look().await;
                if let Some(reason) = watch.hopeless() {
                    return Err(wait.hopeless(reason));
                }
            }
            Some(_) => {}
            None => wait.told(None),
        }
        wait.pause().await;
    }
}

/// Whoever waits for somebody else's commit waits as long as it takes; only what has failed for good ends it.
fn patient(progress: Progress) -> Progress {
    match progress {
        Progress::Trouble(reason) => Progress::Waiting(reason),
        other => other,
    }
}

/// Waits until an Argo CD Application is synced to a version and healthy.
pub(super) async fn application(
    run: &Run<'_>,
    step: &Step,
    namespace: &str,
    name: &str,
    version: &str,
    crds: bool,
) -> Result<String, Problem> {
    let named = FluxRef::new("Application", namespace, name);
    let path = format!("/apis/argoproj.io/v1alpha1/namespaces/{namespace}/applications/{name}");
    let mut wait = Wait::new(run, step, &named, "argocd-application-controller");
    let app = run.prepared.app.as_ref().filter(|_| !crds);
    let workloads =
        app.map(|side| Watch::new(run, step, Own::new(&run.prepared.ask.installation.app_release, &side.rendered)));
    loop {
        let seen = match run.prepared.cluster.get(&path).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.not_found() => Ok(None),
            Err(error) => Err(error),
        };
        let progress = wait.seen(seen)?.map(|found| argo::progress(&found, version));
        if let Some(done) = wait.judge(progress)? {
            return settled(done, workloads).await;
        }
        wait.told(None);
        wait.pause().await;
    }
}

/// Flux says that it is done: our own reading of the workloads has to say so too.
async fn settled(done: String, workloads: Option<Watch<'_>>) -> Result<String, Problem> {
    let Some(mut watch) = workloads else { return Ok(done) };
    watch.beside(None);
    watch.settle().await?;
    let (ready, of) = watch.ready();
    Ok(format!("{done}, {ready} of {of} ready"))
}

struct Wait<'a> {
    run: &'a Run<'a>,
    step: &'a Step,
    object: &'a FluxRef,
    controller: &'static str,
    began: Instant,
    reason: String,
    /// Since when the same trouble lasts.
    trouble: Option<Instant>,
    unseen: Option<Instant>,
}

impl<'a> Wait<'a> {
    fn new(run: &'a Run<'a>, step: &'a Step, object: &'a FluxRef, controller: &'static str) -> Self {
        let (reason, began) = (String::new(), Instant::now());
        Self { run, step, object, controller, began, reason, trouble: None, unseen: None }
    }

    /// What was read; a server that does not answer for a moment is waited for.
    fn seen<T>(&mut self, read: Result<Option<T>, ApiError>) -> Result<Option<T>, Problem> {
        match read {
            Ok(Some(found)) => {
                self.unseen = None;
                Ok(Some(found))
            }
            Ok(None) => Err(Problem::failed(format!("{} has been deleted meanwhile", self.object))
                .hint("look who deletes it; then run the same command again")),
            Err(error) if self.unseen.get_or_insert_with(Instant::now).elapsed() < UNSEEN_AT_MOST => {
                self.reason = format!("cannot be read: {error}");
                Ok(None)
            }
            Err(error) => {
                Err(Problem::new(Exit::ChecksFailed, format!("{} cannot be read", self.object)).because(error))
            }
        }
    }

    fn judge(&mut self, progress: Option<Progress>) -> Result<Option<String>, Problem> {
        let manner = self.run.manner;
        if manner.stop.asked() {
            return Err(Problem::new(
                Exit::Interrupted,
                format!("stopped by Ctrl-C while waiting for {}", self.object),
            ));
        }
        match progress {
            Some(Progress::Done(told)) => return Ok(Some(told)),
            Some(Progress::Failed(reason)) => return Err(self.problem(Exit::Failed, &reason)),
            Some(Progress::Trouble(reason)) => {
                let since = *self.trouble.get_or_insert_with(Instant::now);
                self.reason = reason;
                if since.elapsed() >= manner.failure_grace {
                    let seconds = since.elapsed().as_secs();
                    return Err(self.problem(Exit::Failed, &format!("{}, for {seconds}s", self.reason)));
                }
            }
            Some(Progress::Waiting(reason)) => (self.reason, self.trouble) = (reason, None),
            None => {}
        }
        if self.began.elapsed() >= manner.timeout {
            let limit = manner.timeout.as_secs();
            return Err(self.problem(Exit::OutOfTime, &format!("not there within {limit}s: {}", self.reason)));
        }
        Ok(None)
    }

    fn problem(&self, exit: Exit, reason: &str) -> Problem {
        let (object, controller) = (self.object, self.controller);
        let problem = Problem::new(exit, format!("{object}: {reason}"));
        let problem = if reason.contains("does it run") {
            problem
                .hint(format!("kubectl get deployments --all-namespaces --field-selector metadata.name={controller}"))
        } else {
            problem.hint(format!("kubectl describe {}", object.words()))
        };
        problem.hint("mend it, then run the same command again: it goes on from what is there")
    }

    fn hopeless(&self, reason: &str) -> Problem {
        Problem::new(Exit::Failed, format!("{} cannot become ready: {reason}", self.object))
            .hint(format!("kubectl describe pods --namespace {}", self.run.prepared.ask.installation.namespace))
            .hint("helm-controller goes on waiting until its own timeout, and then does what spec.upgrade.remediation says")
    }

    fn waiting_for(&self) -> Option<WaitingFor> {
        let terminal_seconds = self.trouble.map(|since| since.elapsed().as_secs());
        let object = format!("{} {}", self.object.kind, self.object.name);
        Some(WaitingFor { object, progress: String::new(), reason: self.reason.clone(), terminal_seconds })
    }

    fn told(&self, more: Option<WaitingFor>) {
        let manner = self.run.manner;
        (self.run.emit)(Event::Waiting {
            step: self.step.id.clone(),
            seconds: self.began.elapsed().as_secs_f64(),
            limit_seconds: manner.timeout.as_secs_f64(),
            grace_seconds: manner.failure_grace.as_secs(),
            ready: (0, 1),
            objects: self.waiting_for().into_iter().chain(more).collect(),
        });
    }

    async fn pause(&self) {
        tokio::time::sleep(if self.began.elapsed() < QUICK_FOR { QUICK } else { SLOW }).await;
    }
}
