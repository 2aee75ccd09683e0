//! What the user wants, already validated: names are names, references are references, times are durations.

pub mod expect;
mod helm_options;
pub mod waivers;

use std::path::PathBuf;
use std::time::Duration;

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::ask::waivers::Waivers;
use crate::model::chart::ChartRef;
use crate::model::proxy::ProxySettings;
use crate::model::release_role::ReleaseRole;
use crate::model::secret::Hidden;
use crate::model::signature::SignatureRequirements;
use crate::problem::Problem;

pub use helm_options::{HelmOptions, ServerSide};

/// How the cluster is reached: kubectl's own flags.
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
    /// `$KUBECACHEDIR` of helm and kubectl, where they keep what the server told them; their own choice where there is none.
    pub kube_cache: Option<PathBuf>,
    /// The variables that kubectl and helm read too.
    pub variables: ConnectionVariables,
}

/// Environment variables that decide how the API server is reached.
#[derive(Debug, Clone, Default)]
pub struct ConnectionVariables {
    /// Where the kubeconfig is without `--kubeconfig`: the files of `KUBECONFIG`, else `~/.kube/config`.
    pub kubeconfig_files: Vec<PathBuf>,
    /// `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`
    pub proxies: ProxySettings,
}

/// How a registry is reached: helm's own flags.
#[derive(Debug, Clone, Default)]
pub struct RegistryAccess {
    /// `--plain-http`
    pub plain_http: bool,
    /// `--ca-file`
    pub ca_file: Option<PathBuf>,
    /// `--registry-config`
    pub config: Option<PathBuf>,
}

/// One of helm's value flags, in the order they were given: helm merges by that order within a kind.
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

/// What happens to the values that the release has now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoredValues {
    /// helm's own rule: kept where no value flag is given, else dropped.
    #[default]
    HelmDefault,
    /// `--reuse-values`
    Reuse,
    /// `--reset-values`
    Reset,
    /// `--reset-then-reuse-values`
    ResetThenReuse,
}

/// The values of the application, exactly as helm will get them.
#[derive(Debug, Clone, Default)]
pub struct ValueOptions {
    /// The value flags.
    pub flags: Vec<ValueFlag>,
    /// What happens to the stored ones.
    pub stored: StoredValues,
}

/// One chart and the release that it makes.
#[derive(Debug, Clone)]
pub struct ReleaseTarget {
    /// The release's name.
    pub release: String,
    /// Where the chart is.
    pub chart: ChartRef,
    /// The version wanted; `None` leaves a registry chart where it is, a local chart carries its own.
    pub version: Option<Version>,
}

/// Who is insisted on as owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OwnerMode {
    /// Whoever is found.
    #[default]
    Auto,
    /// `--mode helm`
    Helm,
    /// `--mode flux`
    Flux,
    /// `--mode appliance`
    Appliance,
}

/// Which installation, on which cluster.
#[derive(Debug, Clone)]
pub struct Installation {
    /// The namespace.
    pub namespace: String,
    /// The release of the CRD chart.
    pub crds_release: String,
    /// The release of the application.
    pub app_release: String,
    /// How the cluster is reached.
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

/// What an upgrade does only where it is told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AllowedActions {
    /// `--allow-downgrade`: our own charts may go back.
    pub downgrade: bool,
    /// `--allow-foreign-downgrade`: CRDs of other projects may go back.
    pub foreign_downgrade: bool,
    /// `--keep-crds`: what helm would delete is marked first.
    pub keep_crds: bool,
    /// `--migrate`: objects stored in a version that a chart drops are moved first.
    #[serde(default)]
    pub migrate: bool,
    /// `--allow-chart-change`: a release may be upgraded to a chart with another name.
    #[serde(default)]
    pub chart_change: bool,
    /// `--allow-removals`: helm may delete claims, namespaces, custom resources and all workloads of a release.
    #[serde(default)]
    pub removals: bool,
    /// `--take-ownership`: helm may take over objects that belong to no release.
    pub take_ownership: bool,
}

/// What is told of an appliance.
#[derive(Debug, Clone, Default)]
pub struct ApplianceAccess {
    /// `--registry-url`: where its registry is reachable from here.
    pub registry_url: Option<String>,
    /// `--bundle`: the content bundle.
    pub bundle: Option<PathBuf>,
}

/// Which sources are insisted on.
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
    /// Whether none is named.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.crds.is_none() && self.app.is_none()
    }
}

/// An upgrade.
#[derive(Debug, Clone)]
pub struct UpgradeSpec {
    /// Which installation.
    pub installation: Installation,
    /// The CRD chart.
    pub crds: ReleaseTarget,
    /// The application's chart.
    pub app: ReleaseTarget,
    /// Who is insisted on as owner.
    pub mode: OwnerMode,
    /// The application's values.
    pub values: ValueOptions,
    /// How the registry is reached.
    pub registry: RegistryAccess,
    /// The longest one wait may last.
    pub timeout: Duration,
    /// What is allowed besides.
    pub allowed_actions: AllowedActions,
    /// Whether the server may be asked for dry-runs: not with `--dry-run=client`.
    pub server_dry_runs: bool,
    /// Findings that somebody answers for.
    pub waivers: Waivers,
    /// Whether registries are asked for the application's images: not with `--skip-images`.
    pub check_images: bool,
    /// What goes to helm as it is.
    pub helm_options: HelmOptions,
    /// What is told of an appliance.
    pub appliance: ApplianceAccess,
    /// Which of Flux's sources are insisted on.
    pub sources: FluxSourceNames,
    /// What is asked of the charts' signatures.
    pub signature: SignatureRequirements,
}

