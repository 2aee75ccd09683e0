//! The validated request of the operator: installation, charts, values, access and options.
//!
//! `cli` builds these types from flags; every other folder reads them. Names, chart references and durations are already
//! valid here. Nothing in this folder reads the environment, files or the cluster.

mod backup_mode;
mod command_line;
mod duration;
pub mod expect;
mod helm_options;
pub mod usage_error;
pub mod waivers;

use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ask::usage_error::UsageError;
use crate::ask::waivers::Waivers;
use crate::model::chart::ChartRef;
use crate::model::chart_version::ChartVersion;
use crate::model::proxy::ProxySettings;
use crate::model::release_role::ReleaseRole;
use crate::model::secret::Hidden;
use crate::model::signature::SignatureRequirements;

pub use backup_mode::BackupMode;
pub use command_line::{
    DEFAULT_APP_CHART, DEFAULT_APP_RELEASE, DEFAULT_CRDS_CHART, DEFAULT_CRDS_RELEASE, DEFAULT_NAMESPACE,
    has_hidden_value, join_command,
};
pub use duration::{parse_duration, parse_request_timeout};
pub use helm_options::{HelmOptions, ServerSide};

/// Access to the cluster: the flags of kubectl.
#[derive(Debug, Clone, Default)]
pub struct ClusterAccess {
    /// `--kubeconfig`
    pub kubeconfig: Option<PathBuf>,
    /// `--context`
    pub context: Option<String>,
    /// `--as`
    pub impersonate: Option<String>,
    /// `--as-group`
    pub impersonate_groups: Vec<String>,
    /// `--request-timeout`
    pub request_timeout: Option<Duration>,
    /// `KUBECACHEDIR` for helm and kubectl, the folder of their discovery cache; `None` leaves their default.
    pub kube_cache: Option<PathBuf>,
    /// The environment variables that kubectl and helm also read.
    pub variables: ConnectionVariables,
    /// Where the identity comes from.
    pub identity: IdentitySource,
}

/// Where the identity of the connection comes from.
#[derive(Debug, Clone, Default)]
pub enum IdentitySource {
    /// The operator's kubeconfig.
    #[default]
    Kubeconfig,
    /// The ServiceAccount of the pod. The kubeconfig that was written for it exists as long as this value.
    ServiceAccount(Arc<dyn Any + Send + Sync>),
}

impl IdentitySource {
    /// Whether the process runs in a pod, as its ServiceAccount.
    #[must_use]
    pub const fn is_service_account(&self) -> bool {
        matches!(self, Self::ServiceAccount(_))
    }
}

/// Environment variables for the connection to the API server.
#[derive(Debug, Clone, Default)]
pub struct ConnectionVariables {
    /// The kubeconfig files without `--kubeconfig`: those of `KUBECONFIG`, else `~/.kube/config`.
    pub kubeconfig_files: Vec<PathBuf>,
    /// `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`
    pub proxies: ProxySettings,
}

/// Access to a registry: the flags of helm.
#[derive(Debug, Clone, Default)]
pub struct RegistryAccess {
    /// `--plain-http`
    pub plain_http: bool,
    /// `--ca-file`
    pub ca_file: Option<PathBuf>,
    /// `--registry-config`
    pub config: Option<PathBuf>,
}

/// One value flag of helm. helm merges the flags of one kind in their order on the command line.
#[derive(Debug, Clone)]
pub enum ValueFlag {
    /// `-f`, `--values`
    File(PathBuf),
    /// `--set`
    Set(Hidden<String>),
    /// `--set-string`
    SetString(Hidden<String>),
    /// `--set-json`
    SetJson(Hidden<String>),
    /// `--set-file`
    SetFile(Hidden<String>),
}

/// The use of the values that the release stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoredValues {
    /// helm's default: reuse the stored values if there is no value flag, else reset them.
    #[default]
    HelmDefault,
    /// `--reuse-values`
    Reuse,
    /// `--reset-values`
    Reset,
    /// `--reset-then-reuse-values`
    ResetThenReuse,
}

/// The value options of a chart, exactly as helm gets them.
#[derive(Debug, Clone, Default)]
pub struct ValueOptions {
    /// The value flags.
    pub flags: Vec<ValueFlag>,
    /// The use of the stored values.
    pub stored: StoredValues,
}

impl ValueOptions {
    /// The given values laid over those that the release stores; without any, the stored ones stay as they are.
    #[must_use]
    pub fn over_stored(flags: Vec<ValueFlag>) -> Self {
        let stored = if flags.is_empty() { StoredValues::HelmDefault } else { StoredValues::ResetThenReuse };
        Self { flags, stored }
    }
}

