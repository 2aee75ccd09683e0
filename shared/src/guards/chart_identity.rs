//! The chart of a release is replaced by another product's chart.

use crate::guards::Guard;
use crate::guards::context::{ChartFacts, GuardContext};
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "chart-identity",
    section: Section::Guards,
    title: "for each release the chart that it was installed from",
    level: Level::Error,
    why: "helm accepts any chart for a release. It deletes every object that the other chart does not contain, the \
        volumes and custom resources included.",
    fix: "Check --chart and --crds-chart: they may be swapped. If the chart was renamed, set --allow-chart-change.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade], check };

/// Fails if the name in the chart differs from the chart's name in the release record.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let charts: Vec<_> = context.charts().collect();
    if context.allowed.chart_change {
        let reason = "--allow-chart-change".to_owned();
        return CheckResult::new(&CARD, charts.len(), Verdict::Skipped { reason });
    }
    let findings: Result<Vec<_>, _> = charts.iter().map(|facts| compare_names(context, facts)).collect();
    let verdict = match findings {
        Ok(findings) => Verdict::from_findings(findings.into_iter().flatten().collect()),
        Err(reason) => Verdict::Undetermined { reason },
    };
    CheckResult::new(&CARD, charts.len(), verdict)
}

fn compare_names(context: &GuardContext<'_>, facts: &ChartFacts<'_>) -> Result<Option<Finding>, String> {
    let Some(record) = context.view.newest_revision(facts.release).map_err(ToString::to_string)? else {
        return Ok(None);
    };
    if record.chart_name.is_empty() || record.chart_name == facts.chart.name {
        return Ok(None);
    }
    let message = format!(
        "was installed from the chart {} {}, and {} is the chart {} {}",
        record.chart_name, record.chart_version, facts.reference, facts.chart.name, facts.chart.version
    );
    Ok(Some(CARD.finding(format!("release {}", facts.release), message, CARD.fix)))
}
