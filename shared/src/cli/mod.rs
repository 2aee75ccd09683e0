//! The command lines of the plugins (feature `cli`).
//!
//! Input: arguments, environment variables and the terminal. Output: one report on standard output, progress on standard
//! error, and an exit code. Each command has a folder (`upgrade`, `validate`, `crds`); the shared flags and the streams are
//! here. This is the only folder that reads the environment and writes to the terminal.

mod argument_order;
mod boot_identity;
pub mod build_version;
pub mod command_error;
pub mod complete;
pub mod confirmation;
pub mod crds;
pub mod environment;
pub mod explain;
pub mod files;
pub mod help_text;
pub mod in_cluster;
pub mod man_pages;
pub mod parse_args;
pub mod progress_output;
pub mod prompt;
pub mod report_format;
pub mod run_limits;
mod run_result;
pub mod runtime;
pub mod signals;
#[cfg(test)]
mod tests;
pub mod upgrade;
pub mod validate;
pub mod value_flags;
pub mod verbose;

use std::ffi::{OsStr, OsString};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use report_format::ReportFormat;

use crate::ask::{self, ClusterAccess, ConnectionVariables, IdentitySource};
use crate::model::proxy::ProxySettings;
use command_error::CommandError;

use crate::problem::{Exit, Problem};
use crate::report::problem_text::render_problem;
use crate::report::style::{Listing, Style};
use crate::tools::helm_driver::{self, UnsupportedDriver};

/// Access to the cluster: the flags of kubectl.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Cluster (same as kubectl)")]
pub struct ClusterFlags {
    /// Path to the kubeconfig file.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Name of the kubeconfig context to use.
    #[arg(long, value_name = "NAME", add = complete::context_candidates())]
    pub context: Option<String>,
    /// User to impersonate.
    #[arg(long = "as", value_name = "USER")]
    pub impersonate: Option<String>,
    /// Group to impersonate; repeatable.
    #[arg(long = "as-group", value_name = "GROUP", requires = "impersonate")]
    pub impersonate_groups: Vec<String>,
    /// Time limit for one request to the API server, for example 30s or 1m.
    #[arg(long, value_name = "DURATION")]
    pub request_timeout: Option<String>,
}

impl ClusterFlags {
    /// Validates the flags and adds the environment variables for the connection. In a pod without a kubeconfig, the access is
    /// the pod's ServiceAccount.
    ///
    /// # Errors
    /// A usage error if `--request-timeout` is not a duration or `HELM_DRIVER` is not supported.
    pub fn to_access(&self) -> Result<ClusterAccess, Problem> {
        require_readable_releases()?;
        let timeout = self.request_timeout.as_deref().map(ask::parse_request_timeout);
        in_cluster::use_service_account(ClusterAccess {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            impersonate: self.impersonate.clone(),
            impersonate_groups: self.impersonate_groups.clone(),
            request_timeout: timeout.transpose()?,
            kube_cache: None,
            variables: read_connection_variables(),
            identity: IdentitySource::default(),
        })
    }
}

/// The values of `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Color {
    /// Use color on a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always use color.
    Always,
    /// Never use color.
    Never,
}

/// Colour and marks of text output.
#[derive(Debug, Clone, Copy, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct StyleFlags {
    /// Use color.
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
    /// Use ASCII marks: ok, warn, FAIL.
    #[arg(long)]
    pub ascii: bool,
    /// Show each request to the API server and each command of helm and kubectl on standard error. Secrets are masked.
    #[arg(short, long)]
    pub verbose: bool,
}

/// The output formats that every report supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// Text for the terminal.
    Table,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
}

impl OutputFormat {
    /// Renders a report in this format; `table` renders the text.
    ///
    /// # Errors
    /// The serialization failed.
    pub fn render<T: serde::Serialize>(
        self,
        value: &T,
        table: impl FnOnce() -> String,
    ) -> Result<String, CommandError> {
        match self {
            Self::Table => Ok(table()),
            Self::Json => serde_json::to_string_pretty(value).map(|text| text + "\n").map_err(CommandError::report),
            Self::Yaml => crate::model::yaml::write(value).map_err(CommandError::report),
        }
    }
}

/// A standard stream of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output: the report.
    Stdout,
    /// Standard error: progress, questions and errors.
    Stderr,
}