/// A chart and the release that it is installed as.
#[derive(Debug, Clone)]
pub struct ReleaseTarget {
    /// The release's name.
    pub release: String,
    /// The reference of the chart.
    pub chart: ChartRef,
    /// The target version. `None` keeps the installed version of a registry chart; a local chart carries its own version.
    pub version: Option<ChartVersion>,
}

/// The required owner of the releases (`--mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OwnerMode {
    /// Every owner is accepted.
    #[default]
    Auto,
    /// `--mode helm`
    Helm,
    /// `--mode flux`
    Flux,
    /// `--mode appliance`
    Appliance,
}

/// An installation: its namespace, its releases and its cluster.
#[derive(Debug, Clone)]
pub struct Installation {
    /// The namespace.
    pub namespace: String,
    /// The release of the CRD chart.
    pub crds_release: String,
    /// The release of the application.
    pub app_release: String,
    /// Access to the cluster.
    pub cluster: ClusterAccess,
}

impl Installation {
    /// The names of both releases: the CRD chart's, then the application's.
    #[must_use]
    pub fn releases(&self) -> [&str; 2] {
        [&self.crds_release, &self.app_release]
    }

    /// The name of the release in this role.
    #[must_use]
    pub fn release(&self, role: ReleaseRole) -> &str {
        match role {
            ReleaseRole::Crds => &self.crds_release,
            ReleaseRole::App => &self.app_release,
        }
    }

    /// The role of a release of this installation; a name that is not the CRD chart's is the application's.
    #[must_use]
    pub fn role_of(&self, release: &str) -> ReleaseRole {
        if release == self.crds_release { ReleaseRole::Crds } else { ReleaseRole::App }
    }
}

/// Actions that an upgrade does only with an explicit flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AllowedActions {
    /// `--allow-downgrade`: install an older version of the two charts.
    pub downgrade: bool,
    /// `--allow-foreign-downgrade`: install older CRDs of other projects.
    pub foreign_downgrade: bool,
    /// `--keep-crds`: annotate CRDs that helm would delete with `helm.sh/resource-policy: keep`.
    pub keep_crds: bool,
    /// `--migrate`: first migrate objects that are stored in a version that a chart drops.
    #[serde(default)]
    pub migrate: bool,
    /// `--allow-field-loss`: stored objects may lose fields for good.
    #[serde(default)]
    pub field_loss: bool,
    /// `--allow-chart-change`: a release may be upgraded to a chart with another name.
    #[serde(default)]
    pub chart_change: bool,
    /// `--allow-removals`: helm may delete claims, namespaces, custom resources and all workloads of a release.
    #[serde(default)]
    pub removals: bool,
    /// `--allow-untried-conversion`: apply CRDs whose conversion webhook has a URL that the API server has not called yet.
    #[serde(default)]
    pub untried_conversion: bool,
    /// `--take-ownership`: let helm adopt objects that belong to no release.
    pub take_ownership: bool,
}

/// What one run writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UpgradeScope {
    /// The CRDs and both releases.
    #[default]
    Releases,
    /// The CRDs alone, with `helm mural crds apply`. No helm follows that writes CRDs from templates.
    CrdsOnly,
}

/// The registry and the content bundle of an appliance.
#[derive(Debug, Clone, Default)]
pub struct ApplianceAccess {
    /// `--registry-url`: the address of its registry as this machine reaches it.
    pub registry_url: Option<String>,
    /// `--bundle`: the content bundle.
    pub bundle: Option<PathBuf>,
}

/// The required Flux sources.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FluxSourceNames {
    /// `--crds-source`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crds: Option<String>,
    /// `--source`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
}

impl FluxSourceNames {
    /// Whether no source is required.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.crds.is_none() && self.app.is_none()
    }
}

