//! The start of every plugin: guard a child process, answer a completion request, or parse the flags.

use std::process::ExitCode;

use clap::Parser;

use super::man_pages::answer_man_pages_request;
use super::{argument_order, complete, help_text, report_clap_error};
use crate::tools::spawn::exec_guarded;

/// Parses the flags of this process.
///
/// # Errors
/// The exit code if the process is already done: it guarded a child process, answered a completion request, printed
/// its help, or refused its flags.
pub fn parse_args<C: Parser>() -> Result<C, ExitCode> {
    if let Some(exit_code) = exec_guarded(std::env::args_os().skip(1)) {
        return Err(exit_code);
    }
    if let Some(exit_code) = answer_man_pages_request(C::command(), std::env::args_os().skip(1)) {
        return Err(exit_code);
    }
    if let Some(exit_code) = complete::answer_completion_request(C::command()) {
        return Err(exit_code);
    }
    let args = argument_order::normalize(std::env::args_os().collect(), &mut C::command());
    let parsed = args.and_then(|args| {
        let matches = help_text::complete_help(C::command()).try_get_matches_from(args)?;
        C::from_arg_matches(&matches)
    });
    parsed.map_err(|error| report_clap_error(&error))
}
