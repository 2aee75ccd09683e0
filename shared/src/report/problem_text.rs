//! A problem as text, for every plugin: what is wrong, why, what to do.

use std::fmt::Write as _;

use super::style::{Mark, Style, sanitize};
use crate::problem::Problem;

/// The message, the causes, the next steps, and how the command ends.
#[must_use]
pub fn render_problem(problem: &Problem, style: Style) -> String {
    let mut text = format!("{} {}\n", style.mark(Mark::Fail), sanitize(&problem.message));
    for cause in problem.causes() {
        let _ = writeln!(text, "  because  {}", sanitize(&cause));
    }
    for hint in &problem.hints {
        let _ = writeln!(text, "  {} {}", style.arrow(), sanitize(hint));
    }
    let _ = writeln!(text, "  {}", style.dim(&format!("exit code {}", problem.exit.code())));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_causes_hints_and_exit_code_in_that_order() {
        let problem = Problem::usage("no \u{1b}such flag").with_source("because of that").with_hint("try --help");
        let text = render_problem(&problem, Style { ascii: true, ..Style::PLAIN });
        assert_eq!(text, "FAIL no \u{fffd}such flag\n  because  because of that\n  -> try --help\n  exit code 64\n");
    }
}
