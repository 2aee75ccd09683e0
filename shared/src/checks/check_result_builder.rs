//! Combines the findings of many items into one result of a check.

use crate::model::check::{Card, CheckResult, Finding, Level, Verdict};
use crate::model::cluster_view::ReadFailure;

/// Findings, read failures and skip reasons of one check so far.
#[derive(Debug)]
pub struct CheckResultBuilder {
    card: &'static Card,
    items_checked: usize,
    findings: Vec<Finding>,
    failures: Vec<ReadFailure>,
    skip_reasons: Vec<String>,
}

impl CheckResultBuilder {
    /// Starts without any item.
    #[must_use]
    pub const fn new(card: &'static Card) -> Self {
        Self { card, items_checked: 0, findings: Vec::new(), failures: Vec::new(), skip_reasons: Vec::new() }
    }

    /// Counts one checked item with its findings.
    pub fn record(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.items_checked += 1;
        self.findings.extend(findings);
    }

    /// Counts several checked items with their findings.
    pub fn record_many(&mut self, how_many: usize, findings: impl IntoIterator<Item = Finding>) {
        self.items_checked += how_many;
        self.findings.extend(findings);
    }

    /// Records an item that could not be read.
    pub fn record_failure(&mut self, failure: &ReadFailure) {
        if !self.failures.contains(failure) {
            self.failures.push(failure.clone());
        }
    }

    /// Records an item to which the check does not apply.
    pub fn record_skip(&mut self, reason: impl Into<String>) {
        let reason = reason.into();
        if !self.skip_reasons.contains(&reason) {
            self.skip_reasons.push(reason);
        }
    }

    /// Sets the skip reason if no other was recorded.
    pub fn skip_if_empty(&mut self, reason: &str) {
        if self.skip_reasons.is_empty() {
            self.record_skip(reason);
        }
    }

    /// Builds the result. Read failures are never lost: with findings they become findings, alone they make the check undetermined.
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
                    ..self.card.finding(&failure.target, format!("could not be read: {}", failure.reason), "")
                });
                self.findings.extend(unseen.collect::<Vec<_>>());
                Verdict::from_findings(self.findings)
            }
        };
        CheckResult::new(self.card, items_checked, verdict)
    }
}

/// The result of a check whose input could not be read.
#[must_use]
pub fn undetermined_result(card: &'static Card, failure: &ReadFailure) -> CheckResult {
    CheckResult::new(card, 0, Verdict::Undetermined { reason: failure.to_string() })
}

/// The result of a check that does not apply.
#[must_use]
pub fn skipped_result(card: &'static Card, reason: impl Into<String>) -> CheckResult {
    CheckResult::new(card, 0, Verdict::Skipped { reason: reason.into() })
}
