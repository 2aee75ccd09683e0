//! Applies waivers to the findings of CRD changes.

use jiff::civil::Date;

use super::{CrdFinding, CrdVerdict, checks};
use crate::ask::waivers::{Waiver, WaiverDefect, Waivers};

/// A note about the waiver file: an expired or unused waiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaiverNote {
    /// `waiver-expired` or `waiver-unused`
    pub check: &'static str,
    /// The waiver: its check and subject.
    pub subject: String,
    /// The problem, and what to do.
    pub message: String,
}

/// Applies custom levels, then waivers. Returns a note for each expired or unused waiver; an expired waiver has no effect.
pub fn apply(waivers: &Waivers, verdicts: &mut [CrdVerdict], today: Date) -> Vec<WaiverNote> {
    let mut used = vec![false; waivers.waivers.len()];
    for verdict in verdicts {
        for finding in &mut verdict.findings {
            if let Some(level) = waivers.levels.get(finding.check) {
                finding.level = *level;
            }
            for (waiver, used) in waivers.waivers.iter().zip(&mut used) {
                if fits(waiver, &verdict.name, finding) {
                    *used = true;
                    if waiver.expires >= today {
                        finding.waiver_reason = Some(waiver.reason.clone());
                    }
                }
            }
        }
        if !waivers.levels.is_empty() {
            verdict.update_decision();
        }
    }
    let of_crds = |waiver: &&Waiver| checks().any(|check| check.card.id == waiver.check);
    let ours = waivers.waivers.iter().zip(used).filter(|(waiver, _)| of_crds(waiver));
    ours.filter_map(|(waiver, used)| note(waiver, used, today)).collect()
}

fn fits(waiver: &Waiver, crd: &str, finding: &CrdFinding) -> bool {
    let path = finding.path.as_ref().map(ToString::to_string).unwrap_or_default();
    let whole = format!("{crd} {path}");
    waiver.fits(finding.check, crd) || waiver.fits(finding.check, whole.trim())
}

fn note(waiver: &Waiver, used: bool, today: Date) -> Option<WaiverNote> {
    let (defect, message) = waiver.find_defect(used, today)?;
    let check = match defect {
        WaiverDefect::Expired => "waiver-expired",
        WaiverDefect::Unused => "waiver-unused",
    };
    Some(WaiverNote { check, subject: format!("waiver of {} for {}", waiver.check, waiver.subject), message })
}
