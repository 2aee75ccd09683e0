//! Where this program meets its surroundings: environment, terminal, streams, signals, clock.

use std::path::{Path, PathBuf};

use mural::cli::{Output, Stream};
use mural::problem::Problem;

pub(crate) use mural::cli::around::surroundings;
pub(crate) use mural::cli::prompt::can_ask;
pub(crate) use mural::cli::runtime::block_on;

/// Asks whether to go ahead, on a thread of its own: Ctrl-C is an answer too.
pub(crate) async fn ask_to_go_ahead() -> Result<bool, Problem> {
    let asked = tokio::task::spawn_blocking(mural::cli::prompt::ask_to_go_ahead).await;
    asked.unwrap_or_else(|gone| Err(Problem::failed("cannot ask").because(gone)))
}

/// Shows text for a person: part of the answer, unless the answer is for a program.
pub(crate) fn show(text: &str, output: Output) {
    match output {
        Output::Table => Stream::Answer.write(text),
        Output::Json | Output::Yaml => Stream::Talk.write(text),
    }
}

/// Now.
pub(crate) fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// Where relative paths begin.
pub(crate) fn folder() -> Result<PathBuf, Problem> {
    std::env::current_dir().map_err(|error| Problem::failed("there is no current folder").because(error))
}

/// Keeps text in a file, whole or not at all. `what` says what it is.
pub(crate) fn write_file(file: &Path, what: &str, text: &str) -> Result<(), Problem> {
    mural::cli::files::write(file, what, text.as_bytes())
}
