//! The first reading: tools, locks, the journal, and then everything at once.

use std::path::Path;

use tempfile::TempDir;

use crate::ask::{HelmOptions, UpgradeSpec};
use crate::cluster::{Cluster, journal_secret, view_reader};
use crate::model::cluster_view::{ClusterView, Observed, ReadFailure};
use crate::model::flux::FluxView;
use crate::model::lease::{HeldLock, HolderIdentity};
use crate::model::tool_versions::{MIN_HELM_VERSION, MIN_KUBECTL_VERSION, ToolVersions};
use crate::plan::journal::JournalSnapshot;
use crate::prepare::lease_watcher;
use crate::prepare::lease_watcher::LeaseWatcher;
use crate::prepare::stage::Stage;
use crate::prepare::{Environment, create_private_dir};
use crate::prepare::{next_values, render};
use crate::problem::{Exit, Problem};
use crate::report::event::Emit;
use crate::tools::chart_fetch::FetchedChart;
use crate::tools::error::ToolError;
use crate::tools::helm::Helm;
use crate::tools::kubectl::Kubectl;

/// What stands before the first reading.
pub(crate) struct Connection {
    pub(crate) helm: Helm,
    pub(crate) kubectl: Kubectl,
    pub(crate) tools: ToolVersions,
    pub(crate) cluster: Cluster,
    pub(crate) lease_watcher: LeaseWatcher,
    pub(crate) locks: Observed<Vec<HeldLock>>,
    pub(crate) journal: Observed<JournalSnapshot>,
}

/// Values files that can be read, tools that fit, a cluster, and who holds its locks.
pub(crate) async fn connect(ask: &UpgradeSpec, env: &Environment, emit: Emit<'_>) -> Result<Connection, Problem> {
    next_values::check_files(&ask.values)?;
    let (helm, kubectl) = build_tools(ask, env);
    let (tools, cluster) = tokio::join!(
        check_tool_versions(&helm, &kubectl, &ask.helm_options),
        Cluster::connect(&ask.installation.cluster)
    );
    let (tools, cluster) = (tools?, cluster?);
    let mut turn = LeaseWatcher::new(env.identity.clone(), env.local_locks.clone());
    // Before anything is read: what somebody is changing right now would be read in vain.
    let locks =
        lease_watcher::wait_or_read_locks(&mut turn, &cluster, &ask.installation.namespace, env.wait_for_lock, emit)
            .await?;
    // After the locks: what a run that lives writes meanwhile would be read too early.
    let journal = journal_secret::read_journal(&cluster, &ask.installation.namespace).await;
    Ok(Connection { helm, kubectl, tools, cluster, lease_watcher: turn, locks, journal })
}

/// What one look at everything gives.
pub(crate) struct Inventory {
    pub(crate) view: ClusterView,
    pub(crate) charts: (Option<FetchedChart>, Option<FetchedChart>),
    /// The uid of `kube-system` as helm sees it, and as kubectl does.
    pub(crate) cluster_uids: (Observed<String>, Observed<String>),
}

#[expect(clippy::too_many_arguments, reason = "one reading of everything, asked for in one place")]
pub(crate) async fn read_inventory(
    cluster: &Cluster,
    helm: &Helm,
    kubectl: &Kubectl,
    ask: &UpgradeSpec,
    flux: FluxView,
    private: &Path,
    env: &Environment,
    emit: Emit<'_>,
) -> Result<Inventory, Problem> {
    let stage = Stage::begin(emit, "look", "the cluster, the releases, the charts");
    // A cluster that cannot be read ends this at once, and is told before a chart that cannot be had.
    let rest = async {
        Ok(tokio::join!(
            render::fetch_both(helm, ask, private, env.helm_registry_config.as_deref()),
            helm.read_cluster_uid(private),
            kubectl.read_cluster_uid(),
        ))
    };
    let (view, (charts, helm_cluster_uid, kubectl_cluster_uid)) = tokio::try_join!(
        view_reader::read_cluster_view_with(cluster, &ask.installation, std::future::ready(flux)),
        rest
    )?;
    let charts = charts?;
    stage.finish(summarize_view(&view));
    let to_observed = |who: &str, uid: Result<String, ToolError>| uid.map_err(|error| to_read_failure(who, &error));
    Ok(Inventory {
        view,
        charts,
        cluster_uids: (to_observed("helm", helm_cluster_uid), to_observed("kubectl", kubectl_cluster_uid)),
    })
}

