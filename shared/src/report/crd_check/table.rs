//! Renders the verdicts on CRDs as text.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{CrdCheck, format_location, is_visible_crd, is_visible_finding};
use crate::checks::crd_changes::decision::CrdDecision;
use crate::checks::crd_changes::object_evidence::{ObjectOrigin, ObjectSource, ObjectVerdict};
use crate::checks::crd_changes::{AffectedParty, CrdFinding, CrdVerdict, checks};
use crate::model::check::Level;
use crate::model::text_format;
use crate::problem::Exit;
use crate::report::style::{Mark, Style, display_width, pad_to, sanitize};
use crate::schema::Validity;

/// How many lines one check has in one CRD. `--all` lists all.
const MAX_LINES_PER_CHECK: usize = 6;
/// How many affected objects are listed for one CRD.
const MAX_LISTED_OBJECTS: usize = 3;

/// Writes the most severe CRDs first and explains each check once.
pub(super) fn render(check: &CrdCheck, style: Style, all: bool, exit: Exit) -> String {
    let CrdCheck {
        api_version: _,
        kind: _,
        old: _,
        new: _,
        server_version: _,
        evidence: _,
        objects_checked: _,
        crds,
        affected_objects: _,
        waiver_notes,
        files: _,
    } = check;
    let mut page = TableWriter { out: String::new(), explained_checks: BTreeSet::new(), style, show_all: all };
    for crd in crds.iter().filter(|crd| all || is_visible_crd(crd)) {
        page.write_crd(crd);
    }
    let others: Vec<&CrdVerdict> = crds.iter().filter(|crd| !all && !is_visible_crd(crd)).collect();
    let mut out = page.out;
    if !others.is_empty() {
        let (mark, number) = (style.mark(Mark::Skip), text_format::format_count(others.len(), "other"));
        let _ = writeln!(out, "{mark} {number}{}list them with --all", count_decisions(&others));
    }
    for note in waiver_notes {
        let _ = writeln!(out, "{} {}", style.mark(Mark::Warn), sanitize(note));
    }
    let _ = writeln!(out, "\n{}   exit code {}", check.summarize(), exit.code());
    if let Some(next) = suggest_next_step(check) {
        let _ = writeln!(out, "{} {next}", style.arrow());
    }
    out
}

/// The next step if only objects show whether a change affects anyone.
fn suggest_next_step(check: &CrdCheck) -> Option<String> {
    let of_objects = |id: &str| checks().any(|check| check.card.id == id && check.affects == AffectedParty::Objects);
    let mut findings = check.crds.iter().flat_map(|crd| &crd.findings);
    let could_sink = findings.any(|finding| finding.level == Level::Error && of_objects(finding.check));
    (could_sink && check.evidence == ObjectSource::None).then(|| {
        format!(
            "check the live objects to see whether any is affected: helm mural crds check {}; or use --objects DIR",
            sanitize(&check.new)
        )
    })
}

struct TableWriter {
    out: String,
    explained_checks: BTreeSet<&'static str>,
    style: Style,
    show_all: bool,
}

impl TableWriter {
    fn write_crd(&mut self, crd: &CrdVerdict) {
        let mark = match crd.decision {
            CrdDecision::Rejected | CrdDecision::Breaking => Mark::Fail,
            CrdDecision::Undetermined => Mark::Unknown,
            CrdDecision::Risky => Mark::Warn,
            CrdDecision::RemovedFromChart if crd.findings.iter().any(|finding| finding.level == Level::Error) => {
                Mark::Fail
            }
            CrdDecision::RemovedFromChart | CrdDecision::Unchanged => Mark::Skip,
            CrdDecision::New | CrdDecision::Safe | CrdDecision::Text => Mark::Pass,
        };
        let name = self.style.bold(&sanitize(&crd.name));
        let _ = writeln!(self.out, "{} {name:<62} {}", self.style.mark(mark), crd.decision.as_str());
        for words in &crd.server_errors {
            let _ = writeln!(self.out, "    the API server rejects it: {}", sanitize(words));
        }
        let findings: Vec<&CrdFinding> =
            crd.findings.iter().filter(|finding| self.show_all || is_visible_finding(finding)).collect();
        let by_check = || findings.chunk_by(|one, other| (one.check, one.level) == (other.check, other.level));
        let widths = by_check().flat_map(|of_check| merge_versions(of_check).into_iter().take(MAX_LINES_PER_CHECK));
        let width = widths.map(|(place, _)| display_width(&place)).max().unwrap_or_default().clamp(34, 48);
        for of_check in by_check() {
            self.write_check(of_check, width);
        }
        for object in crd.evidence.objects.iter().take(MAX_LISTED_OBJECTS) {
            let _ = writeln!(self.out, "    {}", sanitize(&describe_object(object)));
        }
        let remainder = crd.evidence.objects_affected.saturating_sub(MAX_LISTED_OBJECTS);
        if remainder > 0 {
            let _ = writeln!(self.out, "    and {remainder} more (-o json lists the first 20)");
        }
    }

