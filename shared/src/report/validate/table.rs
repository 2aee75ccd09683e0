//! The answer for a person: sections with marks and counts, and below each what is wrong and what to do.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Counts, NewTrouble, ValidateReport};
use crate::model::check::{Checked, Finding, Level, Section, Verdict};
use crate::model::owner::Owner;
use crate::model::words::counted;
use crate::problem::Exit;
use crate::report::style::{Mark, Style, columns_of, harmless};

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// Every check, also those that pass (`-o wide`).
    pub all_checks: bool,
    /// How the command ends.
    pub exit: Exit,
    /// How long it took: on a terminal only, so that two runs into a file give equal bytes.
    pub elapsed: Option<Duration>,
}

/// Between two quiet sections of one line.
const GAP: &str = "    ";

/// The answer as text.
#[must_use]
pub fn table(report: &ValidateReport, shown: Shown, style: Style) -> String {
    let mut out = head(report, style);
    out.push('\n');
    if let Some(reason) = &report.unread {
        let _ = write!(out, "{}", entry(Mark::Unknown, "could not be read", &one_line(reason), style));
    }
    let mut quiet: Vec<(String, usize)> = Vec::new();
    for (section, checks) in report.sections() {
        let (text, columns) = tally(section, &checks, style);
        let mut told: Vec<String> = checks.iter().flat_map(|checked| lines(checked, shown.all_checks, style)).collect();
        if !shown.all_checks {
            told.extend(unseen(&checks, style));
        }
        if told.is_empty() {
            quiet.push((text, columns));
            continue;
        }
        flush(&mut out, &mut quiet, style);
        let _ = writeln!(out, "{text}");
        for line in told {
            let _ = writeln!(out, "{line}");
        }
    }
    flush(&mut out, &mut quiet, style);
    if let Some(compared) = &report.compared {
        out.push_str(&against(compared));
    }
    let _ = write!(out, "\n{}\n", foot(report.counts, shown, style));
    out
}

/// What is new against the baseline, by name; the findings themselves stand above.
fn against(compared: &NewTrouble) -> String {
    let mut out = String::new();
    let line = |what: &str, finding: &Finding| {
        format!("  {what:<5} {}: {}\n", one_line(&finding.check), one_line(&finding.subject))
    };
    out.extend(compared.new.iter().map(|finding| line("new", finding)));
    out.extend(compared.gone.iter().map(|finding| line("gone", finding)));
    out.extend(compared.newly_undetermined.iter().map(|check| format!("  new   {check}: can no longer look\n")));
    format!(
        "\nbaseline     {} known, {} new, {} gone\n{out}",
        compared.known.len(),
        compared.new.len() + compared.newly_undetermined.len(),
        compared.gone.len()
    )
}

