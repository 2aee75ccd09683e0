//! How a check that asks the same of many things comes to one answer.

use crate::model::check::{Card, CheckResult, Finding, Level, Verdict};
use crate::model::cluster_view::ReadFailure;

/// What was found so far, by one check.
#[derive(Debug)]
pub struct CheckResultBuilder {
    card: &'static Card,
    items_checked: usize,
    findings: Vec<Finding>,
    failures: Vec<ReadFailure>,
    skip_reasons: Vec<String>,
}

impl CheckResultBuilder {
    /// Nothing yet.
    #[must_use]
    pub const fn new(card: &'static Card) -> Self {
        Self { card, items_checked: 0, findings: Vec::new(), failures: Vec::new(), skip_reasons: Vec::new() }
    }

    /// Looked at one more thing, and this was wrong with it.
    pub fn record(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.items_checked += 1;
        self.findings.extend(findings);
    }

    /// Looked at so many more things, and this was wrong with one of them.
    pub fn record_many(&mut self, how_many: usize, findings: impl IntoIterator<Item = Finding>) {
        self.items_checked += how_many;
        self.findings.extend(findings);
    }

    /// Could not look at one more thing.
    pub fn record_failure(&mut self, failure: &ReadFailure) {
        if !self.failures.contains(failure) {
            self.failures.push(failure.clone());
        }
    }

    /// One more thing to which the question does not apply.
    pub fn record_skip(&mut self, reason: impl Into<String>) {
        let reason = reason.into();
        if !self.skip_reasons.contains(&reason) {
            self.skip_reasons.push(reason);
        }
    }

    /// Why nothing was looked at, where nothing else has said so.
    pub fn skip_if_empty(&mut self, reason: &str) {
        if self.skip_reasons.is_empty() {
            self.record_skip(reason);
        }
    }

    /// The answer. What could not be seen is never lost: beside findings it becomes a finding, alone it leaves all undetermined.
    #[must_use]
    pub fn build(mut self) -> CheckResult {
        let items_checked = self.items_checked;
        let verdict = match (self.findings.is_empty(), self.failures.is_empty()) {
            (true, true) if items_checked == 0 => Verdict::Skipped { reason: self.skip_reasons.join("; ") },
            (true, true) => Verdict::Pass,
            (true, false) => {
                let reasons: Vec<String> = self.failures.iter().map(ToString::to_string).collect();
                Verdict::Undetermined { reason: reasons.join("; ") }
            }
            (false, _) => {
                let unseen = self.failures.iter().map(|failure| Finding {
                    level: Level::Error,
                    ..self.card.finding(&failure.target, format!("could not be looked at: {}", failure.reason), "")
                });
                self.findings.extend(unseen.collect::<Vec<_>>());
                Verdict::from_findings(self.findings)
            }
        };
        CheckResult::new(self.card, items_checked, verdict)
    }
}

/// A check that could not look at all.
#[must_use]
pub fn undetermined_result(card: &'static Card, failure: &ReadFailure) -> CheckResult {
    CheckResult::new(card, 0, Verdict::Undetermined { reason: failure.to_string() })
}

/// A check that does not apply here.
#[must_use]
pub fn skipped_result(card: &'static Card, reason: impl Into<String>) -> CheckResult {
    CheckResult::new(card, 0, Verdict::Skipped { reason: reason.into() })
}