impl UpgradeSpec {
    /// What connecting needs of it.
    #[must_use]
    pub const fn session_spec(&self) -> SessionSpec<'_> {
        SessionSpec { installation: &self.installation, registry: &self.registry, helm_options: &self.helm_options }
    }
}

/// A repair: no chart and no values.
#[derive(Debug, Clone)]
pub struct RepairSpec {
    /// The installation to repair.
    pub installation: Installation,
    /// The owner that the operator insists on.
    pub mode: OwnerMode,
    /// The longest that one wait may last.
    pub timeout: Duration,
}

/// What connecting to cluster and tools needs of a request.
#[derive(Debug, Clone, Copy)]
pub struct SessionSpec<'a> {
    /// The installation and how its cluster is reached.
    pub installation: &'a Installation,
    /// How the registry is reached.
    pub registry: &'a RegistryAccess,
    /// The operator's options for helm, some of which only a newer helm has.
    pub helm_options: &'a HelmOptions,
}

/// Where the journal of an installation is. The journal names the releases.
#[derive(Debug, Clone)]
pub struct JournalLocation {
    /// The namespace of the installation.
    pub namespace: String,
    /// How the cluster is reached.
    pub cluster: ClusterAccess,
}

impl UpgradeSpec {
    /// An upgrade of these charts as it is without a flag: neither chart changes its version, and no registry is asked for images.
    #[must_use]
    pub fn new(installation: Installation, crds_chart: ChartRef, app_chart: ChartRef, timeout: Duration) -> Self {
        let target = |release: &str, chart| ReleaseTarget { release: release.to_owned(), chart, version: None };
        Self {
            crds: target(&installation.crds_release, crds_chart),
            app: target(&installation.app_release, app_chart),
            installation,
            mode: OwnerMode::Auto,
            values: ValueOptions::default(),
            registry: RegistryAccess::default(),
            timeout,
            allowed_actions: AllowedActions::default(),
            server_dry_runs: true,
            waivers: Waivers::default(),
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
    /// What somebody could ask for: nothing moves.
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

/// Checks a name of a namespace or release: DNS-1123 label, as the API server and helm ask for.
///
/// # Errors
/// A usage problem that names the flag and the rule.
pub fn parse_name(flag: &str, text: &str, longest: usize) -> Result<String, Problem> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let edge = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = text.as_bytes();
    if edge(bytes.first()) && edge(bytes.last()) && bytes.iter().copied().all(inner) && bytes.len() <= longest {
        return Ok(text.to_owned());
    }
    Err(Problem::usage(format!("{flag} {text:?} is not a valid name")).with_hint(format!(
        "use lower-case letters, digits and '-', at most {longest}, beginning and ending with a letter or digit"
    )))
}

/// Reads a duration as kubectl and helm write it: `30s`, `5m`, `1h30m`, `0`.
///
/// # Errors
/// A usage problem that names the flag.
pub fn parse_duration(flag: &str, text: &str) -> Result<Duration, Problem> {
    let wrong =
        || Problem::usage(format!("{flag} {text:?} is not a duration")).with_hint("write it like 30s, 5m or 1h30m");
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let amount: u64 = rest.get(..digits).and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
        let after = rest.get(digits..).unwrap_or_default();
        let (unit_len, seconds) = match after {
            unit if unit.starts_with("ms") => (2, None),
            unit if unit.starts_with('h') => (1, Some(3600)),
            unit if unit.starts_with('m') => (1, Some(60)),
            unit if unit.starts_with('s') => (1, Some(1)),
            "" if rest == text => (0, Some(1)),
            _ => return Err(wrong()),
        };
        total +=
            seconds.map_or(Duration::from_millis(amount), |unit: u64| Duration::from_secs(amount.saturating_mul(unit)));
        rest = after.get(unit_len..).unwrap_or_default();
    }
    if text.is_empty() { Err(wrong()) } else { Ok(total) }
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

    #[test]
    fn durations_are_read_as_kubectl_writes_them() {
        assert_eq!(parse_duration("--timeout", "1h30m").unwrap(), Duration::from_secs(5400));
        assert_eq!(parse_duration("--timeout", "250ms").unwrap(), Duration::from_millis(250));
        assert_eq!(parse_duration("--timeout", "20").unwrap(), Duration::from_secs(20));
        for bad in ["", "m", "5x", "-5s", "5 m"] {
            assert!(parse_duration("--timeout", bad).is_err(), "{bad}");
        }
    }
}
