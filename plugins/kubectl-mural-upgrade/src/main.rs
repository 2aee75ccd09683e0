//! `kubectl mural upgrade`: parses the flags, runs the command, and exits with its exit code.

use std::process::ExitCode;

use mural::cli::parse_args::parse_args;
use mural::cli::report_result;
use mural::cli::upgrade::flags::Cli;
use mural::cli::upgrade::run_command;

fn main() -> ExitCode {
    match parse_args::<Cli>() {
        Ok(cli) => report_result(run_command(&cli), cli.style()),
        Err(exit_code) => exit_code,
    }
}
