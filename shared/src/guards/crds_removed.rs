//! CRDs that the new charts no longer contain. They stay on the cluster.

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "crds-removed",
    section: Section::Guards,
    title: "a chart with all CRDs of the previous version",
    level: Level::Info,
    why: "A CRD that the chart no longer contains stays on the cluster with its objects, and is no longer upgraded.",
    fix: "Do nothing: the CRD is kept. If you delete it by hand, its objects are deleted too.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Reports each live CRD that is in the `crds/` folder of the installed chart but in no chart of this run.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let live = match &context.view.crds {
        Ok(live) => live,
        Err(failure) => return CheckResult::new(&CARD, 0, Verdict::Undetermined { reason: failure.to_string() }),
    };
    let mut findings = Vec::new();
    let mut looked_at = 0;
    for facts in context.charts() {
        let record = match context.view.current_revision(facts.release) {
            Err(failure) => return CheckResult::new(&CARD, 0, Verdict::Undetermined { reason: failure.to_string() }),
            Ok(record) => record,
        };
        let had = record.map(|record| record.crd_names.as_slice()).unwrap_or_default();
        looked_at += had.len();
        let gone = had.iter().filter(|name| !context.forecasts.contains_key(*name)).filter_map(|name| live.get(name));
        findings.extend(gone.map(|crd| {
            let message = format!(
                "is no longer in the chart {}: the CRD and every {} stay on the cluster",
                facts.chart.name,
                crd.kind()
            );
            let hint = format!("list its objects before you delete it: kubectl get {} --all-namespaces", crd.name());
            CARD.finding(format!("CRD {}", crd.name()), message, hint)
        }));
    }
    CheckResult::new(&CARD, looked_at, Verdict::from_findings(findings))
}
