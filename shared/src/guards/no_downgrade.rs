//! Charts whose target version is older than the installed one.

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::chart_version::ChartVersion;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "no-downgrade",
    section: Section::Guards,
    title: "charts that are not older than the installed ones",
    level: Level::Error,
    why: "Older CRDs can prune fields and remove versions that objects use. Older controllers do not support newer \
        objects.",
    fix: "Choose a newer version, or set --allow-downgrade.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Fails for each downgrade. Versions are compared as semantic versions without build metadata.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let charts: Vec<_> = [&context.crds_chart, &context.app_chart].into_iter().flatten().collect();
    if context.allowed.downgrade {
        return CheckResult::new(&CARD, charts.len(), Verdict::Skipped { reason: "--allow-downgrade".to_owned() });
    }
    let mut findings = Vec::new();
    for facts in &charts {
        let record = match context.view.newest_revision(facts.release) {
            Err(failure) => {
                return CheckResult::new(&CARD, charts.len(), Verdict::Undetermined { reason: failure.to_string() });
            }
            Ok(record) => record,
        };
        let installed = record.and_then(|record| record.chart_version.parse::<ChartVersion>().ok());
        if let Some(installed) = installed.filter(|installed| installed.cmp_precedence(&facts.chart.version).is_gt()) {
            let message = format!("would be downgraded from {installed} to {}", facts.chart.version);
            findings.push(CARD.finding(format!("release {}", facts.release), message, CARD.fix));
        }
    }
    CheckResult::new(&CARD, charts.len(), Verdict::from_findings(findings))
}
