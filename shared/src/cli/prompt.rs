//! The person at the terminal, asked before a write.

use std::io::{BufRead, IsTerminal, Write};

use crate::problem::Problem;

/// Whether there is a person to ask.
#[must_use]
pub fn can_prompt() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// A run that would have to ask, and cannot.
///
/// # Errors
/// There is no terminal, and `--yes` was not given.
pub fn require_terminal_or_yes(yes: bool) -> Result<(), Problem> {
    if yes || can_prompt() {
        return Ok(());
    }
    Err(Problem::usage("there is no terminal to ask on").with_hint("--yes goes ahead without asking"))
}

/// Asks whether to go ahead.
///
/// # Errors
/// The terminal is gone.
pub fn confirm_proceed() -> Result<bool, Problem> {
    ask_yes_no("Go ahead?")
}

/// Asks a question that `y` or `yes` answers with yes.
///
/// # Errors
/// The terminal is gone.
pub fn ask_yes_no(question: &str) -> Result<bool, Problem> {
    let read_answer = || -> std::io::Result<String> {
        let mut stderr = std::io::stderr().lock();
        write!(stderr, "\n{question} [y/N] ")?;
        stderr.flush()?;
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line)?;
        Ok(line)
    };
    let line = read_answer().map_err(|error| Problem::failure("cannot ask").with_source(error))?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}
