//! Where this program meets its surroundings: environment, terminal, streams, signals, clock.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use mural::checks::guards;
use mural::problem::{Exit, Problem};
use mural::report::style::{Mark, Style, harmless};
use mural::run::prepare::Surroundings;
use mural::tools::find::{self, Hints};
use mural::tools::spawn::Stop;

use crate::flags::{Color, MannerFlags, Output, RegistryFlags};

/// Which stream text is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output.
    Answer,
    /// Standard error.
    Error,
}

/// Runs to the end on a runtime of its own.
pub(crate) fn block_on<F: Future<Output = Result<Exit, Problem>>>(work: F) -> Result<Exit, Problem> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Problem::failed("cannot start").because(error))?;
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    result
}

/// Tells what clap found; help and version are answers, everything else is wrong usage.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { Exit::Usage.code() } else { Exit::Fine.code() })
}

#[expect(clippy::disallowed_methods, reason = "this is the edge: the environment is read here and handed in")]
fn env(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// How text may look on a stream.
pub(crate) fn style(flags: &MannerFlags, stream: Stream) -> Style {
    let terminal = match stream {
        Stream::Answer => std::io::stdout().is_terminal(),
        Stream::Error => std::io::stderr().is_terminal(),
    };
    let colour = match flags.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => terminal && env("NO_COLOR").is_none() && env("TERM").is_none_or(|term| term != "dumb"),
    };
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| env(name));
    let poor =
        locale.is_some_and(|locale| !locale.to_string_lossy().to_ascii_lowercase().replace('-', "").contains("utf8"));
    let width = env("COLUMNS").and_then(|columns| columns.to_str()?.parse().ok()).unwrap_or(100usize);
    Style { colour, ascii: flags.ascii || poor, width: width.clamp(60, 200) }
}

/// What the environment gives.
pub(crate) fn surroundings(registry: &RegistryFlags) -> Result<Surroundings, Problem> {
    let programs = find::programs(&Hints { helm: env("HELM_BIN"), kubectl: env("KUBECTL_PATH") })?;
    let home = env("HELM_CONFIG_HOME").map(PathBuf::from).or_else(|| {
        let config = env("XDG_CONFIG_HOME").map(PathBuf::from);
        config.or_else(|| env("HOME").map(|home| Path::new(&home).join(".config"))).map(|config| config.join("helm"))
    });
    let helm_registry_config =
        registry.registry_config.clone().or_else(|| home.map(|home| home.join("registry/config.json")));
    let run = jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S").to_string();
    Ok(Surroundings { programs, helm_registry_config, run })
}

/// Asks to stop on the first Ctrl-C or SIGTERM.
pub(crate) fn on_signals(stop: &Stop) {
    let stop = stop.clone();
    tokio::spawn(async move {
        let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
        match terminate {
            Ok(mut terminate) => {
                tokio::select! {
                    _ = tokio::signal::ctrl_c() => {}
                    _ = terminate.recv() => {}
                }
            }
            Err(_) => drop(tokio::signal::ctrl_c().await),
        }
        stop.ask();
        let _ = writeln!(std::io::stderr().lock(), "\nstopping at the next safe point");
    });
}

/// Whether there is a person to ask.
pub(crate) fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks whether to go ahead.
pub(crate) fn ask_to_go_ahead() -> Result<bool, Problem> {
    let asked = || -> std::io::Result<String> {
        let mut stderr = std::io::stderr().lock();
        write!(stderr, "\nGo ahead? [y/N] ")?;
        stderr.flush()?;
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line)?;
        Ok(line)
    };
    let line = asked().map_err(|error| Problem::failed("cannot ask").because(error))?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

/// Shows text for a person: part of the answer, unless the answer is for a program.
pub(crate) fn show(text: &str, output: Output) {
    match output {
        Output::Table => answer(text),
        Output::Json | Output::Yaml => {
            let _ = std::io::stderr().lock().write_all(text.as_bytes());
        }
    }
}

/// Writes the answer.
pub(crate) fn answer(text: &str) {
    // A closed pipe (`| head`) is the reader's choice and no failure of ours.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// The report as JSON.
pub(crate) fn json<T: serde::Serialize>(report: &T) -> Result<String, Problem> {
    serde_json::to_string_pretty(report)
        .map(|text| text + "\n")
        .map_err(|error| Problem::failed("cannot write the report").because(error))
}

/// The report as YAML.
pub(crate) fn yaml<T: serde::Serialize>(report: &T) -> Result<String, Problem> {
    mural::model::yaml::write(report).map_err(|error| Problem::failed("cannot write the report").because(error))
}

/// Keeps the report in a file, whole or not at all.
pub(crate) fn write_report(file: &Path, text: &str) -> Result<(), Problem> {
    let failed =
        |error: std::io::Error| Problem::failed(format!("cannot write the report {}", file.display())).because(error);
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let mut temporary = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    temporary.write_all(text.as_bytes()).map_err(failed)?;
    temporary.persist(file).map(drop).map_err(|error| failed(error.error))
}

/// Explains one guard.
pub(crate) fn explain(id: &str) -> Result<Exit, Problem> {
    let known: Vec<&str> = guards::ALL.iter().map(|(card, _)| card.id).collect();
    let Some((card, _)) = guards::ALL.iter().find(|(card, _)| card.id == id) else {
        return Err(
            Problem::usage(format!("there is no guard {id:?}")).hint(format!("there are: {}", known.join(", ")))
        );
    };
    answer(&format!("{}\n  {}\n\nwhy   {}\nfix   {}\n", card.id, card.title, card.why, card.fix));
    Ok(Exit::Fine)
}

/// Tells a problem: what, why, what next.
pub(crate) fn tell(problem: &Problem, style: Style) -> Exit {
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
