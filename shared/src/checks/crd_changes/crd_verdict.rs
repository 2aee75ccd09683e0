//! Judges one CRD: from the changes between two CRDs and the evidence of objects to findings and a decision.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::checks::crd_changes::decision::CrdDecision;
use crate::checks::crd_changes::object_evidence::{Evidence, ObjectSource};
use crate::checks::crd_changes::{
    AffectedParty, ChangeCheck, conversion_webhook_unavailable, crd_removed, limit_outside_format,
    objects_already_invalid, objects_not_checked, rule_usability, select_check, served_versions_differ,
};
use crate::diff::{self, Change, ChangeKind, Effect, SchemaPath, TypeChange, VersionChange};
use crate::model::check::{Level, docs_link};
use crate::model::crd::Crd;
use crate::model::text_format::format_count;
use crate::schema::{ServerVersion, crd_rules};

/// One finding about a CRD.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CrdFinding {
    /// Severity, after evidence and waivers.
    pub level: Level,
    /// The check's id.
    pub check: &'static str,
    /// The version; `None` if it concerns the whole CRD.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Path in the schema, such as `^.spec.a`; `None` outside of the schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<SchemaPath>,
    /// Line in the file of the new CRD; `None` if it was not looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What changed, and how many objects it affects.
    pub message: String,
    /// The fix, from the card.
    pub hint: &'static str,
    /// Link to the documentation.
    pub docs: String,
    /// Reason of the waiver that accepts it.
    #[serde(rename = "waived", skip_serializing_if = "Option::is_none")]
    pub waiver_reason: Option<String>,
}

impl CrdFinding {
    /// The version in which the change takes effect: the second one of a pair.
    #[must_use]
    pub fn affected_version(&self) -> Option<&str> {
        self.version
            .as_deref()
            .map(|version| version.rsplit(served_versions_differ::VERSION_SEPARATOR).next().unwrap_or(version))
    }
}

/// The verdict on one CRD.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CrdVerdict {
    /// Name of the CRD.
    pub name: String,
    /// Summary of all findings.
    pub decision: CrdDecision,
    /// Messages with which the API server rejects it.
    pub server_errors: Vec<String>,
    /// The evidence of checked objects.
    pub evidence: Evidence,
    /// Findings, most severe first.
    pub findings: Vec<CrdFinding>,
    /// The decision if no finding is above info.
    #[serde(skip)]
    decision_without_findings: CrdDecision,
}

impl CrdVerdict {
    /// Sorts and decides again after waivers changed the levels.
    pub(crate) fn update_decision(&mut self) {
        self.findings.sort();
        self.decision = decide_from_findings(self.decision_without_findings, &self.findings, &self.server_errors);
    }
}

/// The answer of the API server to a dry run of the new CRD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerAnswer<'a> {
    /// No dry run was sent: the known rules of the API server are used instead.
    NotAsked,
    /// The API server accepts the CRD.
    Accepted,
    /// The API server rejects the CRD with this message.
    Rejected(&'a str),
}

impl ServerAnswer<'_> {
    fn errors(self, old: Option<&Crd>, new: &Crd) -> Vec<String> {
        match self {
            Self::NotAsked => predict_rejections(old, new),
            Self::Accepted => Vec::new(),
            Self::Rejected(words) => vec![words.to_owned()],
        }
    }
}

/// Judges the change from an old to a new CRD. A missing side means that the CRD is new or was removed from the chart.
///
/// # Panics
/// Never. Without both sides, the verdict is empty.
#[must_use]
pub fn judge_crd(
    old: Option<&Crd>,
    new: Option<&Crd>,
    evidence: Evidence,
    server: ServerVersion,
    server_answer: ServerAnswer<'_>,
) -> CrdVerdict {
    let name = new.or(old).map(|crd| crd.name().to_owned()).unwrap_or_default();
    let (Some(old), Some(new)) = (old, new) else {
        let decision = if new.is_some() { CrdDecision::New } else { CrdDecision::RemovedFromChart };
        let server_errors = new.map(|new| server_answer.errors(None, new)).unwrap_or_default();
        let decision = if server_errors.is_empty() { decision } else { CrdDecision::Rejected };
        let calm = if new.is_some() { CrdDecision::New } else { CrdDecision::RemovedFromChart };
        return CrdVerdict {
            name,
            decision,
            server_errors,
            evidence,
            findings: old.filter(|_| new.is_none()).map(find_removal).into_iter().collect(),
            decision_without_findings: calm,
        };
    };
    let server_errors = server_answer.errors(Some(old), new);
    let changes = diff::compare_crds(old.json(), new.json());
    let mut findings: Vec<CrdFinding> =
        changes.iter().filter_map(|change| find_in_change(change, &changes, &evidence)).collect();
    findings.extend(find_limits_outside_format(old, new, server));
    findings.extend(find_version_differences(old, new, &evidence));
    findings.extend(find_unusable_rules(old, new, server, server_answer));
    findings.extend(find_unjudged_objects(&changes, &evidence));
    findings.extend(find_already_invalid_objects(&evidence));
    let silent =
        evidence.webhook_failure.iter().filter(|_| new.versions().filter(|version| version.served).count() > 1);
    findings.extend(silent.map(|why| build_finding(&conversion_webhook_unavailable::CHECK, Level::Error, why.clone())));
    findings.sort();
    let calm = decision_without_findings(&changes);
    let decision = decide_from_findings(calm, &findings, &server_errors);
    CrdVerdict { name, decision, server_errors, evidence, findings, decision_without_findings: calm }
}

