//! `.mural-waivers.yaml`: the findings that the operator accepts, and levels that replace the CRD checks' own.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Deserialize;
use serde_json::Value;

use crate::model::check::Level;
use crate::model::yaml::{self, ErrorDetail};
use crate::problem::suggest::did_you_mean;

/// The form of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WaiverFile {
    /// Parsed one by one, so that an error shows the number of the waiver.
    #[serde(default)]
    waivers: Vec<Value>,
    #[serde(default)]
    levels: BTreeMap<String, Level>,
}

/// The accepted findings and levels of a waiver file.
#[derive(Debug, Clone, Default)]
pub struct Waivers {
    /// The accepted findings.
    pub(crate) waivers: Vec<Waiver>,
    /// Levels that replace those of the checks, by check id.
    pub(crate) levels: BTreeMap<String, Level>,
}

/// One accepted finding.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Waiver {
    /// The check's id.
    pub(crate) check: String,
    /// The subject of the finding: of a CRD check `CRD` or `CRD PATH`; `*` stands for any text.
    pub(crate) subject: String,
    /// The reason why the finding is acceptable.
    pub(crate) reason: String,
    /// The last day of the waiver.
    #[serde(deserialize_with = "parse_date")]
    pub(crate) expires: Date,
}

fn parse_date<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Date, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| serde::de::Error::custom(format!("expires: {text:?} is not a date such as 2027-01-31")))
}

impl Waivers {
    /// Parses the text of the file. `known` are the ids of the checks.
    ///
    /// # Errors
    /// The reason, with the line if it is known: invalid YAML, an unknown key or check, or a waiver without a reason.
    pub fn read(text: &str, known: &[&'static str]) -> Result<Self, String> {
        let document = yaml::parse_document(text, ErrorDetail::Snippet).map_err(|error| error.to_string())?;
        let WaiverFile { waivers, levels } = serde_json::from_value(document).map_err(|error| error.to_string())?;
        let each = waivers.into_iter().enumerate();
        let each =
            each.map(|(at, one)| serde_json::from_value(one).map_err(|error| format!("waiver {}: {error}", at + 1)));
        let read = Self { waivers: each.collect::<Result<_, _>>()?, levels };
        let check_ids = read.waivers.iter().map(|waiver| &waiver.check).chain(read.levels.keys());
        for name in check_ids {
            if !known.contains(&name.as_str()) {
                let alike = did_you_mean(name, known.iter().copied());
                let alike =
                    alike.unwrap_or_else(|| "run `kubectl mural validate --list-checks` or `helm mural crds check --explain all` to list the checks".to_owned());
                return Err(format!("unknown check {name:?}: {alike}"));
            }
        }
        match read.waivers.iter().find(|waiver| waiver.reason.trim().is_empty()) {
            Some(waiver) => Err(format!("the waiver of {} for {:?} has no reason", waiver.check, waiver.subject)),
            None => Ok(read),
        }
    }
}

impl Waiver {
    /// Whether the waiver is about this finding.
    pub(crate) fn fits(&self, check: &str, subject: &str) -> bool {
        self.check == check && matches_glob(self.subject.trim(), subject)
    }

    /// Why the waiver has no effect, and what to do about it.
    pub(crate) fn find_defect(&self, is_used: bool, today: Date) -> Option<(WaiverDefect, String)> {
        let Self { check, subject, reason: _, expires } = self;
        let waiver = format!("the waiver of {check} for {subject:?}");
        if *expires < today {
            let text = format!("{waiver} expired on {expires}: review the finding, or set a new expiry date");
            return Some((WaiverDefect::Expired, text));
        }
        (!is_used).then(|| (WaiverDefect::Unused, format!("{waiver} matches no finding: remove it")))
    }
}

/// Why a waiver has no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WaiverDefect {
    /// Its last day is over.
    Expired,
    /// It matches no finding.
    Unused,
}

/// Matches a pattern in which `*` stands for any text.
pub(crate) fn matches_glob(pattern: &str, text: &str) -> bool {
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
    fn a_star_matches_any_text() {
        assert!(
            matches_glob("a.*", "a.b.c")
                && matches_glob("*", "")
                && matches_glob("a*c*e", "abcde")
                && matches_glob("x", "x")
        );
        assert!(!matches_glob("a.*", "b.a.c") && !matches_glob("x", "xy") && !matches_glob("a*c", "ab"));
    }

    #[test]
    fn a_typo_is_reported() {
        let wrong = |text: &str| Waivers::read(text, &["enum-changed"]).unwrap_err();
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
        assert!(Waivers::read("", &[]).is_ok());
    }
}
