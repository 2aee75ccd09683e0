//! The validate report as text: sections with counts, and below each its findings with their next steps.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Counts, FindingDiff, HealthVerdict, ValidateReport};
use crate::checks::health_waivers::AcceptedFinding;
use crate::model::check::{CheckResult, Finding, Level, Section, Verdict, summarize_passed};
use crate::model::owner::Owner;
use crate::model::text_format::format_count;
use crate::problem::Exit;
use crate::report::style::{Mark, Style, display_width, sanitize};

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableOptions {
    /// Whether checks that pass are listed (`-o wide`).
    pub show_all_checks: bool,
    /// The exit code.
    pub exit: Exit,
    /// The duration, on a terminal only: two runs into a file give the same bytes.
    pub elapsed: Option<Duration>,
}

/// How many findings of one check are listed.
const MAX_LISTED_FINDINGS: usize = 5;
/// Gap between two sections on one line.
const SECTION_GAP: &str = "    ";

/// Renders the report as text.
#[must_use]
pub fn render_table(report: &ValidateReport, options: TableOptions, style: Style) -> String {
    let ValidateReport {
        api_version: _,
        kind: _,
        created_at: _,
        tool_version: _,
        verdict,
        cluster: _,
        owners: _,
        releases: _,
        checks,
        accepted,
        waiver_notes,
        counts,
        coverage,
        timeline: _,
        comparison,
        read_failure,
    } = report;
    let mut out = render_verdict(*verdict, style) + &render_head(report, style) + "\n";
    if let Some(reason) = read_failure {
        let _ = write!(out, "{}", render_entry(Mark::Unknown, "could not be read", &to_one_line(reason), style));
    }
    write_sections(&mut out, report, options, style);
    write_accepted(&mut out, accepted, style);
    for note in waiver_notes {
        let _ = writeln!(out, "{}", render_entry(Mark::Warn, "waiver", &to_one_line(note), style));
    }
    if let Some(compared) = comparison {
        out.push_str(&render_comparison(compared));
    }
    if let Some(warning) = coverage.warning() {
        let _ = writeln!(out, "\n{}", render_entry(Mark::Unknown, "incomplete", &warning, style));
    }
    let _ = write!(out, "\n{}\n", render_foot(checks, *counts, options, style));
    out
}

/// The answer first.
fn render_verdict(verdict: HealthVerdict, style: Style) -> String {
    let mark = match verdict {
        HealthVerdict::Healthy => Mark::Pass,
        HealthVerdict::Warnings => Mark::Warn,
        HealthVerdict::Unhealthy => Mark::Fail,
        HealthVerdict::Undetermined => Mark::Unknown,
    };
    format!("{} {}\n", style.mark(mark), style.bold(verdict.as_str()))
}

/// The findings that a waiver accepts, each with its reason and last day.
fn write_accepted(out: &mut String, accepted: &[AcceptedFinding], style: Style) {
    for AcceptedFinding { finding, reason, expires } in accepted {
        let text = format!("{}: accepted until {expires}: {}", to_one_line(&finding.subject), to_one_line(reason));
        let _ = writeln!(out, "{}", render_entry(Mark::Skip, &finding.check, &text, style));
    }
}

/// The sections with something to show, each with its lines; the others share lines.
fn write_sections(out: &mut String, report: &ValidateReport, options: TableOptions, style: Style) {
    let mut short_sections: Vec<(String, usize)> = Vec::new();
    for (section, checks) in report.sections() {
        let (text, columns) = render_section_counts(section, &checks, style);
        let mut check_lines: Vec<String> =
            checks.iter().flat_map(|checked| render_check(checked, options.show_all_checks, style)).collect();
        if !options.show_all_checks {
            check_lines.extend(render_undetermined(&checks, style));
        }
        let has_reason = checks.iter().all(|checked| matches!(checked.verdict, Verdict::Skipped { .. }));
        if check_lines.is_empty() && !has_reason {
            short_sections.push((text, columns));
            continue;
        }
        flush_short_sections(out, &mut short_sections, style);
        let _ = writeln!(out, "{text}");
        for line in check_lines {
            let _ = writeln!(out, "{line}");
        }
    }
    flush_short_sections(out, &mut short_sections, style);
}

