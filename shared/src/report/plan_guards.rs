//! Renders the results of the guards in a plan: counts, then every guard that did not pass.
//!
//! The end of the command has each refusal with its next step (`upgrade_result.rs`), so that it is there once. Input: results. Output:
//! text.

use std::fmt::Write as _;

use super::style::{Mark, Style, sanitize};
use crate::model::check::{CheckResult, Level, Verdict, VerdictCounts};
use crate::model::text_format::format_count;

/// The width of the labels at the left edge.
const LABEL_WIDTH: usize = 12;
/// How many findings of one guard are listed.
const MAX_LISTED_FINDINGS: usize = 5;

/// The guards: counts, then every guard that did not pass. The end of the command has each refusal with its next step.
pub(super) fn write_guards(out: &mut String, guards: &[CheckResult], style: Style) {
    let VerdictCounts { passed, errors, warnings, undetermined } = VerdictCounts::from_results(guards);
    let counted = [
        (errors, format_count(errors, "error")),
        (warnings, format_count(warnings, "warning")),
        (undetermined, format!("{undetermined} undetermined")),
    ];
    let parts: String = counted.iter().filter(|(count, _)| *count > 0).map(|(_, text)| format!(", {text}")).collect();
    let _ = writeln!(out);
    let _ = writeln!(out, "{:<LABEL_WIDTH$}{passed} passed{parts}", "guards");
    for guard in guards {
        write_guard(out, guard, style);
    }
    write_undetermined(out, guards, style);
}

/// Each reason why a guard is undetermined, with the guards that have it: one missing permission affects many.
pub(super) fn group_undetermined(guards: &[CheckResult]) -> Vec<(&str, Vec<&'static str>)> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for guard in guards {
        let Verdict::Undetermined { reason } = &guard.verdict else { continue };
        match reasons.iter_mut().find(|(one, _)| one == reason) {
            Some((_, checks)) => checks.push(guard.check),
            None => reasons.push((reason, vec![guard.check])),
        }
    }
    reasons
}

/// The guards that could not read their input.
fn write_undetermined(out: &mut String, guards: &[CheckResult], style: Style) {
    let mark = style.mark(Mark::Unknown);
    for (reason, checks) in group_undetermined(guards) {
        match checks.as_slice() {
            [check] => {
                let _ = writeln!(out, "   {mark}  {check:<24} {}", sanitize(reason));
            }
            checks => {
                let _ = writeln!(out, "   {mark}  {}\n      {}", checks.join(", "), sanitize(reason));
            }
        }
    }
}

fn write_guard(out: &mut String, guard: &CheckResult, style: Style) {
    let (errors, others): (Vec<_>, Vec<_>) = guard.findings().iter().partition(|finding| finding.level == Level::Error);
    if !errors.is_empty() {
        let text = format!("refuses: {}, at the end", format_count(errors.len(), "reason"));
        let _ = writeln!(out, "   {}  {:<24} {text}", style.mark(Mark::Fail), guard.check);
    }
    let shown = &others[..others.len().min(style.listing.limit(MAX_LISTED_FINDINGS))];
    for (at, finding) in shown.iter().enumerate() {
        let text = format!("{}: {}", finding.subject, finding.message);
        let _ = writeln!(out, "   {}  {:<24} {}", style.mark(Mark::Warn), guard.check, sanitize(&text));
        // Findings with the same next step share it.
        let is_last_with_hint = shown.get(at + 1).is_none_or(|next| next.hint != finding.hint);
        if is_last_with_hint && !finding.hint.is_empty() {
            let _ = writeln!(out, "      {} {}", style.arrow(), sanitize(&finding.hint));
        }
    }
    if others.len() > shown.len() {
        let _ = writeln!(out, "      and {} more; list them with --all", others.len() - shown.len());
    }
}