/// One look at everything, where no chart is needed.
pub(crate) struct Session {
    pub(crate) helm: Helm,
    pub(crate) kubectl: Kubectl,
    pub(crate) tools: ToolVersions,
    pub(crate) cluster: Cluster,
    pub(crate) lease_watcher: LeaseWatcher,
    pub(crate) locks: Observed<Vec<HeldLock>>,
    pub(crate) journal: Observed<JournalSnapshot>,
    pub(crate) view: ClusterView,
    pub(crate) helm_cluster_uid: Observed<String>,
    pub(crate) kubectl_cluster_uid: Observed<String>,
    pub(crate) private_dir: TempDir,
}

/// Looks.
///
/// # Errors
/// As [`prepare`].
pub(crate) async fn open_session(ask: &UpgradeSpec, env: &Environment, emit: Emit<'_>) -> Result<Session, Problem> {
    let private = create_private_dir()?;
    let Connection { helm, kubectl, tools, cluster, mut lease_watcher, locks, journal } =
        connect(ask, env, emit).await?;
    let stage = Stage::begin(emit, "look", "the cluster, the releases, the journal");
    let (view, helm_cluster_uid, kubectl_cluster_uid) = tokio::join!(
        view_reader::read_cluster_view(&cluster, &ask.installation),
        helm.read_cluster_uid(private.path()),
        kubectl.read_cluster_uid(),
    );
    let view = view?;
    stage.finish(summarize_view(&view));
    lease_watcher.identity = complete_identity(lease_watcher.identity, ask, &view);
    let to_observed = |who: &str, uid: Result<String, ToolError>| uid.map_err(|error| to_read_failure(who, &error));
    let (helm_cluster_uid, kubectl_cluster_uid) =
        (to_observed("helm", helm_cluster_uid), to_observed("kubectl", kubectl_cluster_uid));
    Ok(Session {
        helm,
        kubectl,
        tools,
        cluster,
        lease_watcher,
        locks,
        journal,
        view,
        helm_cluster_uid,
        kubectl_cluster_uid,
        private_dir: private,
    })
}

/// Who we are, with what only the cluster and the flags can tell.
pub(crate) fn complete_identity(ours: HolderIdentity, ask: &UpgradeSpec, view: &ClusterView) -> HolderIdentity {
    let installation = format!("{}/{}", ask.installation.namespace, ask.installation.app_release);
    HolderIdentity { installation, server_user: view.cluster.user.clone().unwrap_or_default(), ..ours }
}

fn build_tools(ask: &UpgradeSpec, env: &Environment) -> (Helm, Kubectl) {
    let cluster = ask.installation.cluster.clone();
    let helm = Helm {
        program: env.programs.helm.clone(),
        cluster: cluster.clone(),
        registry: ask.registry.clone(),
        namespace: ask.installation.namespace.clone(),
    };
    (helm, Kubectl { program: env.programs.kubectl.clone(), cluster })
}

/// Both versions, before anything is asked of them that an old one does not know.
async fn check_tool_versions(helm: &Helm, kubectl: &Kubectl, passed: &HelmOptions) -> Result<ToolVersions, Problem> {
    let (helm_version, kubectl_version) = tokio::join!(helm.read_version(), kubectl.read_version());
    let failed = |name: &str, error: ToolError| {
        error
            .into_problem(format!("{name} does not tell its version"))
            .with_hint(format!("does {name} version work by itself?"))
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
            return Err(Problem::new(Exit::Refused, format!("{name} {version} ({}) is too old", program.display()))
                .with_hint(format!("install {name} {oldest} or newer and put it first on PATH")));
        }
    }
    passed.check_supported_by(&found.0)?;
    Ok(ToolVersions { helm: Ok(found.0), kubectl: Ok(found.1) })
}

fn to_read_failure(who: &str, error: &ToolError) -> ReadFailure {
    ReadFailure { target: "namespace kube-system".to_owned(), reason: format!("{who}: {error}") }
}

fn summarize_view(view: &ClusterView) -> String {
    let crds: Observed<usize> = view.crds.as_ref().map(std::collections::BTreeMap::len).map_err(Clone::clone);
    let crds = crds.map_or_else(|failure| failure.to_string(), |count| format!("{count} CRDs"));
    format!("{} {}, {crds}", view.cluster.context, view.cluster.version)
}
