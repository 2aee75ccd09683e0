//! Health check `crd-present`: requires every CRD of the chart on the cluster.

use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::{CheckResultBuilder, skipped_result, undetermined_result};
use crate::checks::crd_health::{apply_command, expected_and_live, records_failure};
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};
use crate::model::release_inventory::{CrdListSource, UnlistedSubchart};

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
    let unlisted = &context.inventory.unlisted_subcharts;
    if !unlisted.is_empty() && wanted.iter().all(|name| live.contains_key(name)) {
        return judge_unlisted(context, wanted.len(), unlisted);
    }
    let mut result = CheckResultBuilder::new(&CARD);
    for name in wanted {
        let missing = !live.contains_key(name);
        let hint = format!("kubectl get crds; {}", apply_command(context));
        result.record(missing.then(|| CARD.finding(format!("CRD {name}"), "is not on the cluster", hint)));
    }
    result.build()
}

/// The CRD chart exists for its CRDs, so unknown ones leave the check undetermined. The subcharts of an application rarely bring any.
fn judge_unlisted(context: &CheckContext<'_>, count: usize, subcharts: &[UnlistedSubchart]) -> CheckResult {
    let names: Vec<String> = subcharts.iter().map(|one| format!("{}: {}", one.release, one.name)).collect();
    let reason = format!(
        "the {count} CRDs in the release records are on the cluster; the records do not hold the crds/ folders of subcharts ({}) \
         (set --crds-chart to compare with the chart)",
        names.join(", ")
    );
    match subcharts.iter().any(|one| one.release == context.crds_release) {
        true => CheckResult::new(&CARD, count, Verdict::Undetermined { reason }),
        false => skipped_result(&CARD, reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::examples::ExampleInstallation;

    /// A record holds no file of a subchart (<https://github.com/helm/helm/blob/v3.19.0/pkg/chart/chart.go>).
    #[test]
    fn crds_of_subcharts_are_unknown_without_the_chart() {
        let mut installation = ExampleInstallation::healthy();
        installation.newest_record("mural-crds").subcharts.push("nested".to_owned());
        let verdict = |installation: &ExampleInstallation| {
            let all = installation.run_checks(&[&CHECK]);
            all.into_iter().next().unwrap().verdict
        };
        let Verdict::Undetermined { reason } = verdict(&installation) else { panic!("subcharts are not known") };
        assert!(reason.contains("mural-crds: nested") && reason.contains("--crds-chart"), "{reason}");

        let mut of_application = ExampleInstallation::healthy();
        of_application.newest_record("mural").subcharts.push("dex".to_owned());
        assert!(matches!(verdict(&of_application), Verdict::Skipped { .. }));

        installation.newest_record("mural-crds").crd_names.push("bolts.acme.test".into());
        assert!(matches!(verdict(&installation), Verdict::Fail { .. }), "a missing CRD of the record is named");
    }
}
