//! `kubectl mural`: finds the program of a sub-command and replaces itself with it.
//!
//! kubectl finds `kubectl-mural-upgrade` itself if it is on `PATH`. This program handles `kubectl mural` without a
//! sub-command, krew (which links a single program) and completion. It knows no flags of the other programs.

mod command_line;
mod completion;
mod find_plugin;
mod installer;

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use command_line::{CompletionTask, Invocation, Plugin};
use installer::Installer;

/// Exit code of a failure, as in `mural::problem::Exit`. Repeated here because this program has no dependencies.
const EXIT_FAILED: u8 = 1;
/// Exit code of a usage error, as in `mural::problem::Exit`.
const EXIT_USAGE: u8 = 64;

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    let called = args.next().unwrap_or_default();
    match command_line::parse_invocation(&called, args.collect()) {
        Invocation::Exec(part, args) => exec_plugin(part, &args, false),
        Invocation::Complete(part, args) => exec_plugin(part, &args, true),
        Invocation::Print(text) => print_answer(&text),
        Invocation::Version => print_answer(&render_version()),
        Invocation::Completion(task, folder) => match change_completion(task, folder, Path::new(&called)) {
            Ok(text) => print_answer(&text),
            Err(reason) => print_error(&reason, EXIT_FAILED),
        },
        Invocation::UsageError(text) => print_error(&text, EXIT_USAGE),
    }
}

fn print_answer(text: &str) -> ExitCode {
    // A closed pipe is not an error.
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn print_error(text: &str, code: u8) -> ExitCode {
    let _ = std::io::stderr().write_all(format!("{}\n", text.trim_end()).as_bytes());
    ExitCode::from(code)
}

fn change_completion(task: CompletionTask, folder: Option<PathBuf>, called: &Path) -> Result<String, String> {
    let path = path_variable();
    match task {
        CompletionTask::Install => completion::install(folder, called, path.as_deref()),
        CompletionTask::Uninstall => completion::uninstall(folder, called, path.as_deref()),
    }
}

/// The version and the path of each program, to find a missing one.
fn render_version() -> String {
    let commit = option_env!("MURAL_BUILD_COMMIT").filter(|text| !text.is_empty()).unwrap_or("unknown");
    let date = option_env!("MURAL_BUILD_DATE").filter(|text| !text.is_empty());
    let date = date.map_or_else(String::new, |date| format!(", {date}"));
    let mut text = format!("kubectl-mural {} (commit {commit}{date})\n", env!("CARGO_PKG_VERSION"));
    for plugin in Plugin::ALL {
        let found = find_plugin::find_program(plugin.program(), path_variable().as_deref());
        let place = found.map_or_else(|| "not found".to_owned(), |found| found.display().to_string());
        text.push_str(&format!("  {:<24}{place}\n", plugin.program()));
    }
    text
}

#[expect(clippy::disallowed_methods, reason = "the only place that reads PATH")]
fn path_variable() -> Option<OsString> {
    std::env::var_os("PATH")
}

#[expect(clippy::disallowed_methods, reason = "the purpose of this program is to start another one")]
fn exec_plugin(plugin: Plugin, args: &[OsString], quiet: bool) -> ExitCode {
    let Some(program) = find_plugin::find_program(plugin.program(), path_variable().as_deref()) else {
        return print_error(&missing_plugin_message(plugin), EXIT_FAILED);
    };
    let mut command = Command::new(&program);
    command.args(args);
    if quiet {
        // An error message would appear in the middle of the command line.
        command.stderr(Stdio::null());
    }
    let error = exec_command(command);
    error.unwrap_or_else(|error| {
        print_error(&format!("Error: cannot start {}: {error}", program.display()), EXIT_FAILED)
    })
}

/// On Unix, replaces this process, so that the caller sees the plugin's process id, signals, terminal and exit code.
#[cfg(unix)]
fn exec_command(mut command: Command) -> std::io::Result<ExitCode> {
    Err(std::os::unix::process::CommandExt::exec(&mut command))
}

/// On other systems, starts the plugin, waits for it and returns its exit code.
#[cfg(not(unix))]
fn exec_command(mut command: Command) -> std::io::Result<ExitCode> {
    let code = command.status()?.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(EXIT_FAILED)))
}

fn missing_plugin_message(plugin: Plugin) -> String {
    let searched_folder =
        find_plugin::own_folder().map_or_else(String::new, |folder| format!("in {} or ", folder.display()));
    let hint = match Installer::find(find_plugin::own_file().as_deref()) {
        Installer::Krew { .. } => "kubectl krew uninstall mural, then: kubectl krew install mural",
        Installer::Brew => "brew reinstall mural",
        Installer::Other => "install the release archive again: ./install.sh --archive FILE",
    };
    format!("Error: {} was not found {searched_folder}on PATH\n  → {hint}", plugin.program())
}