/// The rejections of the API server that can be predicted without a dry run.
fn predict_rejections(old: Option<&Crd>, new: &Crd) -> Vec<String> {
    let of_versions = old.map(|old| diff::predict_update_rejections(old.json(), new.json())).unwrap_or_default();
    let of_schemas = crd_rules::predict_schema_rejections(old.map(Crd::json), new.json());
    of_versions.iter().chain(&of_schemas).map(ToString::to_string).collect()
}

fn decide_from_findings(calm: CrdDecision, findings: &[CrdFinding], server_errors: &[String]) -> CrdDecision {
    if !server_errors.is_empty() {
        return CrdDecision::Rejected;
    }
    // What was wrong before the change says nothing about the change; a CRD that leaves is never written.
    let of_change = |finding: &&CrdFinding| finding.check != objects_already_invalid::CHECK.card.id;
    if calm == CrdDecision::RemovedFromChart {
        return calm;
    }
    match findings.iter().filter(of_change).map(|finding| finding.level).min() {
        Some(Level::Error) => CrdDecision::Breaking,
        Some(Level::Warning) => CrdDecision::Risky,
        _ => calm,
    }
}

fn decision_without_findings(changes: &[Change]) -> CrdDecision {
    if changes.is_empty() {
        CrdDecision::Unchanged
    } else if changes.iter().all(|change| change.kind.effect() == Effect::Text) {
        CrdDecision::Text
    } else {
        CrdDecision::Safe
    }
}

fn build_finding(check: &ChangeCheck, level: Level, message: String) -> CrdFinding {
    CrdFinding {
        level,
        check: check.card.id,
        version: None,
        path: None,
        line: None,
        message,
        hint: check.card.fix,
        docs: docs_link(check.card.id),
        waiver_reason: None,
    }
}

