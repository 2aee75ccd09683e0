//! Where this program meets its surroundings: helm's environment, the streams, the terminal.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use mural::ask::{ClusterAccess, RegistryAccess};
use mural::problem::{Exit, Problem};
use mural::report::style::{Mark, Style, harmless};
use mural::tools::find::{self, Hints};

use crate::flags::Output;

/// What helm hands over: its own flags, as environment.
pub(crate) struct Around {
    /// How the cluster is reached.
    pub(crate) cluster: ClusterAccess,
    /// The installation's namespace.
    pub(crate) namespace: String,
    /// helm's registry configuration file.
    pub(crate) registry_config: Option<PathBuf>,
    helm: Option<OsString>,
}

#[expect(clippy::disallowed_methods, reason = "this is the edge: the environment is read here and handed in")]
fn env(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn text(name: &str) -> Option<String> {
    env(name).and_then(|value| value.into_string().ok())
}

impl Around {
    /// Reads it.
    pub(crate) fn read() -> Self {
        // `default` cannot be told from unset: it counts as unset, and the output names the namespace used.
        let namespace = text("HELM_NAMESPACE").filter(|name| name != "default");
        let groups = text("HELM_KUBEASGROUPS").unwrap_or_default();
        Self {
            cluster: ClusterAccess {
                kubeconfig: None,
                context: text("HELM_KUBECONTEXT"),
                impersonate: text("HELM_KUBEASUSER"),
                impersonate_groups: groups.split(',').filter(|group| !group.is_empty()).map(str::to_owned).collect(),
                request_timeout: None,
            },
            namespace: namespace.unwrap_or_else(|| "mural-system".to_owned()),
            registry_config: env("HELM_REGISTRY_CONFIG").map(PathBuf::from),
            helm: env("HELM_BIN"),
        }
    }

    /// The helm that called us, or the one on PATH.
    pub(crate) fn helm(&self) -> Result<PathBuf, Problem> {
        find::helm(&Hints { helm: self.helm.clone(), kubectl: None })
    }

    /// How the registry is reached.
    pub(crate) fn registry(&self, plain_http: bool, ca_file: Option<PathBuf>) -> RegistryAccess {
        RegistryAccess { plain_http, ca_file, config: self.registry_config.clone() }
    }
}

/// Runs to the end on a runtime of its own.
pub(crate) fn block_on<F: Future<Output = Result<Exit, Problem>>>(work: F) -> Result<Exit, Problem> {
    tokio::runtime::Runtime::new().map_err(|error| Problem::failed("cannot start").because(error))?.block_on(work)
}

/// Tells what clap found; help and version are answers, everything else is wrong usage.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { Exit::Usage.code() } else { Exit::Fine.code() })
}

/// How the answer may look.
pub(crate) fn style() -> Style {
    let colour = std::io::stdout().is_terminal() && env("NO_COLOR").is_none();
    Style { colour, ..Style::PLAIN }
}

/// Writes the answer in the form asked for.
pub(crate) fn answer<T: serde::Serialize>(
    value: &T,
    output: Output,
    table: impl FnOnce() -> String,
) -> Result<(), Problem> {
    let unwritable = || Problem::failed("cannot write the answer");
    let text = match output {
        Output::Table => table(),
        Output::Json => serde_json::to_string_pretty(value).map_err(|error| unwritable().because(error))? + "\n",
        Output::Yaml => mural::model::yaml::write(value).map_err(|error| unwritable().because(error))?,
    };
    // A closed pipe (`| head`) is the reader's choice and no failure of ours.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    Ok(())
}

/// Tells a problem: what, why, what next.
pub(crate) fn tell(problem: &Problem) -> Exit {
    let style = Style { colour: std::io::stderr().is_terminal() && env("NO_COLOR").is_none(), ..Style::PLAIN };
    let mut text = format!("{} {}\n", style.mark(Mark::Fail), harmless(&problem.message));
    for cause in problem.causes() {
        text.push_str(&format!("  because  {}\n", harmless(&cause)));
    }
    for hint in &problem.hints {
        text.push_str(&format!("  {} {}\n", style.arrow(), harmless(hint)));
    }
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
    problem.exit
}
