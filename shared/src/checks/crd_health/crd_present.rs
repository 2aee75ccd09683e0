//! Health check `crd-present`: requires every CRD of the chart on the cluster.

use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::{CheckResultBuilder, skipped_result, undetermined_result};
use crate::checks::crd_health::{apply_command, expected_and_live, records_failure};
use crate::checks::health_checks::HealthCheck;
use crate::model::check::{Card, CheckResult, Level, Section};
use crate::model::release_inventory::CrdListSource;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "crd-present",
    section: Section::Crds,
    title: "every CRD of the chart on the cluster",
    level: Level::Error,
    why: "The controllers of the application watch these kinds from their start, and crash or miss objects without \
        the CRD. helm installs CRDs only once: an upgrade does not restore a deleted CRD.",
    fix: "Apply the CRDs of the chart: helm mural crds apply CHART",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck = HealthCheck { card: &CARD, reads: &[], heals_with_time: false, run: check };

/// Reports expected CRDs that are not on the cluster.
fn check(context: &CheckContext<'_>) -> CheckResult {
    let (wanted, live) = match expected_and_live(context, &CARD) {
        Ok(both) => both,
        Err(answer) => return answer,
    };
    if let (CrdListSource::Live, Some(failure)) = (context.inventory.crds_source, records_failure(context)) {
        return undetermined_result(&CARD, failure);
    }
    if context.inventory.crds_source == CrdListSource::Live {
        return skipped_result(&CARD, "no release record lists the CRDs (set --crds-chart to compare with a chart)");
    }
    let mut result = CheckResultBuilder::new(&CARD);
    for name in wanted {
        let missing = !live.contains_key(name);
        let hint = format!("kubectl get crds; {}", apply_command(context));
        result.record(missing.then(|| CARD.finding(format!("CRD {name}"), "is not on the cluster", hint)));
    }
    result.build()
}
