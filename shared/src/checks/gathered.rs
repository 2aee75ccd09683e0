//! How a check that asks the same of many things comes to one answer.

use crate::model::check::{Card, Checked, Finding, Level, Verdict};
use crate::model::view::NotSeen;

/// What was found so far, by one check.
#[derive(Debug)]
pub struct Gathered {
    card: &'static Card,
    looked_at: usize,
    findings: Vec<Finding>,
    not_seen: Vec<NotSeen>,
    skipped: Vec<String>,
}

impl Gathered {
    /// Nothing yet.
    #[must_use]
    pub const fn new(card: &'static Card) -> Self {
        Self { card, looked_at: 0, findings: Vec::new(), not_seen: Vec::new(), skipped: Vec::new() }
    }

    /// Looked at one more thing, and this was wrong with it.
    pub fn looked(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.looked_at += 1;
        self.findings.extend(findings);
    }

    /// Looked at so many more things, and this was wrong with one of them.
    pub fn looked_many(&mut self, how_many: usize, findings: impl IntoIterator<Item = Finding>) {
        self.looked_at += how_many;
        self.findings.extend(findings);
    }

    /// Could not look at one more thing.
    pub fn not_seen(&mut self, not_seen: &NotSeen) {
        if !self.not_seen.contains(not_seen) {
            self.not_seen.push(not_seen.clone());
        }
    }

    /// One more thing to which the question does not apply.
    pub fn skipped(&mut self, reason: impl Into<String>) {
        let reason = reason.into();
        if !self.skipped.contains(&reason) {
            self.skipped.push(reason);
        }
    }

    /// Why nothing was looked at, where nothing else has said so.
    pub fn otherwise(&mut self, reason: &str) {
        if self.skipped.is_empty() {
            self.skipped(reason);
        }
    }

    /// The answer. What could not be seen is never lost: beside findings it becomes a finding, alone it leaves all undetermined.
    #[must_use]
    pub fn checked(mut self) -> Checked {
        let looked_at = self.looked_at;
        let verdict = match (self.findings.is_empty(), self.not_seen.is_empty()) {
            (true, true) if looked_at == 0 => Verdict::Skipped { reason: self.skipped.join("; ") },
            (true, true) => Verdict::Pass,
            (true, false) => {
                let reasons: Vec<String> = self.not_seen.iter().map(ToString::to_string).collect();
                Verdict::Undetermined { reason: reasons.join("; ") }
            }
            (false, _) => {
                let unseen = self.not_seen.iter().map(|not_seen| Finding {
                    level: Level::Error,
                    ..self.card.finding(&not_seen.what, format!("could not be looked at: {}", not_seen.reason), "")
                });
                self.findings.extend(unseen.collect::<Vec<_>>());
                Verdict::from_findings(self.findings)
            }
        };
        Checked::new(self.card, looked_at, verdict)
    }
}

/// A check that could not look at all.
#[must_use]
pub fn undetermined(card: &'static Card, not_seen: &NotSeen) -> Checked {
    Checked::new(card, 0, Verdict::Undetermined { reason: not_seen.to_string() })
}

/// A check that does not apply here.
#[must_use]
pub fn skipped(card: &'static Card, reason: impl Into<String>) -> Checked {
    Checked::new(card, 0, Verdict::Skipped { reason: reason.into() })
}
