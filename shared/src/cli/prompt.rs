//! Questions to the operator at the terminal.

use std::io::{BufRead, IsTerminal, Write};

use super::command_error::CommandError;

/// Whether standard input and standard error are a terminal.
#[must_use]
pub fn can_prompt() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks for the confirmation before the first write.
///
/// # Errors
/// The terminal is closed.
pub async fn confirm_proceed() -> Result<bool, CommandError> {
    ask_yes_no("Continue?".to_owned()).await
}

/// Asks a question. `y`, `Y` and `yes` are a yes; everything else is a no.
///
/// Reads on a separate thread, so that Ctrl-C ends the wait.
///
/// # Errors
/// The terminal is closed.
pub async fn ask_yes_no(question: String) -> Result<bool, CommandError> {
    let answer = tokio::task::spawn_blocking(move || read_yes_no(&question)).await;
    answer.unwrap_or_else(|error| Err(CommandError::Question(Box::new(error))))
}

fn write_question(stderr: &mut impl Write, question: &str) -> std::io::Result<()> {
    write!(stderr, "\n{question} [y/N] ")?;
    stderr.flush()
}

fn read_yes_no(question: &str) -> Result<bool, CommandError> {
    let read_answer = || -> std::io::Result<String> {
        // The lock on standard error ends before the wait: other threads print there when a signal arrives.
        write_question(&mut std::io::stderr().lock(), question)?;
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line)?;
        Ok(line)
    };
    let line = read_answer().map_err(|error| CommandError::Question(Box::new(error)))?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}
