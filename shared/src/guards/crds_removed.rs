//! CRDs that vanished from the chart are kept, and said.

use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};

/// The card.
pub static CARD: Card = Card {
    id: "crds-removed",
    section: Section::Guards,
    title: "no CRD vanished from the chart",
    level: Level::Info,
    why: "What a chart no longer has stays on the cluster as it is, with its objects: nobody looks after it any more.",
    fix: "Nothing has to be done. When none of its objects is needed, delete the CRD by hand: its objects go with it.",
};

/// The guard: CRDs in the `crds/` folder of a release's own chart, live, and in no chart of this run.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
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
            let message =
                format!("is no longer in the chart {}: it is kept, with every {}", facts.chart.name, crd.kind());
            let hint = format!("is it still needed? kubectl get {} --all-namespaces", crd.name());
            CARD.finding(format!("CRD {}", crd.name()), message, hint)
        }));
    }
    CheckResult::new(&CARD, looked_at, Verdict::from_findings(findings))
}
