//! helm's global flags, which helm passes to a plugin as environment variables, below the flags of `kubectl mural crds`.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::ask::{self, ClusterAccess, IdentitySource, RegistryAccess};
use crate::cli::crds::flags::CrdsClusterFlags;
use crate::cli::in_cluster::use_service_account;
use crate::cli::{env_text, env_var, read_connection_variables};
use crate::problem::Problem;
use crate::tools::program_paths::{self, MissingProgram, ProgramHints};

/// The API server's limit for the name of a namespace, in characters.
const MAX_NAMESPACE_LENGTH: usize = 63;

/// The values of helm's global flags.
pub(crate) struct HelmEnv {
    /// Access to the cluster.
    pub(crate) cluster: ClusterAccess,
    /// Namespace of the installation.
    pub(crate) namespace: String,
    /// helm's registry configuration file, with the logins.
    pub(crate) registry_config: Option<PathBuf>,
    helm_bin: Option<OsString>,
}

impl HelmEnv {
    /// Reads the environment variables. A flag wins over its variable. In a pod without a kubeconfig, the access is
    /// the pod's ServiceAccount.
    ///
    /// # Errors
    /// A usage error if `--request-timeout` is not a duration or the namespace is no name; or the kubeconfig for the ServiceAccount cannot
    /// be written.
    pub(crate) fn read(flags: &CrdsClusterFlags) -> Result<Self, Problem> {
        // helm sets `default` if the flag is missing, so `default` counts as unset. The output shows the namespace in use.
        let namespace = env_text("HELM_NAMESPACE").filter(|name| name != "default");
        let namespace = match &flags.namespace {
            Some(name) => Some(ask::parse_name("--namespace", name, MAX_NAMESPACE_LENGTH)?),
            None => namespace,
        };
        let groups = env_text("HELM_KUBEASGROUPS").unwrap_or_default();
        let groups: Vec<String> = groups.split(',').filter(|group| !group.is_empty()).map(str::to_owned).collect();
        let timeout = flags.request_timeout.as_deref().map(ask::parse_request_timeout).transpose()?;
        Ok(Self {
            cluster: use_service_account(ClusterAccess {
                kubeconfig: flags.kubeconfig.clone(),
                context: flags.context.clone().or_else(|| env_text("HELM_KUBECONTEXT")),
                impersonate: flags.impersonate.clone().or_else(|| env_text("HELM_KUBEASUSER")),
                impersonate_groups: if flags.impersonate_groups.is_empty() {
                    groups
                } else {
                    flags.impersonate_groups.clone()
                },
                request_timeout: timeout,
                kube_cache: None,
                variables: read_connection_variables(),
                identity: IdentitySource::default(),
            })?,
            namespace: namespace.unwrap_or_else(|| ask::DEFAULT_NAMESPACE.to_owned()),
            registry_config: env_var("HELM_REGISTRY_CONFIG").map(PathBuf::from),
            helm_bin: env_var("HELM_BIN"),
        })
    }

    /// The helm program that called the plugin, or the one on `PATH`.
    pub(crate) fn find_helm(&self) -> Result<PathBuf, MissingProgram> {
        program_paths::find_helm(&ProgramHints { helm: self.helm_bin.clone(), kubectl: None })
    }

    /// Access to the registry.
    pub(crate) fn registry_access(&self, plain_http: bool, ca_file: Option<PathBuf>) -> RegistryAccess {
        RegistryAccess { plain_http, ca_file, config: self.registry_config.clone() }
    }
}
