//! The cluster of the benches: a sandbox with the older sample installation, restored before every run.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, ensure};
use mural_tests::install::{self, NAMESPACE};
use mural_tests::sandbox::{Options, Sandbox, Snapshot, User};
use mural_tests::{charts, plugins};
use tempfile::TempDir;

/// The sandbox and its older installation.
pub struct BenchCluster {
    pub sandbox: Sandbox,
    older: Snapshot,
    programs: PathBuf,
    files: TempDir,
}

impl BenchCluster {
    /// A sandbox of its own, with the older pair installed.
    ///
    /// # Errors
    /// It does not come up, or the programs do not build.
    pub fn up() -> Result<Self> {
        Self::start(&Options::with_name(&format!("bench-{}", std::process::id())))
    }

    /// The same with Flux, installed by the four manifests of the vendor's guide.
    ///
    /// # Errors
    /// As [`Ground::up`].
    pub fn up_with_flux() -> Result<Self> {
        Self::start(&Options { flux: true, ..Options::with_name(&format!("bench-{}-flux", std::process::id())) })
    }

    fn start(options: &Options) -> Result<Self> {
        let programs = plugins::folder()?;
        let sandbox = Sandbox::up(options)?;
        install::install(&sandbox, &install::Args { flux: options.flux, ..install::Args::default() })?;
        let older = sandbox.snapshot("older")?;
        let test_cluster = Self { sandbox, older, programs, files: tempfile::tempdir()? };
        test_cluster.wait_until_idle()?;
        Ok(test_cluster)
    }

    /// The older installation, brought back.
    ///
    /// # Errors
    /// The control plane does not start.
    pub fn restore_older(&self) -> Result<()> {
        self.sandbox.restore(&self.older)?;
        self.wait_until_idle()
    }

    /// Waits until a control plane that has just started is no busier than one that runs for days: every pod is ready,
    /// and the schema document of every group has been put together once.
    fn wait_until_idle(&self) -> Result<()> {
        let args = ["rollout", "status", "deployment", "--namespace", NAMESPACE, "--timeout=180s"];
        self.run("kubectl", &args)?;
        self.run("kubectl", &["get", "--raw", "/openapi/v2"])?;
        std::thread::sleep(std::time::Duration::from_secs(3));
        Ok(())
    }

    /// A program: ours as it is shipped, helm and kubectl as the sandbox has them.
    pub fn command(&self, program: &str) -> Command {
        let path = match plugins::PROGRAMS.contains(&program) {
            true => self.programs.join(program),
            false => self.sandbox.dir().join("bin").join(program),
        };
        let mut command = self.sandbox.command(User::Operator, path);
        command.stdin(Stdio::null()).current_dir(self.files.path());
        command
    }

    /// Runs a program to its end, which must be good.
    ///
    /// # Errors
    /// It fails; its words are in the message.
    pub fn run(&self, program: &str, args: &[&str]) -> Result<Output> {
        let output = self.command(program).args(args).output().with_context(|| program.to_owned())?;
        let words = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{program} {args:?}: {}\n{words}", output.status);
        Ok(output)
    }

    /// The vendor's first command: `helm template … | kubectl apply --server-side --force-conflicts -f -`.
    ///
    /// # Errors
    /// One of the two fails.
    pub fn guide_crds(&self, chart: &[&str]) -> Result<()> {
        let template = [&["template", "mural-crds"], chart, &["--include-crds"]].concat();
        let mut helm = self.command("helm").args(template).stdout(Stdio::piped()).spawn()?;
        let rendered = helm.stdout.take().context("helm's output")?;
        let apply = ["apply", "--server-side", "--force-conflicts", "--filename", "-"];
        let applied = self.command("kubectl").args(apply).stdin(rendered).output()?;
        ensure!(helm.wait()?.success(), "helm template failed");
        ensure!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
        Ok(())
    }

    /// The vendor's second command: `helm upgrade mural … --values values.yaml --wait`.
    ///
    /// # Errors
    /// It fails.
    pub fn guide_app(&self) -> Result<()> {
        let (_, version) = charts::PAIRS[1];
        let (chart, values) = (self.registry("mural"), self.values()?);
        let mut args = vec!["upgrade", "mural", &chart, "--version", version, "--plain-http", "--namespace", NAMESPACE];
        args.extend(values.iter().map(String::as_str));
        args.push("--wait");
        self.run("helm", &args).map(drop)
    }

    /// The registry's chart of that name.
    pub fn registry(&self, name: &str) -> String {
        format!("oci://{}/mural/{name}", self.sandbox.registry())
    }

    /// The operator's value flags, the same for both ways.
    ///
    /// # Errors
    /// The sandbox's certificate authority cannot be read.
    pub fn values(&self) -> Result<Vec<String>> {
        let mut flags = vec!["--values".to_owned(), charts::values_file().display().to_string()];
        flags.extend(install::webhook_values(&self.sandbox)?.into_iter().flat_map(|set| ["--set".to_owned(), set]));
        Ok(flags)
    }

    /// Ours: the whole upgrade, every guard, every proof.
    ///
    /// # Errors
    /// It fails.
    pub fn upgrade(&self, crds: &[&str]) -> Result<()> {
        let (chart, values) = (self.registry("mural"), self.values()?);
        let mut args = vec!["--yes", "--plain-http", "--chart", &chart, "--to", charts::PAIRS[1].1];
        args.extend(crds);
        args.extend(values.iter().map(String::as_str));
        self.run("kubectl-mural-upgrade", &args).map(drop)
    }

    /// A folder for this run's files.
    pub fn files(&self) -> &Path {
        self.files.path()
    }

    /// # Errors
    /// The sandbox resists.
    pub fn down(self) -> Result<()> {
        self.sandbox.down()
    }
}
