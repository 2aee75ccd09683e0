//! Connects to the cluster and the tools, and reads the Leases and the journal before everything else.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::ask::{HelmOptions, Installation, SessionSpec, UpgradeSpec};
use crate::cluster::{Cluster, journal_secret};
use crate::model::cluster_view::{ClusterView, Observed};
use crate::model::health_inputs::HealthInputs;
use crate::model::known_secrets::Secrets;
use crate::model::lease::{HeldLock, HolderIdentity};
use crate::model::tool_versions::{MIN_HELM_VERSION, MIN_KUBECTL_VERSION, ToolVersions};
use crate::plan::journal::JournalSnapshot;
use crate::prepare::lease_watcher;
use crate::prepare::lease_watcher::LeaseWatcher;
use crate::prepare::prepared::{Environment, Session};
use crate::problem::{Exit, Explain, Problem};
use crate::report::event::Emit;
use crate::tools::error::ToolError;
use crate::tools::helm::Helm;
use crate::tools::kubectl::Kubectl;
use crate::tools::private_files::create_private_dir;

/// The connection to the cluster and the tools, with the Leases and the journal.
pub(crate) struct Connection {
    pub(crate) cluster: Cluster,
    pub(crate) helm: Helm,
    pub(crate) kubectl: Kubectl,
    pub(crate) tools: ToolVersions,
    pub(crate) lease_watcher: LeaseWatcher,
    pub(crate) locks: Observed<Vec<HeldLock>>,
    pub(crate) journal: Observed<JournalSnapshot>,
    pub(crate) env: Environment,
    pub(crate) private_dir: TempDir,
}

impl Connection {
    /// The private folder of this run.
    pub(crate) fn private(&self) -> &Path {
        self.private_dir.path()
    }

    /// The session that the run gets, once everything is read.
    pub(crate) fn into_session(
        self,
        installation: &Installation,
        view: ClusterView,
        health_inputs: Option<HealthInputs>,
        secrets: Secrets,
    ) -> Session {
        let Self { cluster, helm, kubectl, tools, mut lease_watcher, env, private_dir, .. } = self;
        lease_watcher.identity = complete_identity(lease_watcher.identity, installation, &view);
        let installation = installation.clone();
        Session {
            installation,
            cluster,
            helm,
            kubectl,
            tools,
            view,
            health_inputs,
            secrets,
            lease_watcher,
            env,
            private_dir,
        }
    }
}

/// The input of every stage of an upgrade.
pub(crate) struct UpgradeContext<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) ask: &'a UpgradeSpec,
    pub(crate) view: &'a ClusterView,
    pub(crate) emit: Emit<'a>,
}

/// Connects, and requires tools that are new enough.
///
/// # Errors
/// helm, kubectl or the cluster do not answer, a tool is too old, or another run holds a Lease for too long.
pub(crate) async fn connect(spec: &SessionSpec<'_>, env: Environment, emit: Emit<'_>) -> Result<Connection, Problem> {
    let private_dir = create_private_dir()?;
    let (helm, kubectl) = build_tools(spec, &env);
    let (tools, cluster) = tokio::join!(
        check_tool_versions(&helm, &kubectl, spec.helm_options),
        Cluster::connect(&spec.installation.cluster)
    );
    let (tools, cluster) = (tools?, cluster?);
    let mut lease_watcher = LeaseWatcher::new(env.identity.clone(), env.local_locks.clone());
    let namespace = &spec.installation.namespace;
    // First of all: another run may be changing what the next reads would return.
    let locks =
        lease_watcher::wait_or_read_locks(&mut lease_watcher, &cluster, namespace, env.mode.lock_wait(), emit).await?;
    // After the Leases: a live run may still write its journal until then.
    let journal = journal_secret::read_journal(&cluster, namespace).await;
    Ok(Connection { cluster, helm, kubectl, tools, lease_watcher, locks, journal, env, private_dir })
}

/// The identity of this run, with facts of the cluster and the flags.
fn complete_identity(ours: HolderIdentity, installation: &Installation, view: &ClusterView) -> HolderIdentity {
    let installation = format!("{}/{}", installation.namespace, installation.app_release);
    HolderIdentity { installation, server_user: view.cluster.user.clone().unwrap_or_default(), ..ours }
}

fn build_tools(spec: &SessionSpec<'_>, env: &Environment) -> (Helm, Kubectl) {
    let cluster = spec.installation.cluster.clone();
    let helm = Helm {
        program: env.programs.helm.clone(),
        cluster: cluster.clone(),
        registry: spec.registry.clone(),
        namespace: spec.installation.namespace.clone(),
    };
    (helm, Kubectl { program: env.programs.kubectl.clone(), cluster })
}

/// A tool is older than any version that is tested.
#[derive(Debug, thiserror::Error)]
#[error("{name} {version} ({}) is too old", .program.display())]
struct OutdatedTool {
    name: &'static str,
    version: String,
    program: PathBuf,
    oldest: String,
}

impl Explain for OutdatedTool {
    fn exit(&self) -> Exit {
        Exit::MissingTool
    }

    fn hints(&self) -> Vec<String> {
        vec![format!("install {} {} or newer, and put it first on PATH", self.name, self.oldest)]
    }
}

/// Both versions, before anything that an old version does not support.
async fn check_tool_versions(helm: &Helm, kubectl: &Kubectl, passed: &HelmOptions) -> Result<ToolVersions, Problem> {
    let (helm_version, kubectl_version) = tokio::join!(helm.read_version(), kubectl.read_version());
    let failed = |name: &str, error: ToolError| {
        error
            .into_failure(format!("the version of {name} cannot be read"))
            .with_hint(format!("check that {name} version works"))
    };
    let found = (
        helm_version.map_err(|error| failed("helm", error))?,
        kubectl_version.map_err(|error| failed("kubectl", error))?,
    );
    let minimum_versions = [
        ("helm", &found.0, MIN_HELM_VERSION, &helm.program),
        ("kubectl", &found.1, MIN_KUBECTL_VERSION, &kubectl.program),
    ];
    for (name, version, oldest, program) in minimum_versions {
        if *version < oldest {
            let (version, program) = (version.to_string(), program.clone());
            return Err(OutdatedTool { name, version, program, oldest: oldest.to_string() }.into());
        }
    }
    passed.check_supported_by(&found.0)?;
    Ok(ToolVersions { helm: Ok(found.0), kubectl: Ok(found.1) })
}
