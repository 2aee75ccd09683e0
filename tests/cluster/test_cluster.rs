//! The sandboxes of the cluster tests. Each one starts with the first test that needs it; all are removed at the end.
//!
//! A test gets a [`TestCluster`]: it runs programs as a user, reads objects and the audit log, and installs the older
//! charts from a snapshot. How a sandbox starts is in `tests/src/sandbox`.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use mural_tests::audit::{self, AuditLog, Entry, Mark};
use mural_tests::harness;
use mural_tests::parts;
use mural_tests::run_program::{program_path, run_with_input};
use mural_tests::sandbox::{Options, Sandbox, Snapshot, User};
use tempfile::TempDir;

use crate::{flux, small};

/// Ends the name of the sandbox with Flux.
const FLUX_SUFFIX: &str = "flux";
/// The sandbox with Flux.
static FLUX_CLUSTER: OnceLock<TestCluster> = OnceLock::new();

/// The older installation, made on the first sandbox that needs it. Every sandbox can restore the same snapshot.
type SharedSnapshot = Arc<OnceLock<Result<Snapshot, String>>>;

/// A sandbox that tests use one at a time.
pub struct TestCluster {
    name: String,
    sandbox: OnceLock<Result<Sandbox, String>>,
    older_snapshot: SharedSnapshot,
    files: OnceLock<TempDir>,
    /// Whether the Flux controllers run in it.
    is_flux: bool,
    /// Held by the test that uses the sandbox with Flux.
    lock: Mutex<()>,
    /// The linked helm version, if a test changed it.
    other_helm: Mutex<Option<String>>,
}

/// All test clusters. As many tests run at the same time as there are clusters.
pub struct TestClusters {
    all: Vec<Arc<TestCluster>>,
    free: Mutex<Vec<Arc<TestCluster>>>,
    durations: Mutex<Vec<(String, Duration)>>,
}

/// Number of slowest tests that the run prints at its end.
const SLOWEST_TESTS_SHOWN: usize = 10;

impl TestClusters {
    pub fn new(count: usize) -> Self {
        harness::remove_orphaned_sandboxes();
        let older_snapshot = SharedSnapshot::default();
        let all: Vec<Arc<TestCluster>> =
            (1..=count).map(|at| Arc::new(TestCluster::new(at, Arc::clone(&older_snapshot)))).collect();
        Self { free: Mutex::new(all.clone()), all, durations: Mutex::default() }
    }

    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// Runs a test on a cluster that no other test uses at the same time.
    ///
    /// # Errors
    /// The test fails, or more tests run than there are clusters.
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

    /// The slowest tests, longest first. Durations include the start of the sandbox.
    pub fn slowest(&self) -> Vec<(String, Duration)> {
        let mut took = self.durations.lock().unwrap_or_else(PoisonError::into_inner).clone();
        took.sort_by_key(|(_, took)| std::cmp::Reverse(*took));
        took.truncate(SLOWEST_TESTS_SHOWN);
        took
    }

    /// Stops every sandbox that was started.
    ///
    /// # Errors
    /// A sandbox does not stop. The others are stopped nevertheless.
    pub fn down(&self) -> Result<()> {
        let flux = FLUX_CLUSTER.get().into_iter();
        let down: Vec<Result<()>> = self.all.iter().map(Arc::as_ref).chain(flux).map(TestCluster::down).collect();
        down.into_iter().collect()
    }
}

/// Exit code and output of a program.
#[derive(Debug)]
pub struct CommandOutput {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl CommandOutput {
    /// Standard output, then standard error.
    pub fn all_text(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }

    /// # Errors
    /// The exit code differs. The error contains both streams.
    pub fn expect_code(self, code: i32) -> Result<Self> {
        ensure!(self.code == code, "exit code {} instead of {code}\n{}\n{}", self.code, self.stdout, self.stderr);
        Ok(self)
    }
}

/// Output of a program that ended with an exit code, not by a signal.
pub fn to_command_output(output: Output) -> Result<CommandOutput> {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let code = output.status.code().context("it was killed")?;
    Ok(CommandOutput { code, stdout: text(output.stdout), stderr: text(output.stderr) })
}

impl TestCluster {
    fn new(at: usize, older_snapshot: SharedSnapshot) -> Self {
        Self {
            name: harness::sandbox_name(&at.to_string()),
            sandbox: OnceLock::new(),
            older_snapshot,
            files: OnceLock::new(),
            is_flux: false,
            lock: Mutex::default(),
            other_helm: Mutex::default(),
        }
    }

