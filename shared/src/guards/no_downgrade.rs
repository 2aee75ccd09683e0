//! Neither chart goes back to an older version by accident.

use semver::Version;

use crate::guards::context::Admission;
use crate::model::check::{Card, Checked, Level, Section, Verdict};

/// The card.
pub static CARD: Card = Card {
    id: "no-downgrade",
    section: Section::Guards,
    title: "neither chart goes back to an older version",
    level: Level::Error,
    why: "Older CRDs may prune fields and drop versions that objects already use; older controllers do not know the newer objects.",
    fix: "Ask for a newer version, or say --allow-downgrade.",
};

/// The guard. Versions are compared as semantic versions, build metadata ignored.
#[must_use]
pub fn check(admission: &Admission<'_>) -> Checked {
    let charts: Vec<_> = [&admission.crds, &admission.app].into_iter().flatten().collect();
    if admission.allowed.downgrade {
        return Checked::new(&CARD, charts.len(), Verdict::Skipped { reason: "--allow-downgrade".to_owned() });
    }
    let mut findings = Vec::new();
    for facts in &charts {
        let record = match admission.view.newest(facts.release) {
            Err(not_seen) => {
                return Checked::new(&CARD, charts.len(), Verdict::Undetermined { reason: not_seen.to_string() });
            }
            Ok(record) => record,
        };
        let installed = record.and_then(|record| Version::parse(record.chart_version.trim_start_matches('v')).ok());
        if let Some(installed) = installed.filter(|installed| installed.cmp_precedence(&facts.chart.version).is_gt()) {
            let message = format!("would go back from {installed} to {}", facts.chart.version);
            findings.push(CARD.finding(format!("release {}", facts.release), message, CARD.fix));
        }
    }
    Checked::new(&CARD, charts.len(), Verdict::from_findings(findings))
}
