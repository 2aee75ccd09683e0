//! `cargo xtask`: tasks of the developers.
//!
//! `new-check SECTION ID` and `new-guard ID` create the file of a check or guard with its card, add it to its list, and add
//! an example that fires it and one that nearly does. The result compiles and its tests pass; the task then prints which
//! files to edit. Input: the command line and the source files. Output: edited source files.
//!
//! `dist` is a program of its own (`tests/release`), because it needs the library; it is started here.

mod scaffold;
mod source_text;

use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitCode};

use scaffold::{Section, create_check, create_guard};

const USAGE: &str = "usage:\n  cargo xtask new-check SECTION ID   a health check of `kubectl mural validate`\n  cargo xtask new-guard ID           an admission guard of `kubectl mural upgrade`\n  cargo xtask dist [FLAGS]           the files of a release; see cargo xtask dist --help\n";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // tests/xtask is two folders below the root of the workspace.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    if let ["dist", flags @ ..] = arguments.as_slice() {
        return start_dist(&root, flags);
    }
    match run(&root, &arguments) {
        Ok(text) => print(&mut std::io::stdout(), &text, ExitCode::SUCCESS),
        Err(text) => print(&mut std::io::stderr(), &text, ExitCode::FAILURE),
    }
}

/// Builds and starts the program of `dist`.
#[expect(clippy::disallowed_methods, reason = "a task of the developers; the bans are for the product")]
fn start_dist(root: &Path, flags: &[&str]) -> ExitCode {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root).args(["run", "--quiet", "--package", "mural-release", "--"]).args(flags);
    match command.status() {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => print(&mut std::io::stderr(), &format!("cannot start cargo: {error}"), ExitCode::FAILURE),
    }
}

/// Runs the task that the arguments name; answers with what to do next.
fn run(root: &Path, arguments: &[&str]) -> Result<String, String> {
    match arguments {
        ["new-check", section, id] => create_check(root, Section::parse(section)?, id),
        ["new-guard", id] => create_guard(root, id),
        _ => Err(USAGE.to_owned()),
    }
}

fn print(stream: &mut dyn Write, text: &str, exit: ExitCode) -> ExitCode {
    // The reader of a stream may have closed it.
    drop(writeln!(stream, "{}", text.trim_end()));
    exit
}
