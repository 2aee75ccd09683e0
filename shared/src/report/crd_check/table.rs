//! The review for a person.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{CrdCheck, place, shown, telling};
use crate::checks::crd_changes::decision::CrdDecision;
use crate::checks::crd_changes::evidence::{ObjectVerdict, Source};
use crate::checks::crd_changes::{CrdFinding, CrdVerdict, Hurts, checks};
use crate::model::check::Level;
use crate::model::words;
use crate::report::style::{Mark, Style, columns_of, harmless, padded};
use crate::schema::Verdict;

/// Lines of one check in one CRD; `--all` shows every one.
const LINES: usize = 6;
/// Objects that are told by name in one CRD.
const OBJECTS: usize = 3;

/// The gravest first; each check is explained once.
pub(super) fn render(check: &CrdCheck, style: Style, all: bool) -> String {
    let mut page = Page { out: String::new(), explained: BTreeSet::new(), style, all };
    for crd in check.crds.iter().filter(|crd| all || telling(crd)) {
        page.crd(crd);
    }
    let others: Vec<&CrdVerdict> = check.crds.iter().filter(|crd| !all && !telling(crd)).collect();
    let mut out = page.out;
    if !others.is_empty() {
        let (mark, number) = (style.mark(Mark::Skip), words::counted(others.len(), "other"));
        let _ = writeln!(out, "{mark} {number}{}--all shows them", counted(&others));
    }
    for note in &check.notes {
        let _ = writeln!(out, "{} {}", style.mark(Mark::Warn), harmless(note));
    }
    let _ = writeln!(out, "\n{}", check.summary());
    if let Some(next) = next(check) {
        let _ = writeln!(out, "{} {next}", style.arrow());
    }
    out
}

/// What makes the review better: objects, where only they can tell how grave it is.
fn next(check: &CrdCheck) -> Option<&'static str> {
    let of_objects = |id: &str| checks().any(|check| check.card.id == id && check.hurts == Hurts::Objects);
    let mut findings = check.crds.iter().flat_map(|crd| &crd.findings);
    let could_sink = findings.any(|finding| finding.level == Level::Error && of_objects(finding.check));
    (could_sink && check.evidence == Source::None).then_some(
        "whether anybody is hurt, objects tell: --objects DIR, or the cluster's own: helm mural crds check NEW",
    )
}

struct Page {
    out: String,
    explained: BTreeSet<&'static str>,
    style: Style,
    all: bool,
}

impl Page {
    fn crd(&mut self, crd: &CrdVerdict) {
        let mark = match crd.decision {
            CrdDecision::Refused | CrdDecision::Breaking => Mark::Fail,
            CrdDecision::Risky => Mark::Warn,
            CrdDecision::Gone | CrdDecision::Unchanged => Mark::Skip,
            CrdDecision::New | CrdDecision::Safe | CrdDecision::Text => Mark::Pass,
        };
        let name = self.style.bold(&harmless(&crd.name));
        let _ = writeln!(self.out, "{} {name:<62} {}", self.style.mark(mark), crd.decision.word());
        for words in &crd.server_errors {
            let _ = writeln!(self.out, "    the API server refuses it: {}", harmless(words));
        }
        let told: Vec<&CrdFinding> = crd.findings.iter().filter(|finding| self.all || shown(finding)).collect();
        let by_check = || told.chunk_by(|one, other| (one.check, one.level) == (other.check, other.level));
        let widths = by_check().flat_map(|of_check| merged(of_check).into_iter().take(LINES));
        let width = widths.map(|(place, _)| columns_of(&place)).max().unwrap_or_default().clamp(34, 48);
        for of_check in by_check() {
            self.check(of_check, width);
        }
        for one in crd.evidence.objects.iter().take(OBJECTS) {
            let _ = writeln!(self.out, "    {}", harmless(&object(one)));
        }
        let more = crd.evidence.hurt.saturating_sub(OBJECTS);
        if more > 0 {
            let _ = writeln!(self.out, "    and {more} more; -o json names the first 20");
        }
    }