/// Text of the cluster on one line: a line feed in it could pretend to be a line of ours.
fn one_line(text: &str) -> String {
    harmless(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn head(report: &ValidateReport, style: Style) -> String {
    let hub = &report.hub;
    if report.unread.is_some() {
        return format!("{}, namespace {}\n", one_line(&hub.context), one_line(&hub.namespace));
    }
    let release = |(name, version): (&String, &Option<String>)| {
        let version = version.as_deref().unwrap_or("not known");
        format!("{name} {version}")
    };
    let releases: Vec<String> = report.releases.iter().map(release).collect();
    let owner = format!("owner: {}", owners(report));
    let parts = [hub.context.as_str(), &hub.version, &hub.namespace, &owner, &releases.join(", ")].map(one_line);
    let between = if style.ascii { " | " } else { " · " };
    folded(&parts.join(between), "", style.width)
}

/// Who keeps the releases: once, where it is the same for both.
pub(super) fn owners(report: &ValidateReport) -> String {
    let mut owners: Vec<String> = report.owners.values().map(owner).collect();
    owners.dedup();
    owners.join(", ")
}

/// In the heading an owner's name is enough; why it could not be told stands with its check.
fn owner(owner: &Owner) -> String {
    match owner {
        Owner::Undetermined { .. } => "undetermined".to_owned(),
        Owner::Nobody | Owner::Helm | Owner::Flux { .. } | Owner::Appliance { .. } | Owner::Argo { .. } => {
            owner.to_string()
        }
    }
}

fn tally(section: Section, checks: &[&Checked], style: Style) -> (String, usize) {
    let counts = Counts::of(checks.iter().copied());
    let mut text = format!("{:<11}", section.title());
    let mut plain = columns_of(&text);
    let mut add = |mark: Mark, what: &str| {
        let _ = write!(text, "  {} {what}", style.mark(mark));
        plain += 3 + columns_of(what) + columns_of(&Style { colour: false, ..style }.mark(mark));
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
            add(Mark::Skip, &format!("skipped: {}", one_line(reason)));
        }
        _ => {}
    }
    (text, plain)
}

/// Quiet sections share lines, as many as the width takes.
fn flush(out: &mut String, quiet: &mut Vec<(String, usize)>, style: Style) {
    let mut used = 0;
    for (text, columns) in quiet.drain(..) {
        if used > 0 && used + GAP.len() + columns > style.width {
            out.push('\n');
            used = 0;
        }
        if used > 0 {
            out.push_str(GAP);
            used += GAP.len();
        }
        out.push_str(&text);
        used += columns;
    }
    if used > 0 {
        out.push('\n');
    }
}

fn lines(checked: &Checked, all: bool, style: Style) -> Vec<String> {
    match &checked.verdict {
        Verdict::Fail { findings } => findings.iter().map(|finding| finding_lines(finding, style)).collect(),
        Verdict::Undetermined { reason } if all => {
            vec![entry(Mark::Unknown, checked.check, &format!("could not look: {}", one_line(reason)), style)]
        }
        Verdict::Skipped { reason } if all => vec![entry(Mark::Skip, checked.check, &one_line(reason), style)],
        Verdict::Pass if all => {
            let times = if checked.looked_at > 1 { format!(" ({})", checked.looked_at) } else { String::new() };
            vec![entry(Mark::Pass, checked.check, &format!("{}{times}", checked.title), style)]
        }
        Verdict::Undetermined { .. } | Verdict::Skipped { .. } | Verdict::Pass => Vec::new(),
    }
}

/// Checks that could not look, told once for each reason: one missing right keeps many from looking.
fn unseen(checks: &[&Checked], style: Style) -> Vec<String> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for checked in checks {
        let Verdict::Undetermined { reason } = &checked.verdict else { continue };
        match reasons.iter_mut().find(|(known, _)| known == reason) {
            Some((_, names)) => names.push(checked.check),
            None => reasons.push((reason, vec![checked.check])),
        }
    }
    let told = |(reason, names): (&str, Vec<&str>)| {
        let colon = if names.len() > 1 { ":" } else { "" };
        entry(
            Mark::Unknown,
            &format!("{}{colon}", names.join(", ")),
            &format!("could not look: {}", one_line(reason)),
            style,
        )
    };
    reasons.into_iter().map(told).collect()
}

fn finding_lines(finding: &Finding, style: Style) -> String {
    let mark = match finding.level {
        Level::Error => Mark::Fail,
        Level::Warning => Mark::Warn,
        Level::Info => Mark::Skip,
    };
    let text = format!("{}: {}", one_line(&finding.subject), one_line(&finding.message));
    let mut lines = entry(mark, &finding.check, &text, style);
    if !finding.hint.is_empty() {
        // Never folded: it holds a command to copy, and a terminal's own folding copies whole.
        let _ = write!(lines, "\n      {} {}", style.arrow(), one_line(&finding.hint));
    }
    lines
}

fn entry(mark: Mark, check: &str, text: &str, style: Style) -> String {
    let plain = Style { colour: false, ..style }.mark(mark);
    let lead = format!("  {plain} {check:<22} ");
    let body = folded(&format!("{lead}{text}"), "      ", style.width);
    let body = body.trim_end().to_owned();
    body.replacen(&plain, &style.mark(mark), 1)
}

/// Folds at spaces; later lines begin with the indent. A word longer than the line stays whole.
fn folded(text: &str, indent: &str, width: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    for word in text.split_inclusive(' ') {
        let columns = columns_of(word.trim_end());
        if used > indent.len() && used + columns > width {
            out.truncate(out.trim_end().len());
            let _ = write!(out, "\n{indent}");
            used = indent.len();
        }
        out.push_str(word);
        used += columns_of(word);
    }
    out.push('\n');
    out
}

fn foot(counts: Counts, shown: Shown, style: Style) -> String {
    let mut parts = vec![format!("{} passed", counts.passed)];
    for (count, text) in [
        (counts.warnings, counted(counts.warnings, "warning")),
        (counts.errors, counted(counts.errors, "error")),
        (counts.notes, counted(counts.notes, "note")),
        (counts.undetermined, format!("{} undetermined", counts.undetermined)),
        (counts.skipped, format!("{} skipped", counts.skipped)),
    ] {
        if count > 0 {
            parts.push(text);
        }
    }
    let took = shown.elapsed.map_or_else(String::new, |elapsed| format!("{:.2}s   ", elapsed.as_secs_f64()));
    let between = if style.ascii { " | " } else { " · " };
    let text = format!("{}   {took}exit code {}", parts.join(between), shown.exit.code());
    folded(&text, "", style.width).trim_end().to_owned()
}
