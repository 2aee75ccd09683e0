//! The first reading: tools, locks, the journal, and then everything at once.

use std::path::Path;

use tempfile::TempDir;

use crate::ask::{Ask, HelmOptions};
use crate::cluster::{Cluster, journal, look};
use crate::model::flux::FluxView;
use crate::model::lease::{Claim, LockSeen};
use crate::model::tools::{OLDEST_HELM, OLDEST_KUBECTL, ToolsSeen};
use crate::model::view::{ClusterView, Looked, NotSeen};
use crate::plan::journal::JournalSeen;
use crate::prepare::lease_watcher;
use crate::prepare::lease_watcher::Turn;
use crate::prepare::stage::Stage;
use crate::prepare::{Surroundings, private_folder};
use crate::prepare::{render, values};
use crate::problem::{Exit, Problem};
use crate::report::event::Emit;
use crate::tools::chart::Fetched;
use crate::tools::error::ToolError;
use crate::tools::helm::Helm;
use crate::tools::kubectl::Kubectl;

/// What stands before the first reading.
pub(crate) struct Begun {
    pub(crate) helm: Helm,
    pub(crate) kubectl: Kubectl,
    pub(crate) tools: ToolsSeen,
    pub(crate) cluster: Cluster,
    pub(crate) turn: Turn,
    pub(crate) locks: Looked<Vec<LockSeen>>,
    pub(crate) journal: Looked<JournalSeen>,
}

/// Values files that can be read, tools that fit, a cluster, and who holds its locks.
pub(crate) async fn begin(ask: &Ask, around: &Surroundings, emit: Emit<'_>) -> Result<Begun, Problem> {
    values::check_files(&ask.values)?;
    let (helm, kubectl) = programs(ask, around);
    let (tools, cluster) =
        tokio::join!(versions(&helm, &kubectl, &ask.helm), Cluster::connect(&ask.installation.cluster));
    let (tools, cluster) = (tools?, cluster?);
    let mut turn = Turn::new(around.claim.clone(), around.workstation.clone());
    // Before anything is read: what somebody is changing right now would be read in vain.
    let locks =
        lease_watcher::first_look(&mut turn, &cluster, &ask.installation.namespace, around.wait_for_lock, emit).await?;
    // After the locks: what a run that lives writes meanwhile would be read too early.
    let journal = journal::look(&cluster, &ask.installation.namespace).await;
    Ok(Begun { helm, kubectl, tools, cluster, turn, locks, journal })
}

/// What one look at everything gives.
pub(crate) struct First {
    pub(crate) view: ClusterView,
    pub(crate) charts: (Option<Fetched>, Option<Fetched>),
    /// The uid of `kube-system` as helm sees it, and as kubectl does.
    pub(crate) sees: (Looked<String>, Looked<String>),
}

#[expect(clippy::too_many_arguments, reason = "one reading of everything, asked for in one place")]
pub(crate) async fn look_at(
    cluster: &Cluster,
    helm: &Helm,
    kubectl: &Kubectl,
    ask: &Ask,
    flux: FluxView,
    private: &Path,
    around: &Surroundings,
    emit: Emit<'_>,
) -> Result<First, Problem> {
    let stage = Stage::begin(emit, "look", "the cluster, the releases, the charts");
    // A cluster that cannot be read ends this at once, and is told before a chart that cannot be had.
    let rest = async {
        Ok(tokio::join!(
            render::fetch_both(helm, ask, private, around.helm_registry_config.as_deref()),
            helm.cluster_uid(private),
            kubectl.cluster_uid(),
        ))
    };
    let (view, (charts, helm_sees, kubectl_sees)) =
        tokio::try_join!(look::look_with(cluster, &ask.installation, std::future::ready(flux)), rest)?;
    let charts = charts?;
    stage.done(looked(&view));
    let sees = |who: &str, uid: Result<String, ToolError>| uid.map_err(|error| not_seen(who, &error));
    Ok(First { view, charts, sees: (sees("helm", helm_sees), sees("kubectl", kubectl_sees)) })
}

