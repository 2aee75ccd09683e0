//! From two CRDs, and what their objects say, to findings and a decision.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::checks::crd_changes::decision::CrdDecision;
use crate::checks::crd_changes::evidence::{Evidence, Source};
use crate::checks::crd_changes::{
    Check, Hurts, claim, limit_outside_format, rule_use, served_versions, unjudged, webhook,
};
use crate::diff::{self, Change, Effect, SchemaPath};
use crate::model::check::Level;
use crate::model::crd::Crd;
use crate::schema::{ServerVersion, written};

/// One trouble of a CRD.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CrdFinding {
    /// How grave.
    pub level: Level,
    /// The check's id.
    pub check: &'static str,
    /// In which version; none where it is about the whole CRD.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where in the schema: `^.spec.a`; none outside of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<SchemaPath>,
    /// On which line of the new CRD's file; none where it was not looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What changed, and who is hurt.
    pub message: String,
    /// What to do.
    pub hint: &'static str,
    /// The documentation anchor.
    pub docs: String,
    /// Why somebody answers for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waived: Option<String>,
}

impl CrdFinding {
    /// In which version it stands: of a pair, the second.
    #[must_use]
    pub fn stands_in(&self) -> Option<&str> {
        self.version.as_deref().map(|version| version.rsplit(served_versions::BETWEEN).next().unwrap_or(version))
    }
}

/// What becomes of one CRD.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CrdVerdict {
    /// Its name.
    pub name: String,
    /// In one word.
    pub decision: CrdDecision,
    /// Why the API server would refuse it, in its own words.
    pub server_errors: Vec<String>,
    /// What was looked at besides the two CRDs.
    pub evidence: Evidence,
    /// What was found, gravest first.
    pub findings: Vec<CrdFinding>,
    /// What it would be without any finding above a note.
    #[serde(skip)]
    calm: CrdDecision,
}

impl CrdVerdict {
    /// Decides anew and sorts, after levels were set by hand.
    pub(crate) fn decide(&mut self) {
        self.findings.sort();
        self.decision = decided(self.calm, &self.findings, &self.server_errors);
    }
}

/// What the API server says of the new CRD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked<'a> {
    /// It was not asked: what is known of it here counts.
    Nobody,
    /// It takes it.
    Takes,
    /// It refuses it, in these words.
    Refuses(&'a str),
}

impl Asked<'_> {
    fn errors(self, old: Option<&Crd>, new: &Crd) -> Vec<String> {
        match self {
            Self::Nobody => refusals(old, new),
            Self::Takes => Vec::new(),
            Self::Refuses(words) => vec![words.to_owned()],
        }
    }
}

/// Judges what becomes of a CRD.
///
/// # Panics
/// Never: one side at least must be there, and without both it is an empty verdict.
#[must_use]
pub fn judge(
    old: Option<&Crd>,
    new: Option<&Crd>,
    evidence: Evidence,
    server: ServerVersion,
    asked: Asked<'_>,
) -> CrdVerdict {
    let name = new.or(old).map(|crd| crd.name().to_owned()).unwrap_or_default();
    let (Some(old), Some(new)) = (old, new) else {
        let decision = if new.is_some() { CrdDecision::New } else { CrdDecision::Gone };
        let server_errors = new.map(|new| asked.errors(None, new)).unwrap_or_default();
        let decision = if server_errors.is_empty() { decision } else { CrdDecision::Refused };
        let calm = if new.is_some() { CrdDecision::New } else { CrdDecision::Gone };
        return CrdVerdict { name, decision, server_errors, evidence, findings: Vec::new(), calm };
    };
    let server_errors = asked.errors(Some(old), new);
    let changes = diff::crd_changes(old.json(), new.json());
    let mut findings: Vec<CrdFinding> =
        changes.iter().filter_map(|change| of_change(change, &changes, &evidence)).collect();
    findings.extend(limits(old, new, server));
    findings.extend(versions(old, new, &evidence));
    findings.extend(rules(old, new, server));
    findings.extend(evidence.undetermined.iter().map(|why| finding(&unjudged::CHECK, Level::Error, why.clone())));
    let silent = evidence.silent_webhook.iter().filter(|_| new.versions().filter(|version| version.served).count() > 1);
    findings.extend(silent.map(|why| finding(&webhook::CHECK, Level::Error, why.clone())));
    findings.sort();
    let calm = calm(&changes);
    let decision = decided(calm, &findings, &server_errors);
    CrdVerdict { name, decision, server_errors, evidence, findings, calm }
}

/// What the server says when a CRD is written, as far as it is known here.
fn refusals(old: Option<&Crd>, new: &Crd) -> Vec<String> {
    let of_versions = old.map(|old| diff::server_refusals(old.json(), new.json())).unwrap_or_default();
    let of_schemas = written::refused(old.map(Crd::json), new.json());
    of_versions.iter().chain(&of_schemas).map(ToString::to_string).collect()
}

