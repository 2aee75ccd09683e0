//! What the cluster tests stand on: sandboxes, each brought up by the first test that needs it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use mural_tests::audit::{self, AuditLog, Entry, Mark};
use mural_tests::parts;
use mural_tests::plugins;
use mural_tests::sandbox::{self, Options, Sandbox, Snapshot, User};
use tempfile::TempDir;

use crate::{flux, small};

/// Sandboxes of these tests are named after their process, so that one left behind can be told and cleaned.
const SANDBOX_PREFIX: &str = "test-";
/// The end of the name of the one with Flux.
const FLUX_SUFFIX: &str = "-flux";
/// The one with Flux.
static FLUX_CLUSTER: OnceLock<TestCluster> = OnceLock::new();

/// What was made on the first sandbox that needed it, for all of them: a snapshot fits any.
type SharedSnapshot = Arc<OnceLock<Result<Snapshot, String>>>;

/// A sandbox, and what was made on it once.
pub struct TestCluster {
    name: String,
    sandbox: OnceLock<Result<Sandbox, String>>,
    older_snapshot: SharedSnapshot,
    files: OnceLock<TempDir>,
    /// Whether Flux runs in this one.
    is_flux: bool,
    /// Held by the test that uses the one with Flux.
    lock: Mutex<()>,
    /// The helm, where a test has asked for another than the usual one.
    other_helm: Mutex<Option<String>>,
}

/// All of them; as many tests run at the same time.
pub struct TestClusters {
    all: Vec<Arc<TestCluster>>,
    free: Mutex<Vec<Arc<TestCluster>>>,
    durations: Mutex<Vec<(String, Duration)>>,
}

/// How many of the slowest tests are told in the end: where the tier's budget goes.
const SLOWEST_TESTS_SHOWN: usize = 10;

impl TestClusters {
    pub fn new(count: usize) -> Self {
        remove_orphaned_sandboxes();
        let older_snapshot = SharedSnapshot::default();
        let all: Vec<Arc<TestCluster>> =
            (1..=count).map(|at| Arc::new(TestCluster::new(at, Arc::clone(&older_snapshot)))).collect();
        Self { free: Mutex::new(all.clone()), all, durations: Mutex::default() }
    }

    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// Runs a test on a ground that no other test uses meanwhile.
    ///
    /// # Errors
    /// The test fails, or more tests run than there are grounds.
    pub fn run_on_free_cluster(&self, name: &str, test: fn(&TestCluster) -> Result<()>) -> Result<()> {
        let began = Instant::now();
        let free = || self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let test_cluster = free().pop().context("more tests at once than sandboxes")?;
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(&test_cluster)));
        let helm_restored = test_cluster.restore_usual_helm();
        free().push(test_cluster);
        self.durations.lock().unwrap_or_else(PoisonError::into_inner).push((name.to_owned(), began.elapsed()));
        result.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked)).and(helm_restored)
    }

    /// The tests that took longest, what they waited for on their own sandbox included.
    pub fn slowest(&self) -> Vec<(String, Duration)> {
        let mut took = self.durations.lock().unwrap_or_else(PoisonError::into_inner).clone();
        took.sort_by_key(|(_, took)| std::cmp::Reverse(*took));
        took.truncate(SLOWEST_TESTS_SHOWN);
        took
    }

    /// Ends every sandbox that was brought up.
    ///
    /// # Errors
    /// One resists; the others are ended nevertheless.
    pub fn down(&self) -> Result<()> {
        let flux = FLUX_CLUSTER.get().into_iter();
        let down: Vec<Result<()>> = self.all.iter().map(Arc::as_ref).chain(flux).map(TestCluster::down).collect();
        down.into_iter().collect()
    }
}

/// How a program ended.
#[derive(Debug)]
pub struct CommandOutput {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl CommandOutput {
    /// Both streams, for searching.
    pub fn all_text(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }

    /// # Errors
    /// It ended with another code.
    pub fn expect_code(self, code: i32) -> Result<Self> {
        ensure!(self.code == code, "exit code {} instead of {code}\n{}\n{}", self.code, self.stdout, self.stderr);
        Ok(self)
    }
}

/// How a program ended that nobody killed.
pub fn to_command_output(output: Output) -> Result<CommandOutput> {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let code = output.status.code().context("it was killed")?;
    Ok(CommandOutput { code, stdout: text(output.stdout), stderr: text(output.stderr) })
}

impl TestCluster {
    fn new(at: usize, older_snapshot: SharedSnapshot) -> Self {
        Self {
            name: format!("{SANDBOX_PREFIX}{}-{at}", std::process::id()),
            sandbox: OnceLock::new(),
            older_snapshot: older_snapshot,
            files: OnceLock::new(),
            is_flux: false,
            lock: Mutex::default(),
            other_helm: Mutex::default(),
        }
    }

    /// The sandbox; the first call brings it up. One that does not come up is begun anew once, and said: what stood in its way
    /// may be another sandbox that was starting beside it.
    ///
    /// # Errors
    /// It does not come up; every test of this ground says why.
    pub fn sandbox(&self) -> Result<&Sandbox> {
        let sandbox = self.sandbox.get_or_init(|| {
            let options = Options { flux: self.is_flux, ..Options::with_name(&self.name) };
            let again = |error: anyhow::Error| {
                eprintln!("the sandbox `{}` did not come up, and is begun anew: {error:#}", self.name);
                Sandbox::down_by_name(&self.name).and_then(|()| Sandbox::up(&options))
            };
            Sandbox::up(&options).or_else(again).map_err(|error| format!("{error:#}"))
        });
        sandbox.as_ref().map_err(|error| anyhow!("no sandbox `{}`: {error}", self.name))
    }