/// The complete request for an upgrade.
#[derive(Debug, Clone)]
pub struct UpgradeSpec {
    /// The installation to upgrade.
    pub installation: Installation,
    /// The CRD chart.
    pub crds: ReleaseTarget,
    /// The application's chart.
    pub app: ReleaseTarget,
    /// The required owner of the releases.
    pub mode: OwnerMode,
    /// What the run writes.
    pub scope: UpgradeScope,
    /// The application's values.
    pub values: ValueOptions,
    /// The CRD chart's values.
    pub crds_values: ValueOptions,
    /// Access to the registry.
    pub registry: RegistryAccess,
    /// The limit for one wait.
    pub timeout: Duration,
    /// Actions that need an explicit flag.
    pub allowed_actions: AllowedActions,
    /// Whether to send dry-run requests to the API server: not with `--dry-run=client`.
    pub server_dry_runs: bool,
    /// Accepted CRD findings.
    pub waivers: Waivers,
    /// `--ignore`: paths whose differences the plan does not show.
    pub ignored_paths: Vec<String>,
    /// Whether to check that the registries have the application's images: not with `--skip-images`.
    pub check_images: bool,
    /// Options that helm gets unchanged.
    pub helm_options: HelmOptions,
    /// The registry and the content bundle of an appliance.
    pub appliance: ApplianceAccess,
    /// The required Flux sources.
    pub sources: FluxSourceNames,
    /// The required signatures of the charts.
    pub signature: SignatureRequirements,
}

impl UpgradeSpec {
    /// The part of the request that a session needs.
    #[must_use]
    pub const fn session_spec(&self) -> SessionSpec<'_> {
        SessionSpec { installation: &self.installation, registry: &self.registry, helm_options: &self.helm_options }
    }
}

/// The request for a repair: an installation, without charts and values.
#[derive(Debug, Clone)]
pub struct RepairSpec {
    /// The installation to repair.
    pub installation: Installation,
    /// The required owner of the releases.
    pub mode: OwnerMode,
    /// The limit for one wait.
    pub timeout: Duration,
}

/// The part of a request that a session with the cluster and the tools needs.
#[derive(Debug, Clone, Copy)]
pub struct SessionSpec<'a> {
    /// The installation and its cluster.
    pub installation: &'a Installation,
    /// Access to the registry.
    pub registry: &'a RegistryAccess,
    /// The operator's options for helm, some of which only a newer helm has.
    pub helm_options: &'a HelmOptions,
}

/// The location of an installation's journal. The journal contains the names of the releases.
#[derive(Debug, Clone)]
pub struct JournalLocation {
    /// The namespace of the installation.
    pub namespace: String,
    /// Access to the cluster.
    pub cluster: ClusterAccess,
}

impl UpgradeSpec {
    /// A request without flags: neither chart changes its version, and no registry is checked for images.
    #[must_use]
    pub fn new(installation: Installation, crds_chart: ChartRef, app_chart: ChartRef, timeout: Duration) -> Self {
        let target = |release: &str, chart| ReleaseTarget { release: release.to_owned(), chart, version: None };
        Self {
            crds: target(&installation.crds_release, crds_chart),
            app: target(&installation.app_release, app_chart),
            installation,
            mode: OwnerMode::Auto,
            scope: UpgradeScope::Releases,
            values: ValueOptions::default(),
            crds_values: ValueOptions::default(),
            registry: RegistryAccess::default(),
            timeout,
            allowed_actions: AllowedActions::default(),
            server_dry_runs: true,
            waivers: Waivers::default(),
            ignored_paths: Vec::new(),
            check_images: false,
            helm_options: HelmOptions::default(),
            appliance: ApplianceAccess::default(),
            sources: FluxSourceNames::default(),
            signature: SignatureRequirements::default(),
        }
    }
}

#[cfg(test)]
impl UpgradeSpec {
    /// A request that changes nothing.
    pub(crate) fn sample() -> Self {
        let chart = |release: &str| ChartRef::Oci { repository: format!("a.example/mural/{release}"), digest: None };
        let installation = Installation {
            namespace: "mural-system".to_owned(),
            crds_release: "mural-crds".to_owned(),
            app_release: "mural".to_owned(),
            cluster: ClusterAccess::default(),
        };
        Self::new(installation, chart("mural-crds"), chart("mural"), Duration::from_secs(60))
    }
}

/// Validates the name of a namespace or release: a DNS-1123 label with at most `longest` characters.
///
/// # Errors
/// A usage error with the flag and the rule.
pub fn parse_name(flag: &str, text: &str, longest: usize) -> Result<String, UsageError> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let edge = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = text.as_bytes();
    if edge(bytes.first()) && edge(bytes.last()) && bytes.iter().copied().all(inner) && bytes.len() <= longest {
        return Ok(text.to_owned());
    }
    Err(UsageError::Name { flag: flag.to_owned(), text: text.to_owned(), longest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_helm_and_the_server_refuse_are_refused_here() {
        assert!(parse_name("--release", "mural-crds", 53).is_ok());
        for bad in ["", "-x", "Mural", "a_b", "a-", &"a".repeat(54)] {
            assert!(parse_name("--release", bad, 53).is_err(), "{bad}");
        }
    }
}