/// Differences to the baseline by name; the findings themselves are above.
fn render_comparison(comparison: &FindingDiff) -> String {
    let mut out = String::new();
    let line = |what: &str, finding: &Finding| {
        format!("  {what:<5} {}: {}\n", to_one_line(&finding.check), to_one_line(&finding.subject))
    };
    out.extend(comparison.new.iter().map(|finding| line("new", finding)));
    out.extend(comparison.resolved.iter().map(|finding| line("fixed", finding)));
    out.extend(comparison.newly_undetermined.iter().map(|check| format!("  new   {check}: now undetermined\n")));
    format!(
        "\nbaseline     {} known, {} new, {} fixed\n{out}",
        comparison.pre_existing.len(),
        comparison.new.len() + comparison.newly_undetermined.len(),
        comparison.resolved.len()
    )
}

/// Puts text from the cluster on one line: a line feed in it could imitate a line of this report.
fn to_one_line(text: &str) -> String {
    sanitize(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn render_head(report: &ValidateReport, style: Style) -> String {
    let hub = &report.cluster;
    if report.read_failure.is_some() {
        return format!("{}, namespace {}\n", to_one_line(&hub.context), to_one_line(&hub.namespace));
    }
    let release = |(name, version): (&String, &Option<String>)| {
        let version = version.as_deref().unwrap_or("not known");
        format!("{name} {version}")
    };
    let releases: Vec<String> = report.releases.iter().map(release).collect();
    let owner = format!("owner: {}", format_owners(report));
    let between = if style.ascii { " | " } else { " · " };
    let version = if hub.version.is_empty() { String::new() } else { format!("Kubernetes {}{between}", hub.version) };
    let place = format!("context {}{between}{version}namespace {}", hub.context, hub.namespace);
    let parts = [&place, &owner, &releases.join(", ")].map(|part| to_one_line(part));
    let parts: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    wrap_text(&parts.join(between), "", style.width)
}

/// The owners of the releases; one if both have the same.
pub(super) fn format_owners(report: &ValidateReport) -> String {
    let mut owners: Vec<String> = report.owners.values().map(format_owner).collect();
    owners.dedup();
    owners.join(", ")
}

/// The owner's name; the check has the reason for an undetermined owner.
fn format_owner(owner: &Owner) -> String {
    match owner {
        Owner::Undetermined { .. } => "undetermined".to_owned(),
        Owner::NotInstalled | Owner::Helm | Owner::Flux { .. } | Owner::Appliance { .. } | Owner::Argo { .. } => {
            owner.to_string()
        }
    }
}

fn render_section_counts(section: Section, checks: &[&CheckResult], style: Style) -> (String, usize) {
    let counts = Counts::from_checks(checks.iter().copied());
    let mut text = format!("{:<11}", section.title());
    let mut plain = display_width(&text);
    let mut add = |mark: Mark, what: &str| {
        let _ = write!(text, "  {} {what}", style.mark(mark));
        plain += 3 + display_width(what) + display_width(&Style { colour: false, ..style }.mark(mark));
    };
    for (mark, count) in [
        (Mark::Pass, counts.passed),
        (Mark::Warn, counts.warnings),
        (Mark::Fail, counts.errors),
        (Mark::Unknown, counts.undetermined),
    ] {
        if count > 0 {
            add(mark, &count.to_string());
        }
    }
    match checks.iter().map(|checked| &checked.verdict).collect::<Vec<_>>().as_slice() {
        [Verdict::Skipped { reason }, rest @ ..] if rest.iter().all(|one| matches!(one, Verdict::Skipped { .. })) => {
            add(Mark::Skip, &format!("skipped: {}", to_one_line(reason)));
        }
        _ => {}
    }
    (text, plain)
}

/// Sections without findings share lines as far as the width allows.
fn flush_short_sections(out: &mut String, short_sections: &mut Vec<(String, usize)>, style: Style) {
    let mut used = 0;
    for (text, columns) in short_sections.drain(..) {
        if used > 0 && used + SECTION_GAP.len() + columns > style.width {
            out.push('\n');
            used = 0;
        }
        if used > 0 {
            out.push_str(SECTION_GAP);
            used += SECTION_GAP.len();
        }
        out.push_str(&text);
        used += columns;
    }
    if used > 0 {
        out.push('\n');
    }
}

fn render_check(checked: &CheckResult, all: bool, style: Style) -> Vec<String> {
    match &checked.verdict {
        Verdict::Fail { findings } => render_findings(findings, style),
        Verdict::Undetermined { reason } if all => {
            vec![render_entry(Mark::Unknown, checked.check, &to_one_line(reason), style)]
        }
        Verdict::Skipped { reason } if all => {
            vec![render_entry(Mark::Skip, checked.check, &to_one_line(reason), style)]
        }
        Verdict::Pass if all => {
            let times = match checked.items_checked {
                0 | 1 => String::new(),
                count => format!(" ({})", format_count(count, "object")),
            };
            vec![render_entry(Mark::Pass, checked.check, &format!("requires {}{times}", checked.title), style)]
        }
        Verdict::Undetermined { .. } | Verdict::Skipped { .. } | Verdict::Pass => Vec::new(),
    }
}

/// The findings of one check, most severe first; a long list is cut, and the number of the others is shown.
fn render_findings(findings: &[Finding], style: Style) -> Vec<String> {
    let limit = style.listing.limit(MAX_LISTED_FINDINGS);
    let mut lines: Vec<String> = findings.iter().take(limit).map(|finding| render_finding(finding, style)).collect();
    if findings.len() > limit {
        let rest = &findings[limit..];
        let errors = rest.iter().filter(|finding| finding.level == Level::Error).count();
        let errors = if errors > 0 { format!(" ({})", format_count(errors, "error")) } else { String::new() };
        lines.push(format!("      and {} more{errors} of {}; list them with --all", rest.len(), findings[0].check));
    }
    lines
}

/// Undetermined checks, grouped by reason: one missing permission affects many checks.
fn render_undetermined(checks: &[&CheckResult], style: Style) -> Vec<String> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for checked in checks {
        let Verdict::Undetermined { reason } = &checked.verdict else { continue };
        match reasons.iter_mut().find(|(known, _)| known == reason) {
            Some((_, names)) => names.push(checked.check),
            None => reasons.push((reason, vec![checked.check])),
        }
    }
    let render_reason = |(reason, names): (&str, Vec<&str>)| {
        let colon = if names.len() > 1 { ":" } else { "" };
        render_entry(Mark::Unknown, &format!("{}{colon}", names.join(", ")), &to_one_line(reason), style)
    };
    reasons.into_iter().map(render_reason).collect()
}

fn render_finding(finding: &Finding, style: Style) -> String {
    let mark = match finding.level {
        Level::Error => Mark::Fail,
        Level::Warning => Mark::Warn,
        Level::Info => Mark::Skip,
    };
    let text = format!("{}: {}", to_one_line(&finding.subject), to_one_line(&finding.message));
    let mut lines = render_entry(mark, &finding.check, &text, style);
    if !finding.hint.is_empty() {
        // Never wrapped: it can contain a command, which would not be copied completely.
        let _ = write!(lines, "\n      {} {}", style.arrow(), to_one_line(&finding.hint));
    }
    lines
}

fn render_entry(mark: Mark, check: &str, text: &str, style: Style) -> String {
    let plain = Style { colour: false, ..style }.mark(mark);
    let gap = if check.ends_with(':') { " " } else { "  " };
    let lead = format!("  {plain} {check:<22}{gap}");
    let body = wrap_text(&format!("{lead}{text}"), "      ", style.width);
    let body = body.trim_end().to_owned();
    body.replacen(&plain, &style.mark(mark), 1)
}

/// Wraps at spaces; later lines begin with the indent. A word longer than the line stays whole.
fn wrap_text(text: &str, indent: &str, width: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    for word in text.split_inclusive(' ') {
        let columns = display_width(word.trim_end());
        if used > indent.len() && used + columns > width {
            out.truncate(out.trim_end().len());
            let _ = write!(out, "\n{indent}");
            used = indent.len();
        }
        out.push_str(word);
        used += display_width(word);
    }
    out.push('\n');
    out
}

fn render_foot(checks: &[CheckResult], counts: Counts, options: TableOptions, style: Style) -> String {
    let mut parts = vec![summarize_passed(checks)];
    for (count, text) in [
        (counts.warnings, format_count(counts.warnings, "warning")),
        (counts.errors, format_count(counts.errors, "error")),
        (counts.notes, format_count(counts.notes, "note")),
        (counts.undetermined, format!("{} undetermined", counts.undetermined)),
        (counts.skipped, format!("{} skipped", counts.skipped)),
    ] {
        if count > 0 {
            parts.push(text);
        }
    }
    let took = options.elapsed.map_or_else(String::new, |elapsed| format!("{:.2}s   ", elapsed.as_secs_f64()));
    let between = if style.ascii { " | " } else { " · " };
    let text = format!("{}   {took}exit code {}", parts.join(between), options.exit.code());
    wrap_text(&text, "", style.width).trim_end().to_owned()
}
