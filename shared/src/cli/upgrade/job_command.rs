//! `kubectl mural upgrade job`: writes an upgrade as a Kubernetes Job to standard output.
//!
//! The plan is prepared as by `plan`: it tells which rights the pod needs. What the pod cannot have, such as a local chart, is refused
//! here and not in the pod.

use std::path::{Path, PathBuf};

use crate::ask::{BackupMode, ClusterAccess, UpgradeSpec, ValueFlag};
use crate::cli::Stream;
use crate::cli::command_error::CommandError;
use crate::cli::environment::read_environment;
use crate::cli::signals::Signals;
use crate::cli::upgrade::flags::JobFlags;
use crate::cli::upgrade::job_error::JobError;
use crate::model::chart::ChartRef;
use crate::prepare::prepare;
use crate::prepare::prepared::{Environment, RunMode};
use crate::problem::{Exit, Problem};
use crate::report::event::Event;
use crate::report::job_manifest::{JobManifest, REGISTRY_DIR, REGISTRY_FILE, VALUES_DIR};

/// How long a pod waits for another run to end.
const WAIT_FOR_LOCK: &str = "10m";
/// The longest name of a Job whose pods get a name from it.
const MAX_NAME_LENGTH: usize = 63;

/// Prepares the plan and prints the manifests.
pub(crate) async fn job(flags: &JobFlags) -> Result<Exit, Problem> {
    let ask = flags.upgrade.to_ask()?;
    let PodRequest { spec, files } = PodRequest::new(&ask, flags.registry_secret.as_deref())?;
    let manifest = JobManifest {
        name: flags.name.clone().unwrap_or_else(|| default_name(&ask)),
        namespace: ask.installation.namespace.clone(),
        image: flags.image.clone(),
        service_account: flags.service_account.clone(),
        args: list_args(&spec, &flags.upgrade.run_flags.timeout),
        files,
        registry_secret: flags.registry_secret.clone(),
        suspended: flags.suspend,
    };
    let limits = flags.upgrade.run_flags.to_limits()?;
    let mode = RunMode::new(false, limits.wait_for_lock);
    let env = read_environment(flags.upgrade.registry.registry_config.as_deref(), mode)?;
    // The backup reads more than the upgrade itself.
    let backup = if flags.upgrade.backup.no_save { BackupMode::Declined } else { BackupMode::Enabled };
    let env = Environment { backup, ..env };
    let progress = flags.upgrade.run_flags.to_progress();
    let emit = |event: Event| progress.show_event(&event);
    let prepared = Signals::new()?.run_read_only(prepare(ask, env, &emit)).await?;
    progress.finish();
    if prepared.plan.is_refused() {
        return Err(JobError::Refused.into());
    }
    let text = manifest.render(&prepared.plan.permissions);
    Stream::Stdout.write(&text.map_err(|error| CommandError::Yaml { what: "Job", error })?);
    Ok(Exit::Success)
}

/// The request as the pod makes it, and the files that it reads.
struct PodRequest {
    spec: UpgradeSpec,
    files: Vec<(String, String)>,
}

impl PodRequest {
    /// # Errors
    /// The request needs something that a pod does not have, or a values file cannot be read.
    fn new(ask: &UpgradeSpec, registry_secret: Option<&str>) -> Result<Self, JobError> {
        require_reachable(ask)?;
        let mut spec = ask.clone();
        spec.installation.cluster = ClusterAccess::default();
        let mut files = Vec::new();
        for flag in spec.crds_values.flags.iter_mut().chain(&mut spec.values.flags) {
            let ValueFlag::File(path) = flag else { return Err(JobError::ValueOnCommandLine) };
            let name = format!("{}.yaml", files.len());
            *path = move_to_pod(path, name, &mut files)?;
        }
        if let Some(path) = &mut spec.registry.ca_file {
            *path = move_to_pod(path, "registry-ca.crt".to_owned(), &mut files)?;
        }
        // The logins of this workstation are not printed: the pod has a Secret of its own.
        spec.registry.config = registry_secret.map(|_| Path::new(REGISTRY_DIR).join(REGISTRY_FILE));
        Ok(Self { spec, files })
    }
}

/// Refuses what only this workstation has.
fn require_reachable(ask: &UpgradeSpec) -> Result<(), JobError> {
    let is_remote = |chart: &ChartRef| matches!(chart, ChartRef::Oci { .. });
    let local = [
        (!is_remote(&ask.app.chart), "--chart"),
        (!is_remote(&ask.crds.chart), "--crds-chart"),
        (ask.appliance.bundle.is_some(), "--bundle"),
        (!ask.helm_options.to_post_renderer_args().is_empty(), "--post-renderer"),
    ];
    match local.iter().find(|(is_local, _)| *is_local) {
        None => Ok(()),
        Some((_, flag)) => Err(JobError::LocalFile { flag }),
    }
}

/// Reads a file of this workstation, and returns its path in the pod.
fn move_to_pod(path: &Path, name: String, files: &mut Vec<(String, String)>) -> Result<PathBuf, JobError> {
    let content =
        std::fs::read_to_string(path).map_err(|source| JobError::Unreadable { file: path.to_owned(), source })?;
    let in_pod = Path::new(VALUES_DIR).join(&name);
    files.push((name, content));
    Ok(in_pod)
}

/// `upgrade --to … --yes …`: the image starts `kubectl mural`.
fn list_args(spec: &UpgradeSpec, timeout: &str) -> Vec<String> {
    let command = spec.upgrade_command();
    let added = ["--timeout", timeout, "--wait-for-lock", WAIT_FOR_LOCK, "--events", "json", "--yes"];
    command.into_iter().skip_while(|word| word != "upgrade").chain(added.map(str::to_owned)).collect()
}

/// `mural-upgrade-1-1-0-rc-3`. A Job cannot change, so every target has its own name.
fn default_name(ask: &UpgradeSpec) -> String {
    let targets = [&ask.app, &ask.crds];
    let version =
        targets.iter().find_map(|target| target.version.as_ref()).map(ToString::to_string).unwrap_or_default();
    let dashed = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' };
    let mut name: String = format!("mural-upgrade-{version}").chars().map(dashed).collect();
    name.truncate(MAX_NAME_LENGTH);
    name.trim_end_matches('-').to_owned()
}
