//! `.mural-waivers.yaml`: findings that somebody answers for, and levels of one's own.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Deserialize;
use serde_json::Value;

use super::{CrdFinding, CrdVerdict, checks};
use crate::checks::Level;
use crate::checks::catalogue::did_you_mean;
use crate::model::yaml::{self, Quote};

/// The file, as somebody wrote it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Read one by one, so that an error can say which.
    #[serde(default)]
    waivers: Vec<Value>,
    #[serde(default)]
    levels: BTreeMap<String, Level>,
}

/// What the file says.
#[derive(Debug, Clone, Default)]
pub struct Waivers {
    /// Findings that somebody answers for.
    waivers: Vec<Waiver>,
    /// Levels of one's own, by check.
    levels: BTreeMap<String, Level>,
}

/// One of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Waiver {
    /// The check's id.
    check: String,
    /// `CRD`, or `CRD PATH`; `*` stands for any text.
    subject: String,
    /// Why it is acceptable.
    reason: String,
    /// The last day on which it holds.
    #[serde(deserialize_with = "day")]
    expires: Date,
}

fn day<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Date, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| serde::de::Error::custom(format!("expires: {text:?} is no day, such as 2027-01-31")))
}

/// Something about the file itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// `waiver-expired` or `waiver-unused`
    pub check: &'static str,
    /// Which: the check, and what it is waived for.
    pub subject: String,
    /// Which waiver, and what to do.
    pub message: String,
}

impl Waivers {
    /// Reads the file's text.
    ///
    /// # Errors
    /// In words, with the line where there is one: no YAML, a word that is not known, a check that there is not, no reason.
    pub fn read(text: &str) -> Result<Self, String> {
        let document = yaml::document(text, Quote::Snippet).map_err(|error| error.to_string())?;
        let File { waivers, levels } = serde_json::from_value(document).map_err(|error| error.to_string())?;
        let each = waivers.into_iter().enumerate();
        let each =
            each.map(|(at, one)| serde_json::from_value(one).map_err(|error| format!("waiver {}: {error}", at + 1)));
        let read = Self { waivers: each.collect::<Result<_, _>>()?, levels };
        let named = read.waivers.iter().map(|waiver| &waiver.check).chain(read.levels.keys());
        for name in named {
            if !checks().any(|check| check.card.id == name) {
                let alike = did_you_mean(name, checks().map(|check| check.card.id));
                let alike = alike.unwrap_or_else(|| "helm mural crds check --explain all lists them".to_owned());
                return Err(format!("there is no check {name:?}: {alike}"));
            }
        }
        match read.waivers.iter().find(|waiver| waiver.reason.trim().is_empty()) {
            Some(waiver) => Err(format!("the waiver of {} for {:?} has no reason", waiver.check, waiver.subject)),
            None => Ok(read),
        }
    }

    /// Applies them: levels first, then who is waived. What is expired waives nothing and is told, and so is what nobody needs.
    pub fn apply(&self, verdicts: &mut [CrdVerdict], today: Date) -> Vec<Note> {
        let mut used = vec![false; self.waivers.len()];
        for verdict in verdicts {
            for finding in &mut verdict.findings {
                if let Some(level) = self.levels.get(finding.check) {
                    finding.level = *level;
                }
                for (waiver, used) in self.waivers.iter().zip(&mut used) {
                    if waiver.fits(&verdict.name, finding) {
                        *used = true;
                        if waiver.expires >= today {
                            finding.waived = Some(waiver.reason.clone());
                        }
                    }
                }
            }
            if !self.levels.is_empty() {
                verdict.decide();
            }
        }
        self.waivers.iter().zip(used).filter_map(|(waiver, used)| waiver.note(used, today)).collect()
    }
}

impl Waiver {
    fn fits(&self, crd: &str, finding: &CrdFinding) -> bool {
        let path = finding.path.as_ref().map(ToString::to_string).unwrap_or_default();
        let whole = format!("{crd} {path}");
        let subject = self.subject.trim();
        self.check == finding.check && (glob(subject, crd) || glob(subject, whole.trim()))
    }

    fn note(&self, used: bool, today: Date) -> Option<Note> {
        let Self { check, subject, expires, .. } = self;
        let shown = format!("waiver of {check} for {subject}");
        if *expires < today {
            let message =
                format!("the waiver of {check} for {subject:?} expired on {expires}: look again, or renew it");
            return Some(Note { check: "waiver-expired", subject: shown, message });
        }
        let message = format!("the waiver of {check} for {subject:?} waives nothing any more: take it out");
        (!used).then_some(Note { check: "waiver-unused", subject: shown, message })
    }
}

/// `*` stands for any text, the rest for itself.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        assert!(glob("a.*", "a.b.c") && glob("*", "") && glob("a*c*e", "abcde") && glob("x", "x"));
        assert!(!glob("a.*", "b.a.c") && !glob("x", "xy") && !glob("a*c", "ab"));
    }

    #[test]
    fn a_typo_is_told() {
        let wrong = |text: &str| Waivers::read(text).unwrap_err();
        assert!(
            wrong("waivers: [{check: enum-chnaged, subject: x, reason: nobody, expires: 2027-01-01}]")
                .contains("enum-chnaged")
        );
        assert!(wrong("waiver: []").contains("waiver"));
        assert!(
            wrong("waivers: [{check: enum-changed, subject: x, reason: ' ', expires: 2027-01-01}]")
                .contains("no reason")
        );
        assert!(wrong("waivers: [{check: enum-changed, subject: x, reason: nobody, expires: soon}]").contains("soon"));
        assert!(Waivers::read("").is_ok());
    }
}
