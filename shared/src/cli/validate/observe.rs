//! Reads one cluster once, and runs the checks on the result.

use crate::ask::expect::Expectations;
use crate::ask::{Installation, RegistryAccess};
use crate::checks::check_context::CheckContext;
use crate::checks::health_check::HealthCheck;
use crate::checks::health_checks;
use crate::cluster::{Cluster, health_reader, view_reader};
use crate::model::check::Section;
use crate::model::cluster_view::{ClusterView, ReadFailure};
use crate::model::health_inputs::HealthInputs;
use crate::model::known_secrets::{SecretSources, Secrets};
use crate::model::owner::Owner;
use crate::model::release_inventory::ReleaseInventory;
use crate::model::secret::Hidden;
use crate::model::tool_versions::ToolVersions;
use crate::problem::Problem;
use crate::report::validate::ValidateReport;
use crate::tools::kubectl::Kubectl;
use crate::tools::program_paths;
use jiff::Timestamp;
use serde_json::Value;

use crate::cli::validate::expected_charts;
use crate::cli::validate::operator_tools::{build_helm, read_program_hints};
use crate::cli::validate::validate_request::ValidateRequest;

/// Everything that the checks read from one cluster.
pub(crate) struct ClusterObservations {
    pub(crate) installation: Installation,
    pub(crate) view: ClusterView,
    pub(crate) health_inputs: HealthInputs,
    pub(crate) inventory: ReleaseInventory,
    pub(crate) expect: Expectations,
}

impl ClusterObservations {
    /// Whether neither release is installed.
    pub(crate) fn has_no_release(&self) -> bool {
        self.view.owners.values().all(|owner| *owner == Owner::NotInstalled)
    }

    /// Runs these checks and builds the report.
    pub(crate) fn judge(&self, tools: &ToolVersions, checks: &[&HealthCheck], now: Timestamp) -> ValidateReport {
        let pair = (&self.view, &self.health_inputs);
        let check_context = CheckContext::new(&self.installation, pair, &self.inventory, tools, &self.expect, now);
        ValidateReport::new(&self.view, health_checks::run_checks(&check_context, checks))
            .with_timeline(&self.view, &self.health_inputs)
            .with_time(now)
            .mask(&self.collect_secrets())
    }

    /// The secrets of the stored revisions and of the values that the installation is compared with.
    pub(crate) fn collect_secrets(&self) -> Secrets {
        let records: Vec<_> =
            self.view.releases.values().filter_map(|records| records.as_ref().ok()).flatten().collect();
        let stored = records.iter().filter_map(|record| record.manifest_objects().ok()).flatten();
        let objects: Vec<Value> = stored.chain(records.iter().flat_map(|record| record.hook_objects())).collect();
        let expected = self.expect.values.as_ref().map(Hidden::reveal);
        Secrets::collect(&SecretSources {
            values: records.iter().map(|record| record.config.reveal()).chain(expected).collect(),
            chart_values: records.iter().map(|record| record.chart_values.reveal()).collect(),
            objects: objects.iter().collect(),
        })
    }
}

/// Reads the cluster for these checks. Skips reads that no check needs.
pub(crate) async fn observe(
    request: &ValidateRequest,
    installation: &Installation,
    checks: &[&HealthCheck],
) -> Result<ClusterObservations, Problem> {
    let cluster = Cluster::connect(&installation.cluster).await?;
    let view = view_reader::read_cluster_view(&cluster, installation).await?;
    let expect = expected_charts::read_expected(request, installation, &cluster, &view).await?;
    let inventory = ReleaseInventory::of(&view, installation.releases(), expect.chart_crds());
    let health_inputs =
        health_reader::read_health_inputs(&cluster, &view, &inventory, &health_checks::read_scopes(checks)).await;
    Ok(ClusterObservations { installation: installation.clone(), view, health_inputs, inventory, expect })
}

/// The message for a namespace without the releases: the expected names, and the releases that helm has elsewhere.
pub(crate) async fn describe_other_releases(installation: &Installation) -> String {
    let Installation { namespace, crds_release, app_release, .. } = installation;
    let found = match Cluster::connect(&installation.cluster).await {
        Ok(cluster) => view_reader::find_installed_anywhere(&cluster, &[crds_release, app_release])
            .await
            .map_err(|error| error.to_string()),
        Err(problem) => Err(problem.to_string()),
    };
    let other_releases = match found {
        Ok(found) if found.is_empty() => "no namespace contains them".to_owned(),
        Ok(found) => format!("found {}", found.into_iter().collect::<Vec<_>>().join(", ")),
        Err(reason) => format!("the other namespaces could not be read: {reason}"),
    };
    format!("namespace {namespace} contains neither release {app_release} nor {crds_release}; {other_releases}\n")
}

/// The versions of helm and kubectl. A missing program is a finding of the checks, not an error.
///
/// Starts no program if no selected check needs the versions.
pub(crate) async fn read_tool_versions(request: &ValidateRequest) -> ToolVersions {
    let read_failure = |target: &str, reason: &dyn std::fmt::Display| ReadFailure {
        target: target.to_owned(),
        reason: reason.to_string(),
    };
    let installation = &request.installation;
    if !request.checks.iter().any(|check| check.card.section == Section::Tools) {
        let not_requested = |target: &str| Err(read_failure(target, &"no selected check needs it"));
        return ToolVersions { helm: not_requested("helm's version"), kubectl: not_requested("kubectl's version") };
    }
    let helm = async {
        let helm = build_helm(installation, RegistryAccess::default())
            .map_err(|problem| read_failure("helm's version", &problem))?;
        helm.read_version().await.map_err(|error| read_failure("helm's version", &error))
    };
    let kubectl = async {
        let program = program_paths::find_kubectl(&read_program_hints())
            .map_err(|problem| read_failure("kubectl's version", &problem))?;
        let kubectl = Kubectl { program, cluster: installation.cluster.clone() };
        kubectl.read_version().await.map_err(|error| read_failure("kubectl's version", &error))
    };
    let (helm, kubectl) = tokio::join!(helm, kubectl);
    ToolVersions { helm, kubectl }
}
