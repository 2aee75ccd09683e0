//! The flags of `helm mural crds fit`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::ChartFlags;
use crate::cli::StyleFlags;

/// The formats of `fit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FitFormat {
    /// Text: the problems and the counts.
    Table,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
    /// GitHub workflow commands: one annotation per problem.
    Github,
}

/// The flags of `helm mural crds fit`.
#[derive(Debug, Args)]
pub struct FitFlags {
    /// The chart with the CRDs; a file or folder of CRDs needs no helm.
    #[command(flatten)]
    pub chart: ChartFlags,
    /// File or folder of manifests to check; repeatable. Objects of other kinds are counted.
    #[arg(long, value_name = "PATH", required = true)]
    pub objects: Vec<PathBuf>,
    /// API server version whose rules apply, for example 1.35. Default: the newest known version.
    #[arg(long, value_name = "VERSION")]
    pub server_version: Option<String>,
    /// Exit with code 4 if an object would lose fields.
    #[arg(long)]
    pub strict: bool,
    /// List every problem.
    #[arg(long)]
    pub all: bool,
    /// Output format.
    #[arg(short = 'o', long, value_enum, default_value = "table", value_name = "FORMAT")]
    pub output: FitFormat,
    /// Colour and marks.
    #[command(flatten)]
    pub style: StyleFlags,
}
