//! Health check `crd-matches-chart`: requires CRDs with the same content as in their chart.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::{CheckResultBuilder, skipped_result, undetermined_result};
use crate::checks::crd_health::{apply_command, chart_arguments, expected_and_live, records_failure};
use crate::checks::health_check::HealthCheck;
use crate::diff::{self, Effect};
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::crd::Crd;
use crate::model::health_inputs::ReadScope;
use crate::model::text_format::format_count;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "crd-matches-chart",
    section: Section::Crds,
    title: "CRDs with the same content as in their chart",
    level: Level::Warning,
    why: "An older CRD rejects or prunes fields of the new application. A CRD from another source may change again.",
    fix: "Apply the CRDs of the chart: helm mural crds apply CHART. If the CRDs are right and only the release \
        record is old, set --crds-chart, then run kubectl mural upgrade to update the record.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck =
    HealthCheck { card: &CARD, reads: &[ReadScope::Journal], heals_with_time: false, run: check };

/// Compares each live CRD with its chart. A difference is an error with a given chart and a warning with the release record; a text
/// difference is an info.
fn check(context: &CheckContext<'_>) -> CheckResult {
    let (wanted, live) = match expected_and_live(context, &CARD) {
        Ok(both) => both,
        Err(answer) => return answer,
    };
    let Some((source, level, chart)) = expected_crds(context) else {
        if let Some(failure) = records_failure(context) {
            return undetermined_result(&CARD, failure);
        }
        return skipped_result(&CARD, "no release record contains the CRDs (set --crds-chart to compare with a chart)");
    };
    let mut result = CheckResultBuilder::new(&CARD);
    for name in wanted {
        if let (Some(live), Some(chart)) = (live.get(name), chart.get(name.as_str())) {
            let finding = compare_crd(live, chart, &source, level);
            result.record(finding.map(|finding| advise(context, live.name(), finding)));
        }
    }
    result.record_skip("none of the chart's CRDs is on the cluster");
    result.build()
}

/// The origin of the compared content, the level of a difference, and the CRDs by name.
fn expected_crds<'a>(context: &'a CheckContext<'_>) -> Option<(String, Level, BTreeMap<&'a str, &'a Crd>)> {
    let by_name =
        |crds: &mut dyn Iterator<Item = &'a Crd>| crds.map(|crd| (crd.name(), crd)).collect::<BTreeMap<_, _>>();
    if let Some(chart) = context.expectations.crds_chart.as_ref().filter(|chart| !chart.crds.is_empty()) {
        return Some((format!("the chart {}", chart.version), Level::Error, by_name(&mut chart.crds.iter())));
    }
    if let Some(list) = &context.expectations.crds_chart_list {
        return Some(("the chart".to_owned(), Level::Error, by_name(&mut list.iter())));
    }
    let records =
        context.releases().into_iter().filter_map(|(_, release)| context.view.newest_revision(release).ok().flatten());
    let records: Vec<_> = records.filter(|record| !record.crd_documents.is_empty()).collect();
    let first = records.first()?;
    let source = format!("release {}, revision {} ({})", first.name, first.revision, first.chart_version);
    Some((source, Level::Warning, by_name(&mut records.iter().flat_map(|record| &record.crd_documents))))
}

/// The spec without the CA of the webhook, which is filled in on the cluster. Installers set labels and annotations, so they are left
/// out too.
fn comparable_content(crd: &Crd) -> Value {
    let mut spec = crd.json()["spec"].clone();
    if let Some(config) = spec.pointer_mut("/conversion/webhook/clientConfig").and_then(Value::as_object_mut) {
        config.remove("caBundle");
    }
    json!({"apiVersion": crd.json()["apiVersion"], "kind": crd.json()["kind"], "metadata": {"name": crd.name()}, "spec": spec})
}

fn compare_crd(live: &Crd, chart: &Crd, source: &str, level: Level) -> Option<Finding> {
    let changes = diff::compare_crds(&comparable_content(live), &comparable_content(chart));
    let (text, real): (Vec<_>, Vec<_>) = changes.iter().partition(|change| change.kind.effect() == Effect::Text);
    let subject = format!("CRD {}", live.name());
    let Some(first) = real.first() else {
        let texts = format_count(text.len(), "text");
        let message = format!("differs from {source} only in {texts}");
        return (!text.is_empty()).then(|| Finding { level: Level::Info, ..CARD.finding(subject, message, "") });
    };
    let place = first.path.as_ref().map(|path| format!(", first at {path}")).unwrap_or_default();
    let version = first.version.as_ref().map(|version| format!(" in {version}")).unwrap_or_default();
    let message = format!("differs from {source} at {}{place}{version}", format_count(real.len(), "place"));
    Some(Finding { level, ..CARD.finding(subject, message, "") })
}

/// Adds the next step. A CRD that a rollback left so is no surprise, and applying the chart would undo the rollback.
fn advise(context: &CheckContext<'_>, crd: &str, finding: Finding) -> Finding {
    // Against a chart that the operator names, the difference stays one.
    let is_from_record = finding.level != Level::Error;
    match context.health_inputs.known_run().filter(|last| is_from_record && last.rolled_back_crds.contains(crd)) {
        Some(last) => Finding {
            level: Level::Info,
            message: format!("{}, as rollback {} left it", finding.message, last.run),
            hint: "kubectl mural upgrade status shows the rollback; the next upgrade applies the CRDs of its chart"
                .to_owned(),
            ..finding
        },
        None => {
            let hint = format!("helm mural crds diff {}; {}", chart_arguments(context), apply_command(context));
            Finding { hint, ..finding }
        }
    }
}
