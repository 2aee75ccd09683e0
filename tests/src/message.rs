//! Progress and error messages, one line each, on standard error. Every message of this package goes through here.
#![allow(clippy::print_stderr, reason = "the only file of this package that prints messages")]

/// Prints one line on standard error.
pub fn print_message(line: impl std::fmt::Display) {
    eprintln!("{line}");
}
