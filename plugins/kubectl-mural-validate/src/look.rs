//! One reading of one cluster, and what the checks say of it.

use jiff::Timestamp;
use mural::ask::expect::Expect;
use mural::ask::{Installation, RegistryAccess};
use mural::checks::seen::Seen;
use mural::checks::validate::{self, Check};
use mural::cli::env;
use mural::cluster::{Cluster, look, vitals};
use mural::model::check::Section;
use mural::model::inventory::Named;
use mural::model::owner::Owner;
use mural::model::tools::ToolsSeen;
use mural::model::view::{ClusterView, NotSeen};
use mural::model::vitals::Vitals;
use mural::problem::Problem;
use mural::report::validate::ValidateReport;
use mural::tools::find::{self, Hints};
use mural::tools::helm::Helm;
use mural::tools::kubectl::Kubectl;

use crate::charts;
use crate::job::Job;

/// All that was read of one cluster.
pub(crate) struct Looked {
    pub(crate) installation: Installation,
    pub(crate) view: ClusterView,
    pub(crate) vitals: Vitals,
    pub(crate) named: Named,
    pub(crate) expect: Expect,
}

impl Looked {
    /// Whether neither release is there.
    pub(crate) fn nothing_here(&self) -> bool {
        self.view.owners.values().all(|owner| *owner == Owner::Nobody)
    }

    /// What these checks say.
    pub(crate) fn judged(&self, tools: &ToolsSeen, checks: &[&Check], now: Timestamp) -> ValidateReport {
        let pair = (&self.view, &self.vitals);
        let seen = Seen::new(&self.installation, pair, &self.named, tools, &self.expect, now);
        ValidateReport::new(&self.view, validate::run(&seen, checks)).with_timeline(&self.view, &self.vitals)
    }
}

/// Reads what these checks need.
pub(crate) async fn see(job: &Job, installation: &Installation, checks: &[&Check]) -> Result<Looked, Problem> {
    let cluster = Cluster::connect(&installation.cluster).await?;
    let view = look::look(&cluster, installation).await?;
    let expect = charts::expected(job, installation, &cluster, &view).await?;
    let named = Named::of(&view, installation.releases(), expect.chart_crds());
    let vitals = vitals::look(&cluster, &view, &named, &validate::parts(checks)).await;
    Ok(Looked { installation: installation.clone(), view, vitals, named, expect })
}

/// Where neither release is: what was looked for, and what is there instead.
pub(crate) async fn instead(installation: &Installation) -> String {
    let Installation { namespace, crds_release, app_release, .. } = installation;
    let found = match Cluster::connect(&installation.cluster).await {
        Ok(cluster) => look::installed(&cluster, &[crds_release, app_release]).await.map_err(|error| error.to_string()),
        Err(problem) => Err(problem.to_string()),
    };
    let instead = match found {
        Ok(found) if found.is_empty() => "helm has neither in any namespace".to_owned(),
        Ok(found) => format!("helm has {}", found.into_iter().collect::<Vec<_>>().join(", ")),
        Err(reason) => format!("what is elsewhere cannot be seen: {reason}"),
    };
    format!("looked for {app_release} and {crds_release} in namespace {namespace} and found neither; {instead}\n")
}

/// helm as these flags call it.
pub(crate) fn helm(installation: &Installation, registry: RegistryAccess) -> Result<Helm, Problem> {
    let program = find::helm(&hints())?;
    Ok(Helm { program, cluster: installation.cluster.clone(), registry, namespace: installation.namespace.clone() })
}

fn hints() -> Hints {
    Hints { helm: env("HELM_BIN"), kubectl: env("KUBECTL_PATH") }
}

/// The two programs' versions. A missing program is no reason not to look at the cluster: the checks say so.
///
/// Where no chosen check asks for them, nothing is started.
pub(crate) async fn tools(job: &Job) -> ToolsSeen {
    let unseen =
        |what: &str, reason: &dyn std::fmt::Display| NotSeen { what: what.to_owned(), reason: reason.to_string() };
    let installation = &job.installation;
    if !job.checks.iter().any(|check| check.card.section == Section::Tools) {
        let nobody = |what: &str| Err(unseen(what, &"nobody asked for it"));
        return ToolsSeen { helm: nobody("helm's version"), kubectl: nobody("kubectl's version") };
    }
    let helm = async {
        let helm =
            helm(installation, RegistryAccess::default()).map_err(|problem| unseen("helm's version", &problem))?;
        helm.version().await.map_err(|error| unseen("helm's version", &error))
    };
    let kubectl = async {
        let program = find::kubectl(&hints()).map_err(|problem| unseen("kubectl's version", &problem))?;
        let kubectl = Kubectl { program, cluster: installation.cluster.clone() };
        kubectl.version().await.map_err(|error| unseen("kubectl's version", &error))
    };
    let (helm, kubectl) = tokio::join!(helm, kubectl);
    ToolsSeen { helm, kubectl }
}
