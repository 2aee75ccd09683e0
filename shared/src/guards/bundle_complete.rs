//! The content bundle is whole and holds both charts at the target versions.

use semver::Version;

use crate::guards::context::{ChartFacts, GuardContext};
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::content_bundle::ContentBundle;

/// The card.
pub static CARD: Card = Card {
    id: "bundle-complete",
    section: Section::Guards,
    title: "the content bundle is whole and holds both charts at the target versions",
    level: Level::Error,
    why: "A bundle of another version, or one that was not downloaded to its end, shows only after hours of uploading and unpacking. Its layout is not public: what its names do not tell is left open.",
    fix: "Download the Content Bundle of the target version from Artifact Studio again, and compare its checksum and signature.",
};

/// The guard; it passes where no bundle was named.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    let bundle = match context.bundle {
        None => return CheckResult::new(&CARD, 0, Verdict::Pass),
        Some(Err(unread)) => {
            let hint = "download it again: the Content Bundle of the target version, and nothing else";
            let finding = CARD.finding(unread.target.clone(), unread.reason.clone(), hint);
            return CheckResult::new(&CARD, 1, Verdict::from_findings(vec![finding]));
        }
        Some(Ok(bundle)) => bundle,
    };
    let mut findings: Vec<Finding> = check_checksum(bundle).into_iter().collect();
    let charts: Vec<(&ChartFacts<'_>, Option<bool>)> =
        context.charts().map(|chart| (chart, bundle.contains_chart(&chart.chart.name, &chart.chart.version))).collect();
    findings.extend(
        charts.iter().filter(|(_, holds)| *holds == Some(false)).map(|(chart, _)| build_missing_finding(bundle, chart)),
    );
    let untold: Vec<&str> =
        charts.iter().filter(|(_, holds)| holds.is_none()).map(|(chart, _)| chart.chart.name.as_str()).collect();
    if findings.is_empty() && !untold.is_empty() {
        let reason =
            format!("the names of its {} files do not tell which {} it holds", bundle.file_count, untold.join(" and "));
        return CheckResult::new(&CARD, charts.len(), Verdict::Undetermined { reason });
    }
    findings.extend(check_signature(bundle));
    CheckResult::new(&CARD, charts.len(), Verdict::from_findings(findings))
}

fn check_checksum(bundle: &ContentBundle) -> Option<Finding> {
    let found = bundle.checksum.as_ref().filter(|found| found.expected != found.actual)?;
    let message = format!("{} says sha256 {}, and it has {}", found.file, found.expected, found.actual);
    Some(CARD.finding("the bundle", message, "download it again"))
}

fn build_missing_finding(bundle: &ContentBundle, chart: &ChartFacts<'_>) -> Finding {
    let (name, version): (&str, &Version) = (&chart.chart.name, &chart.chart.version);
    let message = format!("holds {name} {}, and not {version}", bundle.chart_versions(name).join(", "));
    CARD.finding(
        "the bundle",
        message,
        "download the Content Bundle of the target version, or name the version that it holds",
    )
}

/// Only the vendor's public key tells whether a signature is right.
fn check_signature(bundle: &ContentBundle) -> Option<Finding> {
    let file = bundle.signature.as_ref()?;
    let hint = format!("openssl dgst -sha256 -verify PUBLIC-KEY -signature {file} BUNDLE, with the vendor's key");
    let finding = CARD.finding("the bundle", format!("has the signature {file}, which was not verified here"), hint);
    Some(Finding { level: Level::Info, ..finding })
}
