//! helm may take the live CRDs that its chart now has as templates.

use std::collections::BTreeSet;

use crate::guards::context::{Admission, ChartFacts};
use crate::model::check::{Card, Checked, Finding, Level, Section, Verdict};
use crate::model::crd::{self, Crd};
use crate::model::yaml::{self, Quote};

/// The card.
pub static CARD: Card = Card {
    id: "crd-ownership-metadata",
    section: Section::Guards,
    title: "helm may take over the CRDs that are templates",
    level: Level::Error,
    why: "A live object that is new in a release's manifest must say that this release owns it. Without that helm ends with \"invalid ownership metadata\" (helm pkg/action/validate.go).",
    fix: "Write helm's three marks on the CRD, or say --take-ownership, which lets helm write them.",
};

const RELEASE: &str = "meta.helm.sh/release-name";
const NAMESPACE: &str = "meta.helm.sh/release-namespace";
const MANAGED_BY: &str = "/metadata/labels/app.kubernetes.io~1managed-by";

/// The guard: live CRDs that are templates of a chart and not in the manifest that helm compares with.
#[must_use]
pub fn check(admission: &Admission<'_>) -> Checked {
    let mut findings = Vec::new();
    let mut looked_at = 0;
    for facts in admission.charts() {
        match arriving(admission, facts) {
            Err(reason) => return Checked::new(&CARD, looked_at, Verdict::Undetermined { reason }),
            Ok(crds) => {
                looked_at += crds.len();
                findings.extend(crds.iter().filter_map(|live| finding(admission, facts.release, live)));
            }
        }
    }
    if admission.allowed.take_ownership && !findings.is_empty() {
        return Checked::new(&CARD, looked_at, Verdict::Skipped { reason: "--take-ownership".to_owned() });
    }
    Checked::new(&CARD, looked_at, Verdict::from_findings(findings))
}

/// Live CRDs that helm would find in its way.
fn arriving<'a>(admission: &Admission<'a>, facts: &ChartFacts<'_>) -> Result<Vec<&'a Crd>, String> {
    let templates = crd::templates(facts.rendered, &facts.chart.crds_folder);
    if templates.is_empty() {
        return Ok(Vec::new());
    }
    let live = admission.view.crds.as_ref().map_err(ToString::to_string)?;
    let record = admission.view.current(facts.release).map_err(ToString::to_string)?;
    let stored = record.map_or(Ok(Vec::new()), |record| yaml::documents(record.manifest.reveal(), Quote::Nothing));
    let stored = stored.map_err(|error| format!("the stored manifest of {}: {error}", facts.release))?;
    let had: BTreeSet<&str> = stored.iter().filter_map(Crd::name_of).collect();
    Ok(templates.iter().filter(|name| !had.contains(name.as_str())).filter_map(|name| live.get(name)).collect())
}

fn finding(admission: &Admission<'_>, release: &str, live: &Crd) -> Option<Finding> {
    let (name, namespace) = (live.name(), admission.view.hub.namespace.as_str());
    let managed = live.json().pointer(MANAGED_BY).and_then(serde_json::Value::as_str) == Some("Helm");
    let annotated = live.annotation(RELEASE) == Some(release) && live.annotation(NAMESPACE) == Some(namespace);
    if managed && annotated {
        return None;
    }
    let owner = match live.annotation(RELEASE).filter(|owner| *owner != release) {
        Some(owner) => format!("belongs to the release {owner}"),
        None => "does not say that helm manages it".to_owned(),
    };
    let message = format!("{owner}, and the chart of {release} now has it as a template: helm would refuse to take it");
    let hint = format!(
        "kubectl annotate --overwrite crd {name} {RELEASE}={release} {NAMESPACE}={namespace} && kubectl label --overwrite crd {name} app.kubernetes.io/managed-by=Helm; or --take-ownership"
    );
    Some(CARD.finding(format!("CRD {name}"), message, hint))
}
