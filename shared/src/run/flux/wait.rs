//! Waiting for Flux: what is waited for is watched, and told with its reason; what does not get better ends the wait.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cluster::ApiError;
use crate::cluster::flux::paths;
use crate::cluster::watch::{Changes, Watched};
use crate::model::flux::{FluxObject, FluxRef, HelmRelease, Source};
use crate::model::waiting::Own;
use crate::plan::Step;
use crate::plan::flux::Wanted;
use crate::plan::flux::argo;
use crate::plan::flux::progress::{Progress, of_release, of_source};
use crate::problem::{Exit, Problem};
use crate::report::event::{Event, WaitingFor};
use crate::run::Run;
use crate::run::wait::Watch;

/// The longest between two judgements, whether anything has changed or not.
const TICK: Duration = Duration::from_secs(1);
/// A controller that has not looked at our change yet is not spoken of for so long.
const QUIET: Duration = Duration::from_secs(10);
/// Whoever tries again is on its way for a moment, and in the same trouble after it: only so much of peace ends it.
const PEACE: Duration = Duration::from_secs(10);
/// Between two looks at the application's workloads, which cost six lists: while something is in trouble, and while nothing moves.
const LOOK_CLOSELY: Duration = Duration::from_secs(2);
const LOOK_ANYWAY: Duration = Duration::from_secs(10);
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
    let mut watched = Watched::new(&run.prepared.cluster, paths(named).collect());
    loop {
        let progress = wait.look(&mut watched).await?.map(|found| of_source(&Source::new(found), wanted, asked));
        if let Some(done) = wait.judge(progress)? {
            return Ok(done);
        }
        wait.told();
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
    let mut watched = Watched::new(&run.prepared.cluster, paths(named).collect());
    let mut workloads = Workloads::of(run, step, crds);
    loop {
        let found = wait.look(&mut watched).await?.map(HelmRelease::new);
        let progress = found.map(|release| match asked {
            Some(asked) => of_release(&release, wanted, asked),
            None => patient(of_release(&release, wanted, release.handled_at())),
        });
        if let Some(done) = wait.judge(progress)? {
            return settled(done, workloads).await;
        }
        match &mut workloads {
            Some(workloads) => workloads.beside(&wait).await?,
            None => wait.told(),
        }
    }
}

/// The application's workloads, looked at beside its HelmRelease.
struct Workloads<'a> {
    watch: Watch<'a>,
    changes: Changes,
    looked: Instant,
}

impl<'a> Workloads<'a> {
    /// None where the CRD chart is waited for, or the application does not move.
    fn of(run: &'a Run<'a>, step: &'a Step, crds: bool) -> Option<Self> {
        let side = run.prepared.app.as_ref().filter(|_| !crds)?;
        let installation = &run.prepared.ask.installation;
        let watch = Watch::new(run, step, Own::new(&installation.app_release, &side.rendered));
        let pods = format!("/api/v1/namespaces/{}/pods", installation.namespace);
        Some(Self { watch, changes: Changes::of(&run.prepared.cluster, pods), looked: Instant::now() })
    }

    /// A look where it is worth one: something has moved, something is in trouble, or long enough ago.
    async fn beside(&mut self, wait: &Wait<'_>) -> Result<(), Problem> {
        let since = self.looked.elapsed();
        let due = if self.watch.in_trouble() { LOOK_CLOSELY } else { LOOK_ANYWAY };
        self.watch.beside(wait.waiting_for());
        if since < TICK || (since < due && !self.changes.any().await) {
            // Before the first look nobody knows how many there are.
            if self.watch.ready().1 > 0 {
                self.watch.tell();
            }
            return Ok(());
        }
        self.looked = Instant::now();
        self.watch.look().await;
        self.watch.hopeless().map_or(Ok(()), |reason| Err(wait.hopeless(reason)))
    }
}

