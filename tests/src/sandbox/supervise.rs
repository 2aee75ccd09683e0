//! The supervisor: one detached process that owns all parts of one sandbox. When it dies, however it dies, they die.

use super::folder::Folder;
use super::part_arguments::{arguments, environment, parts_after_ready, parts_before_ready, parts_of_flux};
use super::spec::{Phase, Spec, State};
use super::users::kubeconfig_path;
use anyhow::{Context as _, Result, anyhow, bail};
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

/// How long one part may take until it answers.
const PART_START_TIMEOUT: Duration = Duration::from_secs(60);

/// Runs until it is stopped or until a part ends. Called by the hidden `sandbox __supervise NAME`.
///
/// # Errors
/// When there is no such sandbox or its folder cannot be written; what the parts do is in the state file.
pub fn supervise(name: &str) -> Result<()> {
    // A terminal that closes must not take the sandbox with it. An error means that we lead a session already.
    rustix::process::setsid().ok();
    let folder = Folder::of(name)?;
    let lock = File::create(folder.supervisor_lock()).context("supervisor lock")?;
    lock.lock().context("supervisor lock")?;
    // One thread: a parent death signal is tied to the thread that started the child, and this one lives to the end.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let spec = Spec::read(&folder)?;
    let state = State { supervisor: std::process::id(), ..State::default() };
    runtime.block_on(Supervisor { folder, spec, state, children: Vec::new() }.live())
}

struct Supervisor {
    folder: Folder,
    spec: Spec,
    state: State,
    children: Vec<(&'static str, Child)>,
}

impl Supervisor {
    async fn live(mut self) -> Result<()> {
        self.state.write(&self.folder)?;
        let mut stop = signal(SignalKind::terminate())?;
        let end = tokio::select! {
            _ = stop.recv() => None,
            ended = self.start_and_watch() => Some(ended),
        };
        for (_, child) in &mut self.children {
            child.start_kill().ok();
        }
        for (_, child) in &mut self.children {
            child.wait().await.ok();
        }
        self.state.phase = Phase::Ended;
        if let Some((part, error)) = end {
            self.state.failed = Some(part.to_owned());
            self.state.message = Some(format!("{error:#}"));
        }
        self.state.write(&self.folder)
    }