    /// The findings of one check in a CRD. The same finding in several versions is one line.
    fn write_check(&mut self, findings: &[&CrdFinding], width: usize) {
        let Some(first) = findings.first() else { return };
        let lines = merge_versions(findings);
        let limit = if self.show_all { lines.len() } else { MAX_LINES_PER_CHECK };
        let mark = match first.level {
            Level::Error => Mark::Fail,
            Level::Warning => Mark::Warn,
            Level::Info => Mark::Pass,
        };
        for (place, message) in lines.iter().take(limit) {
            let (mark, place) = (self.style.mark(mark), pad_to(&sanitize(place), width));
            let _ = writeln!(self.out, "  {mark} {place}  {}", sanitize(message));
        }
        if lines.len() > limit {
            let _ =
                writeln!(self.out, "    … and {} more of {}; list them with --all", lines.len() - limit, first.check);
        }
        self.write_explanation(first);
    }

    /// The reason and the next step of a check, once per report.
    fn write_explanation(&mut self, finding: &CrdFinding) {
        if finding.level == Level::Info || !self.explained_checks.insert(finding.check) {
            return;
        }
        if let Some(check) = checks().find(|check| check.card.id == finding.check) {
            let why = format!("{}: {}", check.card.id, check.card.why);
            let _ = writeln!(self.out, "      {}", self.style.dim(&why));
            let _ = writeln!(self.out, "      {} {}", self.style.arrow(), check.card.fix);
        }
    }
}

/// Joins the places and messages of one change in several versions.
pub(super) fn merge_versions(findings: &[&CrdFinding]) -> Vec<(String, String)> {
    let mut lines: Vec<(String, String, Option<String>)> = Vec::new();
    for finding in findings {
        let waived = finding.waiver_reason.as_ref().map(|reason| format!("  (waived: {reason})")).unwrap_or_default();
        let message = format!("{}{waived}", finding.message);
        let path = finding.path.as_ref().map(ToString::to_string);
        let same = lines.iter_mut().find(|(_, text, of)| *text == message && of.is_some() && *of == path);
        match (same, &finding.version, &path) {
            (Some((place, ..)), Some(version), Some(path)) => {
                let versions = place.strip_suffix(path.as_str()).unwrap_or_default().trim_end().to_owned();
                *place = format!("{versions}, {version} {path}");
            }
            _ => lines.push((format_location(finding), message, path)),
        }
    }
    lines.into_iter().map(|(place, message, _)| (place, message)).collect()
}

/// The object, the reason, and whether it can stay as it is.
pub(super) fn describe_object(one: &ObjectVerdict) -> String {
    let file = match &one.source {
        ObjectOrigin::Live => String::new(),
        source @ ObjectOrigin::File { .. } => format!(" ({source})"),
    };
    let lost = if one.pruned.is_empty() { None } else { Some(format!("loses {}", one.pruned.join(", "))) };
    let refused = one.errors.first().map(|error| match (&one.create, error.path.as_str()) {
        (Validity::Invalid, "") => error.message.clone(),
        (_, path) => format!("{path} {}", error.message),
    });
    let stays = if refused.is_some() && lost.is_none() && one.unchanged_update == Validity::Valid {
        "; it can stay as it is, but cannot be created like this"
    } else {
        ""
    };
    let why: Vec<String> = refused.into_iter().chain(lost).collect();
    format!("{}{file} in {}: {}{stays}", one.object, one.version, why.join("; "))
}

/// `: 21 unchanged, 7 safe; `
fn count_decisions(crds: &[&CrdVerdict]) -> String {
    let kinds =
        [CrdDecision::New, CrdDecision::Safe, CrdDecision::Text, CrdDecision::Unchanged, CrdDecision::RemovedFromChart];
    let count = |kind: CrdDecision| crds.iter().filter(|crd| crd.decision == kind).count();
    let parts: Vec<String> = kinds
        .into_iter()
        .filter(|kind| count(*kind) > 0)
        .map(|kind| format!("{} {}", count(kind), kind.as_str()))
        .collect();
    format!(": {}; ", parts.join(", "))
}