/// Whoever waits for somebody else's commit waits as long as it takes; only what has failed for good ends it.
fn patient(progress: Progress) -> Progress {
    match progress {
        Progress::Trouble(reason) | Progress::Unseen(reason) => Progress::Waiting(reason),
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
    let mut watched = Watched::new(&run.prepared.cluster, vec![path]);
    loop {
        let progress = wait.look(&mut watched).await?.map(|found| argo::progress(&found, version));
        if let Some(done) = wait.judge(progress)? {
            return settled(done, Workloads::of(run, step, crds)).await;
        }
        wait.told();
    }
}

/// Flux says that it is done: our own reading of the workloads has to say so too.
async fn settled(done: String, workloads: Option<Workloads<'_>>) -> Result<String, Problem> {
    let Some(Workloads { mut watch, .. }) = workloads else { return Ok(done) };
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
    /// Since when it is on its way again.
    peace: Option<Instant>,
    /// Whether its controller has not looked yet, and whether that is worth a word.
    silent: Option<Worth>,
    unseen: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Worth {
    Nothing,
    AWord,
}

impl<'a> Wait<'a> {
    fn new(run: &'a Run<'a>, step: &'a Step, object: &'a FluxRef, controller: &'static str) -> Self {
        let (reason, began) = (String::new(), Instant::now());
        Self { run, step, object, controller, began, reason, trouble: None, peace: None, silent: None, unseen: None }
    }

    /// What there is, as soon as it has changed; a server that does not answer for a moment is waited for.
    async fn look(&mut self, watched: &mut Watched) -> Result<Option<Value>, Problem> {
        let read = watched.next(TICK).await;
        if read.is_err() {
            tokio::time::sleep(TICK).await;
        }
        self.seen(read)
    }

    fn seen(&mut self, read: Result<Option<Value>, ApiError>) -> Result<Option<Value>, Problem> {
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
        let was_silent = self.silent.take().is_some();
        match progress {
            Some(Progress::Done(told)) => return Ok(Some(told)),
            Some(Progress::Failed(reason)) => return Err(self.problem(Exit::Failed, &reason)),
            // Quiet at first: a controller that looks a second later is no news.
            Some(Progress::Unseen(reason)) if self.began.elapsed() < QUIET.min(manner.failure_grace) => {
                (self.reason, self.silent) = (reason, Some(Worth::Nothing));
            }
            Some(Progress::Unseen(reason)) => {
                self.silent = Some(Worth::AWord);
                self.troubled(reason, self.began)?;
            }
            Some(Progress::Trouble(reason)) => {
                // Its silence was another trouble.
                self.trouble = self.trouble.filter(|_| !was_silent);
                self.troubled(reason, Instant::now())?;
            }
            Some(Progress::Waiting(reason)) => self.waits(reason),
            None => {}
        }
        if self.began.elapsed() >= manner.timeout {
            let limit = manner.timeout.as_secs();
            return Err(self.problem(Exit::OutOfTime, &format!("not there within {limit}s: {}", self.reason)));
        }
        Ok(None)
    }

    fn waits(&mut self, reason: String) {
        if self.trouble.is_some() && self.peace.get_or_insert_with(Instant::now).elapsed() < PEACE {
            return;
        }
        (self.reason, self.trouble, self.peace) = (reason, None, None);
    }

    /// Ends the wait where the trouble has lasted too long.
    fn troubled(&mut self, reason: String, from: Instant) -> Result<(), Problem> {
        self.peace = None;
        let since = *self.trouble.get_or_insert(from);
        self.reason = reason;
        if since.elapsed() < self.run.manner.failure_grace {
            return Ok(());
        }
        let seconds = since.elapsed().as_secs();
        Err(self.problem(Exit::Failed, &format!("{}, for {seconds}s", self.reason)))
    }

    fn problem(&self, exit: Exit, reason: &str) -> Problem {
        let object = self.object;
        // A HelmChart is helm-controller's to write, and source-controller's to fetch: the reason names the one.
        let controller = if reason.contains("helm-controller") { "helm-controller" } else { self.controller };
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

    /// What is told; nothing while there is nothing to say.
    fn waiting_for(&self) -> Option<WaitingFor> {
        if self.reason.is_empty() || self.silent == Some(Worth::Nothing) {
            return None;
        }
        let terminal_seconds = self.trouble.map(|since| since.elapsed().as_secs());
        let object = format!("{} {}", self.object.kind, self.object.name);
        Some(WaitingFor { object, progress: String::new(), reason: self.reason.clone(), terminal_seconds })
    }

    fn told(&self) {
        let manner = self.run.manner;
        (self.run.emit)(Event::Waiting {
            step: self.step.id.clone(),
            seconds: self.began.elapsed().as_secs_f64(),
            limit_seconds: manner.timeout.as_secs_f64(),
            grace_seconds: manner.failure_grace.as_secs(),
            ready: (0, 1),
            objects: self.waiting_for().into_iter().collect(),
        });
    }
}
