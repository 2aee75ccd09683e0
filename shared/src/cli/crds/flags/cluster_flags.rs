//! Access to the cluster as `kubectl mural crds` takes it.

use std::path::PathBuf;

use clap::Args;

use crate::cli::complete;

/// Access to the cluster as `kubectl mural crds` takes it. helm removes its own flags and passes them as environment variables.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Cluster (same as kubectl)")]
pub struct CrdsClusterFlags {
    /// Path to the kubeconfig file.
    #[arg(long, value_name = "FILE", global = true)]
    pub kubeconfig: Option<PathBuf>,
    /// Name of the kubeconfig context to use.
    #[arg(long, alias = "kube-context", value_name = "NAME", global = true, add = complete::context_candidates())]
    pub context: Option<String>,
    /// Namespace of the installation.
    #[arg(short = 'n', long, value_name = "NAME", global = true)]
    pub namespace: Option<String>,
    /// User to impersonate.
    #[arg(long = "as", alias = "kube-as-user", value_name = "USER", global = true)]
    pub impersonate: Option<String>,
    /// Group to impersonate; repeatable.
    #[arg(long = "as-group", alias = "kube-as-group", value_name = "GROUP", global = true)]
    pub impersonate_groups: Vec<String>,
    /// Time limit for one request to the API server, for example 30s or 1m.
    #[arg(long, value_name = "DURATION", global = true)]
    pub request_timeout: Option<String>,
}
