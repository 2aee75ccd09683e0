//! The list of all health checks of `kubectl mural validate`, in the order of the report.
//!
//! Also owns the section names of `--only` and `--skip`, and which reads a selection of checks needs.

use std::collections::BTreeSet;

use super::{cluster, flux, ownership, releases, restarts, spokes, tenants, tools, webhooks, workloads};
use crate::checks::check_context::CheckContext;
use crate::checks::crd_health;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{CheckResult, Section};
use crate::model::health_inputs::ReadScope;
use crate::problem::suggest::UnknownCheck;
use crate::problem::{Exit, Explain};

macro_rules! checks {
    ($($area:ident :: $name:ident),* $(,)?) => {
        [$($area::$name::CHECK),*]
    };
}

/// Every health check, in the order of the report.
pub static HEALTH_CHECKS: [HealthCheck; 55] = checks![
    tools::helm_version,
    tools::kubectl_version,
    tools::kubectl_skew,
    cluster::server_version,
    cluster::namespace_exists,
    ownership::owner_detected,
    ownership::owner_consistent,
    releases::release_present,
    releases::release_deployed,
    releases::release_version,
    releases::release_record_size,
    releases::release_manifest_served,
    releases::release_objects_present,
    releases::release_workloads,
    releases::release_upgrade_deletions,
    releases::release_values,
    releases::release_chart_digest,
    crd_health::crd_present,
    crd_health::crd_established,
    crd_health::crd_names_accepted,
    crd_health::crd_structural,
    crd_health::crd_stored_versions,
    crd_health::crd_terminating,
    crd_health::crd_matches_chart,
    crd_health::crd_schema_served,
    crd_health::crd_objects_fit,
    crd_health::crd_version_in_use,
    crd_health::crd_in_two_charts,
    crd_health::crd_foreign_owner,
    flux::flux_controllers_ready,
    flux::flux_suspended,
    flux::flux_source_ready,
    flux::flux_source_version,
    flux::flux_release_ready,
    flux::flux_revision,
    flux::flux_release_crds_policy,
    flux::flux_depends_on,
    workloads::workload_present,
    workloads::workload_ready,
    workloads::workload_scaled,
    workloads::rollout_held,
    workloads::pod_failing,
    workloads::pvc_bound,
    workloads::job_failed,
    workloads::restarts_since_upgrade,
    workloads::pod_unmanaged,
    webhooks::webhook_service,
    webhooks::webhook_endpoints,
    webhooks::webhook_ca,
    webhooks::webhook_deadlock,
    spokes::managed_cluster_available,
    spokes::agent_lease,
    spokes::hub_and_spoke_ready,
    tenants::tenant_role_drift,
    restarts::restart_required,
];

/// The sections by their name on the command line.
pub const SECTIONS: [(&str, Section); 11] = [
    ("tools", Section::Tools),
    ("cluster", Section::Cluster),
    ("ownership", Section::Ownership),
    ("releases", Section::Releases),
    ("crds", Section::Crds),
    ("flux", Section::Flux),
    ("workloads", Section::Workloads),
    ("webhooks", Section::Webhooks),
    ("spokes", Section::Spokes),
    ("tenants", Section::Tenants),
    ("restarts", Section::Restarts),
];

/// Why `--only` and `--skip` select nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// No check and no section has this name.
    #[error(transparent)]
    Unknown(#[from] UnknownCheck),
    /// Every selected check is skipped.
    #[error("--only and --skip leave no check")]
    Empty,
}

impl Explain for SelectionError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Unknown(error) => error.hints(),
            Self::Empty => vec!["run `kubectl mural validate --list-checks` to list all checks".to_owned()],
        }
    }
}

/// Selects the checks for `--only` and `--skip`; both accept ids and sections. Without `--only`, all checks are selected.
///
/// # Errors
/// A usage error: an unknown name (its hints show similar ones), or no check is left.
pub fn select_checks(only: &[String], skip: &[String]) -> Result<Vec<&'static HealthCheck>, SelectionError> {
    for (flag, name) in only.iter().map(|name| ("--only", name)).chain(skip.iter().map(|name| ("--skip", name))) {
        if !HEALTH_CHECKS.iter().any(|check| has_name(check, name)) {
            return Err(UnknownCheck::new(flag, name, selectable_names()).into());
        }
    }
    let among = |names: &[String], check: &HealthCheck| names.iter().any(|name| has_name(check, name));
    let wanted = |check: &&HealthCheck| (only.is_empty() || among(only, check)) && !among(skip, check);
    let chosen: Vec<&'static HealthCheck> = HEALTH_CHECKS.iter().filter(wanted).collect();
    if chosen.is_empty() {
        return Err(SelectionError::Empty);
    }
    Ok(chosen)
}

fn has_name(check: &HealthCheck, name: &str) -> bool {
    check.card.id == name || SECTIONS.iter().any(|(text, section)| *text == name && *section == check.card.section)
}

fn selectable_names() -> impl Iterator<Item = &'static str> {
    HEALTH_CHECKS.iter().map(|check| check.card.id).chain(SECTIONS.iter().map(|(name, _)| *name))
}

/// The reads that these checks need in addition to the first snapshot.
#[must_use]
pub fn read_scopes(checks: &[&HealthCheck]) -> BTreeSet<ReadScope> {
    checks.iter().flat_map(|check| check.reads).copied().collect()
}

/// Whether time alone can resolve what the check with this id has found.
#[must_use]
pub fn is_transient(check: &str, managed_by_flux: bool) -> bool {
    HEALTH_CHECKS.iter().any(|one| one.card.id == check && one.is_transient(managed_by_flux))
}

/// Runs the selected checks, in the order of the list.
#[must_use]
pub fn run_checks(context: &CheckContext<'_>, checks: &[&HealthCheck]) -> Vec<CheckResult> {
    checks.iter().map(|check| (check.run)(context)).collect()
}