impl Stream {
    /// Whether the stream is a terminal.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Stdout => std::io::stdout().is_terminal(),
            Self::Stderr => std::io::stderr().is_terminal(),
        }
    }

    /// The width of the terminal in columns; `None` if the stream is not a terminal.
    fn columns(self) -> Option<usize> {
        let terminal = match self {
            Self::Stdout => console::Term::stdout(),
            Self::Stderr => console::Term::stderr(),
        };
        terminal.size_checked().map(|(_, columns)| usize::from(columns))
    }

    /// Writes text and ignores write errors, for example a closed pipe (`| head`).
    pub fn write(self, text: &str) {
        let _ = match self {
            Self::Stdout => std::io::stdout().lock().write_all(text.as_bytes()),
            Self::Stderr => std::io::stderr().lock().write_all(text.as_bytes()),
        };
    }
}

/// Shows text to the operator: on standard output, or on standard error if the report has another form than text.
pub fn show_to_operator(text: &str, output: ReportFormat) {
    let stream = if output.is_text() { Stream::Stdout } else { Stream::Stderr };
    stream.write(text);
}

/// An environment variable; an empty one counts as unset.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the only place that reads the environment")]
pub fn env_var(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// An environment variable that is UTF-8 text; an empty one counts as unset.
#[must_use]
pub fn env_text(name: &str) -> Option<String> {
    env_var(name).and_then(|value| value.into_string().ok())
}

/// Refuses a `HELM_DRIVER` that stores releases where the plugins do not read them.
///
/// # Errors
/// The driver is not supported.
pub fn require_readable_releases() -> Result<(), UnsupportedDriver> {
    helm_driver::require_secrets(env_var("HELM_DRIVER").as_deref().map(OsStr::to_string_lossy).as_deref())
}

/// Reads the variables for the connection to the API server: `KUBECONFIG`, `HOME` and the proxies.
#[must_use]
pub fn read_connection_variables() -> ConnectionVariables {
    let kubeconfig_files = match env_var("KUBECONFIG") {
        Some(list) => std::env::split_paths(&list).filter(|file| !file.as_os_str().is_empty()).collect(),
        None => env_var("HOME").map(|home| Path::new(&home).join(".kube/config")).into_iter().collect(),
    };
    let proxies = ProxySettings::from_variables(env_text);
    ConnectionVariables { kubeconfig_files, proxies }
}

/// The style for text on a stream: from the flags, `NO_COLOR`, `TERM`, the locale and the width of the terminal.
#[must_use]
pub fn style_for(stream: Stream, flags: StyleFlags) -> Style {
    let colour = match flags.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            stream.is_terminal() && env_var("NO_COLOR").is_none() && env_var("TERM").is_none_or(|term| term != "dumb")
        }
    };
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| env_var(name));
    let utf8 = |locale: &OsString| locale.to_string_lossy().to_ascii_lowercase().replace('-', "").contains("utf8");
    let is_not_utf8 = locale.is_some_and(|locale| !utf8(&locale));
    let columns_setting = env_var("COLUMNS").and_then(|columns| columns.to_str()?.parse().ok());
    let columns = columns_setting.or_else(|| stream.columns()).unwrap_or(Style::PLAIN.width);
    Style { colour, ascii: flags.ascii || is_not_utf8, width: columns.clamp(60, 200), listing: Listing::Short }
}

/// Prints the message of clap. `--help` and `--version` exit with 0, everything else is a usage error.
#[must_use]
pub fn report_clap_error(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        let _ = error.print();
    } else {
        let help = error.render();
        let has_colour = Stream::Stdout.is_terminal() && env_var("NO_COLOR").is_none();
        let text = if has_colour { help.ansi().to_string() } else { help.to_string() };
        Stream::Stdout.write(&help_text::fill_in(&text));
    }
    ExitCode::from(if error.use_stderr() { Exit::Usage.code() } else { Exit::Success.code() })
}

/// The exit code of a command. Writes an error to standard error first.
#[must_use]
pub fn report_result(result: Result<Exit, Problem>, flags: StyleFlags) -> ExitCode {
    let exit = result.unwrap_or_else(|problem| {
        Stream::Stderr.write(&render_problem(&problem, style_for(Stream::Stderr, flags)));
        problem.exit
    });
    ExitCode::from(exit.code())
}
