//! Where this program meets its surroundings: environment, terminal, streams, signals, clock.

use std::path::{Path, PathBuf};

use crate::cli::{OutputFormat, Stream};
use crate::problem::Problem;

pub(crate) use crate::cli::environment::read_environment;
pub(crate) use crate::cli::prompt::can_prompt;
pub(crate) use crate::cli::runtime::block_on;

/// Asks whether to go ahead, on a thread of its own: Ctrl-C is an answer too.
pub(crate) async fn confirm_proceed() -> Result<bool, Problem> {
    let answer = tokio::task::spawn_blocking(crate::cli::prompt::confirm_proceed).await;
    answer.unwrap_or_else(|error| Err(Problem::failure("cannot ask").with_source(error)))
}

/// Shows text for a person: part of the answer, unless the answer is for a program.
pub(crate) fn show(text: &str, output: OutputFormat) {
    match output {
        OutputFormat::Table => Stream::Stdout.write(text),
        OutputFormat::Json | OutputFormat::Yaml => Stream::Stderr.write(text),
    }
}

/// Now.
pub(crate) fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// Where relative paths begin.
pub(crate) fn current_dir() -> Result<PathBuf, Problem> {
    std::env::current_dir().map_err(|error| Problem::failure("there is no current folder").with_source(error))
}

/// Keeps text in a file, whole or not at all. `what` says what it is.
pub(crate) fn write_file(file: &Path, what: &str, text: &str) -> Result<(), Problem> {
    crate::cli::files::write(file, what, text.as_bytes())
}
