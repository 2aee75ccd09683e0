//! helm's own flags: values, access to the registry, and options that helm gets unchanged.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::value_flags::{CrdsValueFlags, ValueFlags};

/// The values of both releases, exactly as helm reads them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Values (same as helm)")]
pub struct ReleaseValueFlags {
    /// The application's values.
    #[command(flatten)]
    pub given: ValueFlags,
    /// The CRD chart's values.
    #[command(flatten)]
    pub crds: CrdsValueFlags,
    /// Reuse the values of the release and merge the given values over them.
    #[arg(long, conflicts_with_all = ["reset_values", "reset_then_reuse_values"])]
    pub reuse_values: bool,
    /// Reset the values to the defaults of the chart, then merge the given values over them.
    #[arg(long, conflicts_with = "reset_then_reuse_values")]
    pub reset_values: bool,
    /// Reset the values to the defaults of the new chart, then merge the release's values and the given values over them.
    #[arg(long)]
    pub reset_then_reuse_values: bool,
}

/// Access to the registry.
#[derive(Debug, Args)]
#[command(next_help_heading = "Registry (same as helm)")]
pub struct RegistryFlags {
    /// Use HTTP instead of HTTPS.
    #[arg(long)]
    pub plain_http: bool,
    /// CA certificate that verifies the registry.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// helm's registry configuration file, with the logins.
    #[arg(long, value_name = "FILE", env = "HELM_REGISTRY_CONFIG")]
    pub registry_config: Option<PathBuf>,
    /// Skip the image check, for example if only the nodes reach the registry.
    #[arg(long, env = "MURAL_SKIP_IMAGES", value_parser = clap::builder::BoolishValueParser::new())]
    pub skip_images: bool,
}

/// Options that helm gets unchanged. An option that the installed helm does not support is refused.
#[derive(Debug, Args)]
#[command(next_help_heading = "Passed to helm")]
pub struct HelmFlags {
    /// Let helm take over existing objects, also those of another release.
    #[arg(long)]
    pub take_ownership: bool,
    /// Post-renderer for the application: an executable (helm 3) or the name of a plugin (helm 4).
    #[arg(long, value_name = "PROGRAM")]
    pub post_renderer: Option<String>,
    /// Argument of the post-renderer; repeatable.
    #[arg(long, value_name = "ARGUMENT", requires = "post_renderer", allow_hyphen_values = true)]
    pub post_renderer_args: Vec<String>,
    /// Do not run hooks.
    #[arg(long)]
    pub no_hooks: bool,
    /// Maximum number of revisions of each release; 0 means no limit.
    #[arg(long, value_name = "COUNT")]
    pub history_max: Option<u32>,
    /// Use server-side apply (helm 4).
    #[arg(long, value_enum, value_name = "MODE")]
    pub server_side: Option<ServerSideFlag>,
    /// Take over fields of other field managers (helm 4).
    #[arg(long)]
    pub force_conflicts: bool,
}

/// The values of `--server-side`.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ServerSideFlag {
    /// Use the method of the previous revision.
    Auto,
    /// Use server-side apply.
    True,
    /// Use client-side apply.
    False,
}
