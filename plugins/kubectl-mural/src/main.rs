//! `kubectl mural`: finds the program behind a sub-command and becomes it.
//!
//! kubectl itself finds `kubectl-mural-upgrade` where that is on `PATH`. This one answers everywhere else: `kubectl mural`
//! alone, krew (which links a single program) and completion. It knows no flag of the programs that it starts.

mod completion;
mod parts;
mod words;

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use words::{Meaning, Part};

/// A step failed; the table is `mural::problem::Exit`, repeated here because this program has no dependencies.
const FAILED: u8 = 1;
/// Wrong usage; from the same table.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    let called = args.next().unwrap_or_default();
    match words::meaning(&called, args.collect()) {
        Meaning::Become(part, args) => become_part(part, &args, false),
        Meaning::CompleteBy(part, args) => become_part(part, &args, true),
        Meaning::Answer(text) => answer(&text),
        Meaning::Version => answer(&version()),
        Meaning::InstallCompletion => match completion::install(Path::new(&called)) {
            Ok(text) => answer(&text),
            Err(reason) => wrong(&reason, FAILED),
        },
        Meaning::Wrong(text) => wrong(&text, USAGE),
    }
}

fn answer(text: &str) -> ExitCode {
    // A reader that went away is not our failure.
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn wrong(text: &str, code: u8) -> ExitCode {
    let _ = std::io::stderr().write_all(format!("{}\n", text.trim_end()).as_bytes());
    ExitCode::from(code)
}

/// Our own version, and where every part is found: the first question when something is missing.
fn version() -> String {
    let mut text = format!("kubectl-mural {}\n", env!("CARGO_PKG_VERSION"));
    for part in Part::ALL {
        let found = parts::find(part.program(), path().as_deref());
        let place = found.map_or_else(|| "not found".to_owned(), |found| found.display().to_string());
        text.push_str(&format!("  {:<24}{place}\n", part.program()));
    }
    text
}

#[expect(clippy::disallowed_methods, reason = "this is the edge: PATH is read here and handed in")]
fn path() -> Option<OsString> {
    std::env::var_os("PATH")
}

#[expect(clippy::disallowed_methods, reason = "starting its sibling is all that this program is for")]
fn become_part(part: Part, args: &[OsString], quiet: bool) -> ExitCode {
    let Some(program) = parts::find(part.program(), path().as_deref()) else {
        return wrong(&missing(part), FAILED);
    };
    let mut command = Command::new(&program);
    command.args(args);
    if quiet {
        // What completion has to complain about would land in the middle of the line being typed.
        command.stderr(Stdio::null());
    }
    let error = replace(command);
    error.unwrap_or_else(|error| wrong(&format!("Error: cannot start {}: {error}", program.display()), FAILED))
}

/// On Unix the sibling takes our place: its process id, signals, terminal and exit code are the ones the caller sees.
#[cfg(unix)]
fn replace(mut command: Command) -> std::io::Result<ExitCode> {
    Err(std::os::unix::process::CommandExt::exec(&mut command))
}

/// Elsewhere it is started, awaited, and its exit code passed on.
#[cfg(not(unix))]
fn replace(mut command: Command) -> std::io::Result<ExitCode> {
    let code = command.status()?.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(FAILED)))
}

fn missing(part: Part) -> String {
    let beside = parts::own_folder().map_or_else(String::new, |folder| format!("neither in {} nor ", folder.display()));
    format!("Error: {} was not found: {beside}on PATH\n  → install it with install.sh", part.program())
}
