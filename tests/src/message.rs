//! The one voice of this package: lines for a person, on standard error.
#![allow(clippy::print_stderr, reason = "the only file of this package that talks")]

/// Says one line.
pub fn print_message(line: impl std::fmt::Display) {
    eprintln!("{line}");
}