    /// The ground on which Flux runs, for one test at a time: elsewhere its controllers would only be in the way.
    pub fn flux_cluster(&self) -> (&'static Self, MutexGuard<'static, ()>) {
        let test_cluster = FLUX_CLUSTER.get_or_init(|| {
            let name = format!("{SANDBOX_PREFIX}{}{FLUX_SUFFIX}", std::process::id());
            Self { name, is_flux: true, ..Self::new(0, SharedSnapshot::default()) }
        });
        (test_cluster, test_cluster.lock.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A folder for this process's files.
    pub fn files(&self) -> &Path {
        self.files.get_or_init(|| tempfile::tempdir().expect("a folder")).path()
    }

    pub fn audit(&self) -> Result<AuditLog> {
        Ok(AuditLog::new(self.sandbox()?.audit_log()))
    }

    pub fn mark(&self) -> Result<Mark> {
        self.audit()?.mark()
    }

    pub fn entries_since(&self, mark: Mark) -> Result<Vec<Entry>> {
        self.audit()?.entries_since(mark)
    }

    /// # Errors
    /// The operator wrote something since the mark, a lock and the journal included.
    pub fn ensure_nothing_written(&self, mark: Mark) -> Result<()> {
        let log = self.entries_since(mark)?;
        let user = User::Operator.to_string();
        let writes =
            [audit::writes_by(&log, &user), audit::locks_by(&log, &user), audit::journal_by(&log, &user)].concat();
        let list = || writes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        ensure!(writes.is_empty(), "wrote {} times:\n{}", writes.len(), list());
        Ok(())
    }

    /// Runs a program of the sandbox as a user.
    pub fn run(&self, user: User, program: &str, args: &[&str]) -> Result<CommandOutput> {
        self.run_with(user, program, args, "", &[])
    }

    /// As [`Ground::run`], with standard input and more environment.
    pub fn run_with(
        &self,
        user: User,
        program: &str,
        args: &[&str],
        input: &str,
        env: &[(&str, &Path)],
    ) -> Result<CommandOutput> {
        let mut command = self.command(user, program)?;
        let mut child = command
            .args(args)
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| program.to_owned())?;
        // Who reads nothing closes the pipe: no failure.
        drop(child.stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes())));
        to_command_output(child.wait_with_output()?)
    }

    /// A program: ours by its full path, helm and kubectl as the sandbox links them.
    pub fn command(&self, user: User, program: &str) -> Result<Command> {
        let sandbox = self.sandbox()?;
        let path: PathBuf = match plugins::PROGRAMS.contains(&program) {
            true => plugins::folder()?.join(program),
            false => sandbox.dir().join("bin").join(program),
        };
        let mut command = sandbox.command(user, path);
        command.current_dir(self.files()).env("NO_COLOR", "1");
        Ok(command)
    }

    /// `kubectl … -o json` as the admin, read.
    pub fn get(&self, args: &[&str]) -> Result<serde_json::Value> {
        let args = [&["get", "--output", "json"], args].concat();
        Ok(serde_json::from_str(&self.run(User::Admin, "kubectl", &args)?.expect_code(0)?.stdout)?)
    }

    /// The older installation of the small charts, made once and brought back for every test that asks.
    pub fn install_older(&self) -> Result<()> {
        // A ground without a sandbox does not speak for the others.
        self.sandbox()?;
        let install = if self.is_flux { flux::install } else { small::install };
        let mut fresh = false;
        let older = self.older_snapshot.get_or_init(|| {
            fresh = true;
            // A test that needed no snapshot may have left an installation of its own.
            let result = self.sandbox().and_then(mural_tests::install::remove);
            let result = result.and_then(|()| install(self)).and_then(|()| self.sandbox()?.snapshot("older"));
            result.map_err(|error| format!("{error:#}"))
        });
        let snapshot = older.as_ref().map_err(|error| anyhow!("the older installation cannot be made: {error}"))?;
        if !fresh {
            self.sandbox()?.restore(snapshot)?;
        }
        small::wait_ready(self)
    }

    /// Another helm, until this test ends.
    pub fn use_helm(&self, version: &str) -> Result<()> {
        *self.other_helm.lock().unwrap_or_else(PoisonError::into_inner) = Some(version.to_owned());
        self.link_helm(version)
    }

    fn link_helm(&self, version: &str) -> Result<()> {
        let sandbox = Sandbox::up(&Options { helm: Some(version.to_owned()), ..Options::with_name(&self.name) })?;
        ensure!(sandbox.spec().helm.contains(version), "helm {} instead of {version}", sandbox.spec().helm);
        Ok(())
    }

    fn restore_usual_helm(&self) -> Result<()> {
        let other = self.other_helm.lock().unwrap_or_else(PoisonError::into_inner).take();
        other.map_or(Ok(()), |_| self.link_helm(parts::HELM)).context("the usual helm, for the next test")
    }

    /// Ends the sandbox, where there is one.
    fn down(&self) -> Result<()> {
        self.sandbox.get().map_or(Ok(()), |_| Sandbox::down_by_name(&self.name))
    }
}

/// A test process that was killed has left its sandbox running.
fn remove_orphaned_sandboxes() {
    for name in sandbox::names().unwrap_or_default() {
        let ours =
            name.strip_prefix(SANDBOX_PREFIX).map(|rest| rest.split_once('-').map_or(rest, |(process, _)| process));
        let process = ours.and_then(|process| process.parse::<u32>().ok());
        if process.is_some_and(|process| !Path::new(&format!("/proc/{process}")).exists()) {
            drop(Sandbox::down_by_name(&name));
        }
    }
}
