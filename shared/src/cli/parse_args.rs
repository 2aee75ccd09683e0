//! The first thing that every plugin does: it is started as a guard or for completion, or it parses its flags.

use std::process::ExitCode;

use clap::Parser;

use super::{complete, report_clap_error};
use crate::tools::spawn::exec_guarded;

/// Parses the flags of this process.
///
/// # Errors
/// The exit code where the process is done already: it guarded a child, answered a completion request, printed its help, or
/// was called with wrong flags.
pub fn parse_args<C: Parser>() -> Result<C, ExitCode> {
    if let Some(exit_code) = exec_guarded(std::env::args_os().skip(1)) {
        return Err(exit_code);
    }
    if let Some(exit_code) = complete::answer_completion_request(C::command()) {
        return Err(exit_code);
    }
    C::try_parse().map_err(|error| report_clap_error(&error))
}