    /// What one check found in a CRD: the same in several versions is one line.
    fn check(&mut self, findings: &[&CrdFinding], width: usize) {
        let Some(first) = findings.first() else { return };
        let lines = merged(findings);
        let most = if self.all { lines.len() } else { LINES };
        let mark = match first.level {
            Level::Error => Mark::Fail,
            Level::Warning => Mark::Warn,
            Level::Info => Mark::Pass,
        };
        for (place, message) in lines.iter().take(most) {
            let (mark, place) = (self.style.mark(mark), padded(&harmless(place), width));
            let _ = writeln!(self.out, "  {mark} {place}  {}", harmless(message));
        }
        if lines.len() > most {
            let _ = writeln!(self.out, "    … and {} more of {}; --all shows them", lines.len() - most, first.check);
        }
        self.explain(first);
    }

    /// Why it matters and what to do, where it was not said yet.
    fn explain(&mut self, finding: &CrdFinding) {
        if finding.level == Level::Info || !self.explained.insert(finding.check) {
            return;
        }
        if let Some(check) = checks().find(|check| check.card.id == finding.check) {
            let why = format!("{}: {}", check.card.id, check.card.why);
            let _ = writeln!(self.out, "      {}", self.style.dim(&why));
            let _ = writeln!(self.out, "      {} {}", self.style.arrow(), check.card.fix);
        }
    }
}

/// Places and messages, the versions of one change side by side.
pub(super) fn merged(findings: &[&CrdFinding]) -> Vec<(String, String)> {
    let mut lines: Vec<(String, String, Option<String>)> = Vec::new();
    for finding in findings {
        let waived = finding.waived.as_ref().map(|reason| format!("  (waived: {reason})")).unwrap_or_default();
        let message = format!("{}{waived}", finding.message);
        let path = finding.path.as_ref().map(ToString::to_string);
        let same = lines.iter_mut().find(|(_, told, of)| *told == message && of.is_some() && *of == path);
        match (same, &finding.version, &path) {
            (Some((place, ..)), Some(version), Some(path)) => {
                let versions = place.strip_suffix(path.as_str()).unwrap_or_default().trim_end().to_owned();
                *place = format!("{versions}, {version} {path}");
            }
            _ => lines.push((place(finding), message, path)),
        }
    }
    lines.into_iter().map(|(place, message, _)| (place, message)).collect()
}

/// Who is hurt, by what, and what of it the server lets pass.
pub(super) fn object(one: &ObjectVerdict) -> String {
    let file = if one.source == "live" { String::new() } else { format!(" ({})", one.source) };
    let lost = if one.pruned.is_empty() { None } else { Some(format!("loses {}", one.pruned.join(", "))) };
    let refused = one.errors.first().map(|error| match (&one.create, error.path.as_str()) {
        (Verdict::Invalid, "") => error.message.clone(),
        (_, path) => format!("{path} {}", error.message),
    });
    let stays = if refused.is_some() && one.unchanged_update == Verdict::Valid {
        "; it may stay as it is, and cannot be made again so"
    } else {
        ""
    };
    let why: Vec<String> = refused.into_iter().chain(lost).collect();
    format!("{}{file} in {}: {}{stays}", one.object, one.version, why.join("; "))
}

/// `: 21 unchanged, 7 safe; `
fn counted(crds: &[&CrdVerdict]) -> String {
    let kinds = [CrdDecision::New, CrdDecision::Safe, CrdDecision::Text, CrdDecision::Unchanged, CrdDecision::Gone];
    let count = |kind: CrdDecision| crds.iter().filter(|crd| crd.decision == kind).count();
    let told: Vec<String> = kinds
        .into_iter()
        .filter(|kind| count(*kind) > 0)
        .map(|kind| format!("{} {}", count(kind), kind.word()))
        .collect();
    format!(": {}; ", told.join(", "))
}
