//! helm deletes what leaves a release's manifest, CRDs included, and the server then deletes every object of their kinds.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Admission, ChartFacts};
use crate::checks::{Card, Checked, Finding, Level, Section, Verdict};
use crate::model::crd::Crd;
use crate::model::release::ReleaseRecord;
use crate::model::yaml::{self, Quote};

/// helm's own annotation: such an object is left when it leaves the manifest.
const POLICY: &str = "helm.sh/resource-policy";

/// The card.
pub static CARD: Card = Card {
    id: "helm-would-delete-crds",
    section: Section::Guards,
    title: "helm would delete no CRD",
    level: Level::Error,
    why: "A CRD that moves from templates/ to crds/, or out of the chart, is deleted by the next helm upgrade, also with --skip-crds, and with it every custom resource of its kind (helm/helm#7279).",
    fix: "Mark the live CRD first: kubectl annotate crd NAME helm.sh/resource-policy=keep",
};

/// The guard: CRDs in the stored manifest of a release that moves, absent from its next manifest, and not kept by annotation.
#[must_use]
pub fn check(admission: &Admission<'_>) -> Checked {
    let charts: Vec<_> = [&admission.crds, &admission.app].into_iter().flatten().collect();
    let mut findings = Vec::new();
    for facts in &charts {
        let judged = admission
            .view
            .newest(facts.release)
            .map_err(ToString::to_string)
            .and_then(|record| record.map_or(Ok(Vec::new()), |record| leaving(record, facts)));
        match judged {
            Ok(names) => findings.extend(names.iter().filter_map(|name| deleted(admission, facts, name))),
            Err(reason) => return Checked::new(&CARD, charts.len(), Verdict::Undetermined { reason }),
        }
    }
    Checked::new(&CARD, charts.len(), Verdict::from_findings(findings))
}

fn leaving(record: &ReleaseRecord, facts: &ChartFacts<'_>) -> Result<Vec<String>, String> {
    let stored = yaml::documents(record.manifest.reveal(), Quote::Nothing)
        .map_err(|error| format!("the stored manifest of {} revision {}: {error}", record.name, record.revision))?;
    let in_crds_folder: BTreeSet<&str> = facts.chart.crds_folder.iter().map(String::as_str).collect();
    // What stands in crds/ is no part of a manifest: rendered with the CRDs, it has to be taken out again.
    let next: BTreeSet<String> =
        facts.rendered.iter().filter_map(crd_name).filter(|name| !in_crds_folder.contains(name.as_str())).collect();
    Ok(stored.iter().filter_map(crd_name).filter(|name| !next.contains(name)).collect())
}

fn crd_name(document: &Value) -> Option<String> {
    Crd::new(document.clone()).ok().map(|crd| crd.name().to_owned())
}

fn deleted(admission: &Admission<'_>, facts: &ChartFacts<'_>, name: &str) -> Option<Finding> {
    let live = admission.view.crds.as_ref().ok()?.get(name)?;
    if live.annotation(POLICY) == Some("keep") {
        return None;
    }
    let message = format!(
        "helm upgrade {} would delete it, and with it every {}: it is a template in the release's manifest and not in the new chart's",
        facts.release,
        live.kind()
    );
    Some(CARD.finding(format!("CRD {name}"), message, format!("kubectl annotate crd {name} {POLICY}=keep")))
}
