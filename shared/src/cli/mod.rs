//! The edge that the plugins share (feature `cli`): flags that mean the same everywhere, the environment, the streams.

pub mod complete;
pub mod confirmation;
pub mod crds;
pub mod environment;
pub mod explain;
pub mod files;
pub mod parse_args;
pub mod progress_output;
pub mod prompt;
pub mod report_format;
pub mod run_limits;
pub mod runtime;
pub mod signals;
pub mod upgrade;
pub mod validate;

use std::ffi::{OsStr, OsString};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use crate::ask::{self, ClusterAccess, ConnectionVariables};
use crate::model::proxy::ProxySettings;
use crate::problem::{Exit, Problem};
use crate::report::problem_text::render_problem;
use crate::report::style::Style;
use crate::tools::helm_driver::{self, UnsupportedDriver};

/// How the cluster is reached: kubectl's own flags.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Cluster, as kubectl reads them")]
pub struct ClusterFlags {
    /// Path of the kubeconfig file.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig context to use.
    #[arg(long, value_name = "NAME", add = complete::context_candidates())]
    pub context: Option<String>,
    /// User to impersonate.
    #[arg(long = "as", value_name = "USER")]
    pub impersonate: Option<String>,
    /// Group to impersonate; may be given several times.
    #[arg(long = "as-group", value_name = "GROUP", requires = "impersonate")]
    pub impersonate_groups: Vec<String>,
    /// How long one request to the API server may take, like 30s or 1m.
    #[arg(long, value_name = "DURATION")]
    pub request_timeout: Option<String>,
}

impl ClusterFlags {
    /// The flags, validated.
    ///
    /// # Errors
    /// `--request-timeout` is not a duration, or `HELM_DRIVER` names a storage that is not supported.
    pub fn to_access(&self) -> Result<ClusterAccess, Problem> {
        require_readable_releases()?;
        let timeout = self.request_timeout.as_deref().map(|text| ask::parse_duration("--request-timeout", text));
        Ok(ClusterAccess {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            impersonate: self.impersonate.clone(),
            impersonate_groups: self.impersonate_groups.clone(),
            request_timeout: timeout.transpose()?,
            kube_cache: None,
            variables: read_connection_variables(),
        })
    }
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How text looks.
#[derive(Debug, Clone, Copy, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct StyleFlags {
    /// When to colour.
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
    /// Plain ASCII marks: ok, warn, FAIL.
    #[arg(long)]
    pub ascii: bool,
}

/// The forms that every answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For a person.
    Table,
    /// For a program.
    Json,
    /// For a program, or a person with patience.
    Yaml,
}

impl OutputFormat {
    /// An answer in this form.
    ///
    /// # Errors
    /// The value cannot be written in it.
    pub fn render<T: serde::Serialize>(self, value: &T, table: impl FnOnce() -> String) -> Result<String, Problem> {
        let unwritable = || Problem::failure("cannot write the answer");
        match self {
            Self::Table => Ok(table()),
            Self::Json => serde_json::to_string_pretty(value)
                .map(|text| text + "\n")
                .map_err(|error| unwritable().with_source(error)),
            Self::Yaml => crate::model::yaml::write(value).map_err(|error| unwritable().with_source(error)),
        }
    }
}

/// Which stream text is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output: the answer.
    Stdout,
    /// Standard error: the talk.
    Stderr,
}

impl Stream {
    /// Whether a person looks at it.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Stdout => std::io::stdout().is_terminal(),
            Self::Stderr => std::io::stderr().is_terminal(),
        }
    }

    /// How wide the terminal is; none where it is none.
    fn columns(self) -> Option<usize> {
        let terminal = match self {
            Self::Stdout => console::Term::stdout(),
            Self::Stderr => console::Term::stderr(),
        };
        terminal.size_checked().map(|(_, columns)| usize::from(columns))
    }

    /// Writes to it. A closed pipe (`| head`) is the reader's choice and no failure of ours.
    pub fn write(self, text: &str) {
        let _ = match self {
            Self::Stdout => std::io::stdout().lock().write_all(text.as_bytes()),
            Self::Stderr => std::io::stderr().lock().write_all(text.as_bytes()),
        };
    }
}

/// Shows text for a person: part of the answer, unless the answer is for a program.
pub fn show_to_operator(text: &str, output: OutputFormat) {
    match output {
        OutputFormat::Table => Stream::Stdout.write(text),
        OutputFormat::Json | OutputFormat::Yaml => Stream::Stderr.write(text),
    }
}

/// A variable of the environment; an empty one counts as unset.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the edge: the environment is read here and handed in")]
pub fn env_var(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Refuses a `HELM_DRIVER` whose releases we cannot read.
///
/// # Errors
/// The driver is not `secret`.
pub fn require_readable_releases() -> Result<(), UnsupportedDriver> {
    helm_driver::require_secrets(env_var("HELM_DRIVER").as_deref().map(OsStr::to_string_lossy).as_deref())
}

/// The variables that decide how the API server is reached.
#[must_use]
pub fn read_connection_variables() -> ConnectionVariables {
    let kubeconfig_files = match env_var("KUBECONFIG") {
        Some(list) => std::env::split_paths(&list).filter(|file| !file.as_os_str().is_empty()).collect(),
        None => env_var("HOME").map(|home| Path::new(&home).join(".kube/config")).into_iter().collect(),
    };
    let proxies = ProxySettings::from_variables(|name| env_var(name).and_then(|value| value.into_string().ok()));
    ConnectionVariables { kubeconfig_files, proxies }
}

/// How text may look on a stream.
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
    Style { colour, ascii: flags.ascii || is_not_utf8, width: columns.clamp(60, 200) }
}

/// Tells what clap found; help and version are answers, everything else is wrong usage.
#[must_use]
pub fn report_clap_error(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { Exit::Usage.code() } else { Exit::Success.code() })
}

/// The exit code of a command; a problem is told on standard error first.
#[must_use]
pub fn report_result(result: Result<Exit, Problem>, flags: StyleFlags) -> ExitCode {
    let exit = result.unwrap_or_else(|problem| {
        Stream::Stderr.write(&render_problem(&problem, style_for(Stream::Stderr, flags)));
        problem.exit
    });
    ExitCode::from(exit.code())
}