    /// Comes back only when something went wrong, with the part that did.
    async fn start_and_watch(&mut self) -> (&'static str, anyhow::Error) {
        let all = parts_before_ready().iter().chain(parts_after_ready(&self.spec));
        for part in all {
            if let Err(error) = self.start(part) {
                return (part, error);
            }
            if let Err(error) = self.wait_for(part).await {
                return self.find_ended_part().unwrap_or((part, error));
            }
        }
        self.state.phase = Phase::Ready;
        if let Err(error) = self.state.write(&self.folder) {
            return ("supervisor", error);
        }
        loop {
            if let Some(ended) = self.find_ended_part() {
                return ended;
            }
            if let Err(ended) = self.flux().await {
                return ended;
            }
            if let Err(ended) = self.restart_requested_part().await {
                return ended;
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Ends a part and starts it again on request.
    async fn restart_requested_part(&mut self) -> Result<(), (&'static str, anyhow::Error)> {
        let requested = self.children.iter().position(|(part, _)| self.folder.restart(part).exists());
        let Some((part, mut child)) = requested.map(|at| self.children.remove(at)) else { return Ok(()) };
        // Like a crash: no shutdown, no message.
        child.kill().await.ok();
        self.start(part).map_err(|error| (part, error))?;
        if let Err(error) = self.wait_for(part).await {
            return Err(self.find_ended_part().unwrap_or((part, error)));
        }
        std::fs::remove_file(self.folder.restart(part)).context("the request").map_err(|error| (part, error))
    }

    /// Starts Flux's controllers once their CRDs are served, and again where one has ended: as a Deployment would.
    async fn flux(&mut self) -> Result<(), (&'static str, anyhow::Error)> {
        let ended = |child: &mut Child| matches!(child.try_wait(), Ok(Some(_)));
        self.children.retain_mut(|(part, child)| !(parts_of_flux(&self.spec).contains(part) && ended(child)));
        for part in parts_of_flux(&self.spec) {
            let runs = self.children.iter().any(|(name, _)| name == part);
            if !runs && flux_is_served(&self.folder).await.unwrap_or_default() {
                self.start(part).map_err(|error| (*part, error))?;
            }
        }
        Ok(())
    }

    fn start(&mut self, part: &'static str) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.folder.log(part)).context("log")?;
        let child = Command::new(std::env::current_exe().context("our own program")?)
            .args(["__exec", &std::process::id().to_string(), "--"])
            .arg(self.spec.program(part)?)
            .args(arguments(part, &self.folder, &self.spec)?)
            .env_clear()
            .env("HOME", self.folder.dir())
            // The registry would look for a collector of traces and complain every few seconds.
            .env("OTEL_TRACES_EXPORTER", "none")
            .envs(environment(part, &self.folder))
            .current_dir(self.folder.dir())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("could not start {part}"))?;
        self.state.children.insert(part.to_owned(), child.id().unwrap_or_default());
        self.children.push((part, child));
        self.state.write(&self.folder)
    }

    /// Waits where the next part would fail without this one.
    async fn wait_for(&mut self, part: &str) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < PART_START_TIMEOUT {
            if self.find_ended_part().is_some() {
                bail!("ended while it was starting");
            }
            let answers = match part {
                "etcd" => etcd_is_healthy(self.spec.ports.etcd).await,
                "kube-apiserver" => is_ready(&self.folder).await.unwrap_or_default(),
                _ => true,
            };
            if answers {
                return Ok(());
            }
            sleep(Duration::from_millis(50)).await;
        }
        Err(anyhow!("did not answer within {} s", PART_START_TIMEOUT.as_secs()))
    }

    fn find_ended_part(&mut self) -> Option<(&'static str, anyhow::Error)> {
        let flux = parts_of_flux(&self.spec);
        self.children.iter_mut().filter(|(part, _)| !flux.contains(part)).find_map(|(part, child)| {
            match child.try_wait() {
                Ok(Some(status)) => Some((*part, anyhow!("ended by itself: {status}"))),
                _ => None,
            }
        })
    }
}

/// An open port is not enough: with a broken folder etcd listens and never answers, and the API server would get the
/// blame.
async fn etcd_is_healthy(port: u16) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(b"GET /health HTTP/1.0\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer.contains(r#""health":"true""#))
    };
    matches!(tokio::time::timeout(Duration::from_secs(2), ask).await, Ok(Ok(true)))
}

async fn is_ready(folder: &Folder) -> Result<bool> {
    let client = super::client_from(&kubeconfig_path(folder, "admin")).await?;
    let answer = client.request_text(http::Request::get("/readyz").body(Vec::new())?);
    Ok(tokio::time::timeout(Duration::from_secs(2), answer).await?? == "ok")
}

/// Earlier the controllers would wait for their kinds, and end.
async fn flux_is_served(folder: &Folder) -> Result<bool> {
    let client = super::client_from(&kubeconfig_path(folder, "admin")).await?;
    for group in ["helm.toolkit.fluxcd.io/v2", "source.toolkit.fluxcd.io/v1"] {
        let answer = client.request_text(http::Request::get(format!("/apis/{group}")).body(Vec::new())?);
        if tokio::time::timeout(Duration::from_secs(2), answer).await?.is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Becomes CMD, after asking the kernel to kill it when our parent dies. Called by the hidden `sandbox __exec PARENT --
/// CMD`.
///
/// # Errors
/// Always, when it comes back at all: the parent is gone, or CMD cannot be started.
pub fn exec_with_parent(parent: u32, command: &[std::ffi::OsString]) -> Result<std::convert::Infallible> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    // The parent may have died before: then no signal would end us.
    let actual = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    if actual != Some(parent) {
        bail!("the supervisor {parent} is gone");
    }
    let (program, arguments) = command.split_first().context("no command")?;
    Err(std::process::Command::new(program).args(arguments).exec())
        .with_context(|| format!("could not start {}", program.display()))
}
