//! Compares a downloaded content bundle (appliance) with its checksum and with the versions of both charts.
//!
//! The layout of a bundle is not public. File names that show no version leave the guard undetermined.

use crate::guards::Guard;
use crate::guards::context::{ChartFacts, GuardContext};
use crate::model::chart_version::ChartVersion;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::content_bundle::ContentBundle;
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "bundle-complete",
    section: Section::Guards,
    title: "a complete content bundle with both charts at the target versions",
    level: Level::Error,
    why: "A wrong or incomplete bundle shows up only after hours of upload and unpacking. The layout of the bundle \
        is not public, so only its file names are checked.",
    fix: "Download the Content Bundle of the target version from Artifact Studio again, and verify its checksum and \
        signature.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Fails for an unreadable bundle, a wrong checksum, or a chart of another version. Passes without `--bundle`.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let bundle = match context.bundle {
        None => return CheckResult::new(&CARD, 0, Verdict::Pass),
        Some(Err(unread)) => {
            let hint = "download the Content Bundle of the target version again";
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
            format!("the names of its {} files do not show the version of {}", bundle.file_count, untold.join(" and "));
        return CheckResult::new(&CARD, charts.len(), Verdict::Undetermined { reason });
    }
    findings.extend(check_signature(bundle));
    CheckResult::new(&CARD, charts.len(), Verdict::from_findings(findings))
}

fn check_checksum(bundle: &ContentBundle) -> Option<Finding> {
    let found = bundle.checksum.as_ref().filter(|found| found.expected != found.actual)?;
    let message = format!(
        "has the wrong checksum: {} expects sha256 {}, the bundle has {}",
        found.file, found.expected, found.actual
    );
    Some(CARD.finding("the bundle", message, "download the bundle again"))
}

fn build_missing_finding(bundle: &ContentBundle, chart: &ChartFacts<'_>) -> Finding {
    let (name, version): (&str, &ChartVersion) = (&chart.chart.name, &chart.chart.version);
    let message = format!("contains {name} {}, not {version}", bundle.chart_versions(name).join(", "));
    CARD.finding(
        "the bundle",
        message,
        "download the Content Bundle of the target version, or set --to and --crds to the versions that it contains",
    )
}

/// Reports an unverified signature as info: only the vendor's public key can verify it.
fn check_signature(bundle: &ContentBundle) -> Option<Finding> {
    let file = bundle.signature.as_ref()?;
    let hint =
        format!("openssl dgst -sha256 -verify PUBLIC-KEY -signature {file} BUNDLE (PUBLIC-KEY is the vendor's key)");
    let finding = CARD.finding("the bundle", format!("has the signature {file}, which is not verified here"), hint);
    Some(Finding { level: Level::Info, ..finding })
}