/// A CRD that only the old side holds. With the keep annotation helm leaves it on the cluster.
fn find_removal(old: &Crd) -> CrdFinding {
    let keeps = old.json()["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep";
    let (level, message) = if keeps {
        (
            Level::Warning,
            "the new side does not hold this CRD: it stays on the cluster (keep), and is no longer updated",
        )
    } else {
        (
            Level::Error,
            "the new side does not hold this CRD: helm upgrade deletes it with all its objects if a template rendered it",
        )
    };
    build_finding(&crd_removed::CHECK, level, message.to_owned())
}

/// What no object could be asked about: those that could not be read, and those that only a webhook can convert.
fn find_unjudged_objects(changes: &[Change], evidence: &Evidence) -> Vec<CrdFinding> {
    let check = &objects_not_checked::CHECK;
    let unread = evidence.undetermined.iter().map(|why| build_finding(check, Level::Error, why.clone()));
    let matters = |version: &str| {
        changes.iter().any(|change| {
            let here = change.version.as_deref().is_none_or(|changed| changed == version);
            let added = matches!(change.kind, ChangeKind::Version(VersionChange::Added { .. } | VersionChange::Served));
            here && (added || change.kind.effect() >= Effect::Risky)
        })
    };
    let converted = evidence.unjudged_versions.iter().filter(|version| matters(version)).map(|version| CrdFinding {
        version: Some(version.clone()),
        ..build_finding(
            check,
            Level::Warning,
            format!("a conversion webhook converts the objects to {version}: they are not checked in it"),
        )
    });
    unread.chain(converted).collect()
}

/// Objects that fit neither the old nor the new CRD.
fn find_already_invalid_objects(evidence: &Evidence) -> Option<CrdFinding> {
    let first = evidence.first_already_invalid.as_ref()?;
    let why = first.errors.first().map(|error| format!(": {} {}", error.path, error.message)).unwrap_or_default();
    let message = format!(
        "{} of {} objects fit neither the old nor the new CRD; the first is {} in {}{why}",
        evidence.objects_already_invalid, evidence.objects_checked, first.object, first.version
    );
    Some(build_finding(&objects_already_invalid::CHECK, Level::Warning, message))
}

/// The finding of one change; `None` for a text change. An error about objects becomes a warning if a complete check found no
/// affected object; a warning becomes an error if the check found stored objects that lose fields.
fn find_in_change(change: &Change, all: &[Change], evidence: &Evidence) -> Option<CrdFinding> {
    let check = select_check(change);
    let harmless = evidence.is_change_harmless(change, all);
    let level = match change.kind.effect() {
        Effect::Breaking if check.affects == AffectedParty::Objects && harmless => Level::Warning,
        Effect::Breaking => Level::Error,
        Effect::Risky if can_move_objects(change) && evidence.count_losing_fields_by(change) > 0 => Level::Error,
        Effect::Risky => Level::Warning,
        Effect::Safe => Level::Info,
        Effect::Text => return None,
    };
    let mut message = change.kind.to_string();
    if level != Level::Info && check.affects == AffectedParty::Objects {
        message.push_str(&describe_evidence(change, harmless, evidence));
    }
    Some(CrdFinding {
        version: change.version.clone(),
        path: change.path.clone(),
        ..build_finding(check, level, message)
    })
}

/// Whether the change has objects stored or converted in another version.
const fn can_move_objects(change: &Change) -> bool {
    matches!(change.kind, ChangeKind::Version(_) | ChangeKind::Serving(_))
}

/// The part of a message that counts affected objects: `; it affects 1 of 3 objects`. Empty if no objects were checked.
fn describe_evidence(change: &Change, harmless: bool, evidence: &Evidence) -> String {
    if evidence.source == ObjectSource::None {
        return String::new();
    }
    if evidence.undetermined.is_some() {
        return "; not all objects could be checked".to_owned();
    }
    let all = format_count(evidence.objects_checked, "object");
    let losing = evidence.count_losing_fields_by(change);
    match (evidence.objects_checked, evidence.count_affected_by(change)) {
        (0, _) if evidence.source == ObjectSource::Files => "; the files hold no object of this kind".to_owned(),
        (0, _) => "; there are no objects".to_owned(),
        _ if evidence.is_unjudged(change) => "; a webhook converts the objects: they are not checked".to_owned(),
        (_, 0) if matches!(change.kind, ChangeKind::Type(_)) && change.kind.effect() == Effect::Risky => {
            describe_default(change, evidence)
        }
        _ if can_move_objects(change) && losing > 0 => format!("; it removes fields of {losing} of {all}"),
        _ if harmless => format!("; it affects none of {all}"),
        (_, 0) => format!("; other changes affect {} of {all}", evidence.objects_affected),
        (_, affected) => format!("; it affects {affected} of {all}"),
    }
}

/// Which objects a default changes. The API server fills a default in on every read, so an object does not show whether it
/// stored the old one.
fn describe_default(change: &Change, evidence: &Evidence) -> String {
    let all = format_count(evidence.objects_checked, "object");
    match (&change.kind, evidence.count_defaulted_by(change)) {
        (ChangeKind::Type(TypeChange::DefaultAdded { .. }), 0) => format!("; it sets the value in none of {all}"),
        (ChangeKind::Type(TypeChange::DefaultAdded { .. }), count) => {
            format!("; it sets the value in {count} of {all}")
        }
        (ChangeKind::Type(TypeChange::DefaultRemoved { .. }), _) => {
            "; objects that never stored the value lose it".to_owned()
        }
        _ => "; objects that never stored the old value get the new one".to_owned(),
    }
}

/// Finds limits outside of their format that the old CRD does not have.
fn find_limits_outside_format(old: &Crd, new: &Crd, server: ServerVersion) -> Vec<CrdFinding> {
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
            ..build_finding(
                &limit_outside_format::CHECK,
                level,
                format!("{wrong}: from Kubernetes 1.36, the API server rejects every value"),
            )
        })
        .collect()
}

/// New rules that this server may not take. A server that took the CRD has answered the question.
fn find_unusable_rules(
    old: &Crd,
    new: &Crd,
    server: ServerVersion,
    server_answer: ServerAnswer<'_>,
) -> Vec<CrdFinding> {
    let mut all = rule_usability::find(old, new, server);
    if server_answer == ServerAnswer::NotAsked {
        all.extend(rule_usability::find_type_errors(old, new));
        all.extend(rule_usability::find_not_estimated(old, new));
    }
    let all = all.into_iter();
    all.map(|one| CrdFinding {
        version: Some(one.version),
        path: Some(one.path),
        ..build_finding(one.check, one.level, one.message)
    })
    .collect()
}

/// Finds pairs of served versions that start to differ. If the storage version moves to one that lacks a field, stored objects
/// lose it: as for a field that is removed, that is an error until all objects were checked.
fn find_version_differences(old: &Crd, new: &Crd, evidence: &Evidence) -> Vec<CrdFinding> {
    let known = served_versions_differ::find(old);
    let fresh = served_versions_differ::find(new).into_iter().filter(|pair| !known.contains(pair));
    let (from, to) = (old.storage_version(), new.storage_version());
    let moved = format!("{from}{}{to}", served_versions_differ::VERSION_SEPARATOR);
    let level_of = |one: &served_versions_differ::VersionDifference| match evidence.is_harmless() {
        true => Level::Info,
        false if one.loses_field && one.versions == moved && !evidence.is_complete() => Level::Error,
        false => Level::Warning,
    };
    let to_finding = |one: served_versions_differ::VersionDifference| {
        let level = level_of(&one);
        CrdFinding {
            version: Some(one.versions),
            path: one.path,
            ..build_finding(&served_versions_differ::CHECK, level, one.message)
        }
    };
    fresh.map(to_finding).collect()
}