    /// The sandbox; the first call starts it. A failed start is retried once: another sandbox that starts at the same
    /// time can take its ports.
    ///
    /// # Errors
    /// It does not start. Every test on this cluster reports the same reason.
    pub fn sandbox(&self) -> Result<&Sandbox> {
        let sandbox = self.sandbox.get_or_init(|| {
            let options = Options { flux: self.is_flux, ..Options::with_name(&self.name) };
            let again = |error: anyhow::Error| {
                eprintln!("the sandbox `{}` did not start; trying again: {error:#}", self.name);
                Sandbox::down_by_name(&self.name).and_then(|()| Sandbox::up(&options))
            };
            Sandbox::up(&options).or_else(again).map_err(|error| format!("{error:#}"))
        });
        sandbox.as_ref().map_err(|error| anyhow!("no sandbox `{}`: {error}", self.name))
    }

    /// The cluster with Flux, locked for one test. The other clusters have no Flux controllers, which would write on
    /// their own.
    pub fn flux_cluster(&self) -> (&'static Self, MutexGuard<'static, ()>) {
        let test_cluster = FLUX_CLUSTER.get_or_init(|| {
            let name = harness::sandbox_name(FLUX_SUFFIX);
            Self { name, is_flux: true, ..Self::new(0, SharedSnapshot::default()) }
        });
        (test_cluster, test_cluster.lock.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A temporary folder for the files of this cluster's tests.
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
    /// The operator wrote an object, a Lease or the journal since the mark.
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

    /// Like [`TestCluster::run`], with standard input and additional environment variables.
    pub fn run_with(
        &self,
        user: User,
        program: &str,
        args: &[&str],
        input: &str,
        env: &[(&str, &Path)],
    ) -> Result<CommandOutput> {
        let mut command = self.command(user, program)?;
        to_command_output(run_with_input(command.args(args).envs(env.iter().copied()), input.as_bytes())?)
    }

    /// A command that is not started yet: a plugin by its full path; helm and kubectl as linked in the sandbox.
    pub fn command(&self, user: User, program: &str) -> Result<Command> {
        let sandbox = self.sandbox()?;
        let mut command = sandbox.command(user, program_path(sandbox, program)?);
        command.current_dir(self.files()).env("NO_COLOR", "1");
        Ok(command)
    }

    /// Runs `kubectl get … -o json` as the admin and parses the answer.
    pub fn get(&self, args: &[&str]) -> Result<serde_json::Value> {
        let args = [&["get", "--output", "json"], args].concat();
        Ok(serde_json::from_str(&self.run(User::Admin, "kubectl", &args)?.expect_code(0)?.stdout)?)
    }

    /// Restores the older installation of the small charts; the first call makes it.
    pub fn install_older(&self) -> Result<()> {
        // If this sandbox does not start, the shared snapshot must not hold its error.
        self.sandbox()?;
        let install = if self.is_flux { flux::install } else { small::install };
        let mut fresh = false;
        let older = self.older_snapshot.get_or_init(|| {
            fresh = true;
            // An earlier test may have left an installation.
            let result = self.sandbox().and_then(mural_tests::install::remove);
            let result = result.and_then(|()| install(self)).and_then(|()| self.sandbox()?.snapshot("older"));
            result.map_err(|error| format!("{error:#}"))
        });
        let snapshot = older.as_ref().map_err(|error| anyhow!("cannot install the older charts: {error}"))?;
        if !fresh {
            self.sandbox()?.restore(snapshot)?;
        }
        small::wait_ready(self)
    }

    /// Links another helm version until the test ends.
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
        other.map_or(Ok(()), |_| self.link_helm(parts::HELM)).context("linking the default helm again")
    }

    /// Stops the sandbox if it was started.
    fn down(&self) -> Result<()> {
        self.sandbox.get().map_or(Ok(()), |_| Sandbox::down_by_name(&self.name))
    }
}
