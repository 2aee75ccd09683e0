//! Applies waivers to the findings of health checks: an accepted finding is listed, and no longer counts.
//!
//! An expired waiver accepts nothing. Input: results and the waiver file. Output: the results without the accepted findings, the
//! accepted findings, and notes about the file.

use jiff::civil::Date;
use serde::Serialize;

use crate::ask::waivers::{Waiver, Waivers};
use crate::model::check::{CheckResult, Finding, Verdict};

/// A finding that a waiver accepts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedFinding {
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
    /// Why it is acceptable.
    pub reason: String,
    /// The last day of the waiver.
    pub expires: Date,
}

/// The effect of a waiver file on the results of health checks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WaiverEffect {
    /// The accepted findings, in the order of the results.
    pub accepted: Vec<AcceptedFinding>,
    /// Waivers that have expired or match nothing.
    pub notes: Vec<String>,
}

/// Removes the accepted findings from the results. A check without other findings passes.
#[must_use]
pub fn apply_waivers(waivers: &Waivers, results: &mut [CheckResult], today: Date) -> WaiverEffect {
    // A check that did not run says nothing about its waivers.
    let has_run = |id: &str| results.iter().any(|result| result.check == id && !result.is_undetermined());
    let ours: Vec<&Waiver> = waivers.waivers.iter().filter(|one| has_run(&one.check)).collect();
    let mut is_used = vec![false; ours.len()];
    let mut effect = WaiverEffect::default();
    for result in results {
        let Verdict::Fail { findings } = &mut result.verdict else { continue };
        findings.retain(|finding| {
            let Some(at) = ours.iter().position(|waiver| waiver.fits(&finding.check, &finding.subject)) else {
                return true;
            };
            is_used[at] = true;
            let Waiver { check: _, subject: _, reason, expires } = ours[at];
            if *expires >= today {
                let (finding, reason) = (finding.clone(), reason.clone());
                effect.accepted.push(AcceptedFinding { finding, reason, expires: *expires });
            }
            *expires < today
        });
        if findings.is_empty() {
            result.verdict = Verdict::Pass;
        }
    }
    let defects = ours.iter().zip(is_used).filter_map(|(waiver, is_used)| waiver.find_defect(is_used, today));
    effect.notes = defects.map(|(_, text)| text).collect();
    effect
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::workloads::pod_unmanaged;

    fn result() -> CheckResult {
        let finding = |name: &str| pod_unmanaged::CARD.finding(format!("Pod m/{name}"), "is in no release", "");
        let verdict = Verdict::from_findings(vec![finding("debug-1"), finding("other")]);
        CheckResult::new(&pod_unmanaged::CARD, 2, verdict)
    }

    fn apply(expires: &str, subject: &str) -> (CheckResult, WaiverEffect) {
        let text =
            format!("waivers: [{{check: pod-unmanaged, subject: '{subject}', reason: ours, expires: {expires}}}]");
        let waivers = Waivers::read(&text, &["pod-unmanaged"]).unwrap();
        let mut results = [result()];
        let effect = apply_waivers(&waivers, &mut results, jiff::civil::date(2026, 11, 30));
        let [result] = results;
        (result, effect)
    }

    #[test]
    fn an_accepted_finding_no_longer_counts() {
        let (result, effect) = apply("2026-12-31", "Pod m/debug-*");
        assert_eq!((result.findings().len(), effect.accepted.len(), effect.notes.len()), (1, 1, 0));
        assert_eq!(apply("2026-12-31", "*").0.verdict, Verdict::Pass);
    }

    #[test]
    fn an_expired_waiver_accepts_nothing_and_an_unused_one_is_noted() {
        let (result, effect) = apply("2026-11-29", "*");
        assert_eq!((result.findings().len(), effect.accepted.len()), (2, 0));
        assert!(effect.notes[0].contains("expired on 2026-11-29"), "{effect:?}");
        assert!(apply("2026-12-31", "Job x").1.notes[0].contains("matches no finding"));
    }
}
