//! A problem as text, the same for every plugin: what failed, why, and the next steps.

use std::fmt::Write as _;

use super::style::{Mark, Style, sanitize};
use crate::problem::Problem;

/// Renders the message, the causes, the next steps and the exit code. Each later line of a text starts in the column of its first.
#[must_use]
pub fn render_problem(problem: &Problem, style: Style) -> String {
    let Problem { exit, message, hints, source: _ } = problem;
    let mut text = format!("{} {}\n", style.mark(Mark::Fail), indent_lines(message, "  "));
    for cause in problem.causes() {
        let _ = writeln!(text, "  because  {}", indent_lines(&cause, "           "));
    }
    for hint in hints {
        let _ = writeln!(text, "  hint: {}", indent_lines(hint, "        "));
    }
    let _ = writeln!(text, "  {}", style.dim(&format!("exit code {}", exit.code())));
    text
}

/// Sanitizes a text and puts the indent before its second and each later line.
pub(super) fn indent_lines(text: &str, indent: &str) -> String {
    sanitize(text).trim_end().replace('\n', &format!("\n{indent}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_lines_of_a_cause_start_below_the_first() {
        let problem = Problem::usage("no \u{1b}such flag").with_source("one\ntwo").with_hint("try --help");
        let text = render_problem(&problem, Style { ascii: true, ..Style::PLAIN });
        let causes = "  because  one\n           two\n";
        assert_eq!(text, format!("FAIL no \u{fffd}such flag\n{causes}  hint: try --help\n  exit code 64\n"));
    }
}