/// One look at everything, where no chart is needed.
pub(crate) struct Bare {
    pub(crate) helm: Helm,
    pub(crate) kubectl: Kubectl,
    pub(crate) tools: ToolsSeen,
    pub(crate) cluster: Cluster,
    pub(crate) turn: Turn,
    pub(crate) locks: Looked<Vec<LockSeen>>,
    pub(crate) journal: Looked<JournalSeen>,
    pub(crate) view: ClusterView,
    pub(crate) helm_sees: Looked<String>,
    pub(crate) kubectl_sees: Looked<String>,
    pub(crate) private: TempDir,
}

/// Looks.
///
/// # Errors
/// As [`prepare`].
pub(crate) async fn bare(ask: &Ask, around: &Surroundings, emit: Emit<'_>) -> Result<Bare, Problem> {
    let private = private_folder()?;
    let Begun { helm, kubectl, tools, cluster, mut turn, locks, journal } = begin(ask, around, emit).await?;
    let stage = Stage::begin(emit, "look", "the cluster, the releases, the journal");
    let (view, helm_sees, kubectl_sees) =
        tokio::join!(look::look(&cluster, &ask.installation), helm.cluster_uid(private.path()), kubectl.cluster_uid(),);
    let view = view?;
    stage.done(looked(&view));
    turn.claim = claim(turn.claim, ask, &view);
    let sees = |who: &str, uid: Result<String, ToolError>| uid.map_err(|error| not_seen(who, &error));
    let (helm_sees, kubectl_sees) = (sees("helm", helm_sees), sees("kubectl", kubectl_sees));
    Ok(Bare { helm, kubectl, tools, cluster, turn, locks, journal, view, helm_sees, kubectl_sees, private })
}

/// Who we are, with what only the cluster and the flags can tell.
pub(crate) fn claim(ours: Claim, ask: &Ask, view: &ClusterView) -> Claim {
    let installation = format!("{}/{}", ask.installation.namespace, ask.installation.app_release);
    Claim { installation, as_user: view.hub.user.clone().unwrap_or_default(), ..ours }
}

fn programs(ask: &Ask, around: &Surroundings) -> (Helm, Kubectl) {
    let cluster = ask.installation.cluster.clone();
    let helm = Helm {
        program: around.programs.helm.clone(),
        cluster: cluster.clone(),
        registry: ask.registry.clone(),
        namespace: ask.installation.namespace.clone(),
    };
    (helm, Kubectl { program: around.programs.kubectl.clone(), cluster })
}

/// Both versions, before anything is asked of them that an old one does not know.
async fn versions(helm: &Helm, kubectl: &Kubectl, passed: &HelmOptions) -> Result<ToolsSeen, Problem> {
    let (helm_version, kubectl_version) = tokio::join!(helm.version(), kubectl.version());
    let failed = |name: &str, error: ToolError| {
        error.problem(format!("{name} does not tell its version")).hint(format!("does {name} version work by itself?"))
    };
    let found = (
        helm_version.map_err(|error| failed("helm", error))?,
        kubectl_version.map_err(|error| failed("kubectl", error))?,
    );
    let asked =
        [("helm", &found.0, OLDEST_HELM, &helm.program), ("kubectl", &found.1, OLDEST_KUBECTL, &kubectl.program)];
    for (name, version, oldest, program) in asked {
        if *version < oldest {
            return Err(Problem::new(Exit::Refused, format!("{name} {version} ({}) is too old", program.display()))
                .hint(format!("install {name} {oldest} or newer and put it first on PATH")));
        }
    }
    passed.known_to(&found.0)?;
    Ok(ToolsSeen { helm: Ok(found.0), kubectl: Ok(found.1) })
}

fn not_seen(who: &str, error: &ToolError) -> NotSeen {
    NotSeen { what: "namespace kube-system".to_owned(), reason: format!("{who}: {error}") }
}

fn looked(view: &ClusterView) -> String {
    let crds: Looked<usize> = view.crds.as_ref().map(std::collections::BTreeMap::len).map_err(Clone::clone);
    let crds = crds.map_or_else(|not_seen| not_seen.to_string(), |count| format!("{count} CRDs"));
    format!("{} {}, {crds}", view.hub.context, view.hub.version)
}
