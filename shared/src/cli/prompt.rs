//! The person at the terminal, asked before a write.

use std::io::{BufRead, IsTerminal, Write};

use crate::problem::Problem;

/// Whether there is a person to ask.
#[must_use]
pub fn can_prompt() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks whether to go ahead.
///
/// # Errors
/// The terminal is gone.
pub async fn confirm_proceed() -> Result<bool, Problem> {
    ask_yes_no("Go ahead?".to_owned()).await
}

/// Asks a question that `y` or `yes` answers with yes, on a thread of its own: Ctrl-C is an answer too.
///
/// # Errors
/// The terminal is gone.
pub async fn ask_yes_no(question: String) -> Result<bool, Problem> {
    let answer = tokio::task::spawn_blocking(move || read_yes_no(&question)).await;
    answer.unwrap_or_else(|error| Err(Problem::failure("cannot ask").with_source(error)))
}

fn read_yes_no(question: &str) -> Result<bool, Problem> {
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