fn decided(calm: CrdDecision, findings: &[CrdFinding], server_errors: &[String]) -> CrdDecision {
    if !server_errors.is_empty() {
        return CrdDecision::Refused;
    }
    match findings.iter().map(|finding| finding.level).min() {
        Some(Level::Error) => CrdDecision::Breaking,
        Some(Level::Warning) => CrdDecision::Risky,
        _ => calm,
    }
}

fn calm(changes: &[Change]) -> CrdDecision {
    if changes.is_empty() {
        CrdDecision::Unchanged
    } else if changes.iter().all(|change| change.kind.effect() == Effect::Text) {
        CrdDecision::Text
    } else {
        CrdDecision::Safe
    }
}

fn finding(check: &Check, level: Level, message: String) -> CrdFinding {
    CrdFinding {
        level,
        check: check.card.id,
        version: None,
        path: None,
        line: None,
        message,
        hint: check.card.fix,
        docs: format!("CHECKS.md#{}", check.card.id),
        waived: None,
    }
}

/// What text changes say is no finding. An error that only objects could prove sinks when a complete look found nobody hurt.
fn of_change(change: &Change, all: &[Change], evidence: &Evidence) -> Option<CrdFinding> {
    let check = claim(change);
    let harmless = evidence.hurt_elsewhere(change, all);
    let level = match change.kind.effect() {
        Effect::Breaking if check.hurts == Hurts::Objects && harmless => Level::Warning,
        Effect::Breaking => Level::Error,
        Effect::Risky => Level::Warning,
        Effect::Safe => Level::Info,
        Effect::Text => return None,
    };
    let mut message = change.kind.to_string();
    if level != Level::Info && check.hurts == Hurts::Objects {
        message.push_str(&told(change, harmless, evidence));
    }
    Some(CrdFinding { version: change.version.clone(), path: change.path.clone(), ..finding(check, level, message) })
}

/// Who is hurt, in words.
fn told(change: &Change, harmless: bool, evidence: &Evidence) -> String {
    if evidence.source == Source::None {
        return String::new();
    }
    if evidence.undetermined.is_some() {
        return "; not all objects could be judged".to_owned();
    }
    match (evidence.looked_at, evidence.hurt_by(change)) {
        (0, _) => "; there are no objects".to_owned(),
        (all, _) if harmless => format!("; none of {all} objects is hurt by it"),
        (all, 0) => format!("; {} of {all} objects are hurt elsewhere", evidence.hurt),
        (all, hurt) => format!("; {hurt} of {all} objects hurt"),
    }
}

/// Limits outside of their format that the old CRD did not have.
fn limits(old: &Crd, new: &Crd, server: ServerVersion) -> Vec<CrdFinding> {
    let of = |crd: &Crd| -> BTreeMap<(String, SchemaPath), String> {
        let versions = crd.json().pointer("/spec/versions").and_then(Value::as_array).into_iter().flatten();
        let all = versions.flat_map(|version| {
            let name = version["name"].as_str().unwrap_or_default().to_owned();
            let found = limit_outside_format::find(&version["schema"]["openAPIV3Schema"]);
            found.into_iter().map(move |(path, wrong)| ((name.clone(), path), wrong))
        });
        all.collect()
    };
    let known = of(old);
    let level = if server >= ServerVersion::new(1, 36) { Level::Error } else { Level::Warning };
    let fresh = of(new).into_iter().filter(|(place, _)| !known.contains_key(place));
    fresh
        .map(|((version, path), wrong)| CrdFinding {
            version: Some(version),
            path: Some(path),
            ..finding(&limit_outside_format::CHECK, level, format!("{wrong}: every value is refused from 1.36 on"))
        })
        .collect()
}

/// New rules that this server may not take.
fn rules(old: &Crd, new: &Crd, server: ServerVersion) -> Vec<CrdFinding> {
    let all = rule_use::find(old, new, server).into_iter();
    all.map(|one| CrdFinding {
        version: Some(one.version),
        path: Some(one.path),
        ..finding(one.check, one.level, one.message)
    })
    .collect()
}

/// Pairs of served versions that differ now and did not before.
fn versions(old: &Crd, new: &Crd, evidence: &Evidence) -> Vec<CrdFinding> {
    let known = served_versions::find(old);
    let fresh = served_versions::find(new).into_iter().filter(|pair| !known.contains(pair));
    let level = if evidence.nobody_hurt() { Level::Info } else { Level::Warning };
    let told = |one: served_versions::Difference| CrdFinding {
        version: Some(one.pair),
        path: one.path,
        ..finding(&served_versions::CHECK, level, one.what)
    };
    fresh.map(told).collect()
}
