//! helm may take the live CRDs that its chart now has as templates.

use std::collections::BTreeSet;

use crate::guards::context::{ChartFacts, GuardContext};
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::crd::{self, Crd};
use crate::model::yaml::{self, ErrorDetail};

/// The card.
pub static CARD: Card = Card {
    id: "crd-ownership-metadata",
    section: Section::Guards,
    title: "helm may take over the CRDs that are templates",
    level: Level::Error,
    why: "A live object that is new in a release's manifest must say that this release owns it. Without that helm ends with \"invalid ownership metadata\" (helm pkg/action/validate.go).",
    fix: "Write helm's three marks on the CRD, or say --take-ownership, which lets helm write them.",
};

const RELEASE_NAME_ANNOTATION: &str = "meta.helm.sh/release-name";
const RELEASE_NAMESPACE_ANNOTATION: &str = "meta.helm.sh/release-namespace";
const MANAGED_BY_POINTER: &str = "/metadata/labels/app.kubernetes.io~1managed-by";

/// The guard: live CRDs that are templates of a chart and not in the manifest that helm compares with.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    let mut findings = Vec::new();
    let mut looked_at = 0;
    for facts in context.charts() {
        match find_new_templates(context, facts) {
            Err(reason) => return CheckResult::new(&CARD, looked_at, Verdict::Undetermined { reason }),
            Ok(crds) => {
                looked_at += crds.len();
                findings.extend(crds.iter().filter_map(|live| check_crd(context, facts.release, live)));
            }
        }
    }
    if context.allowed.take_ownership && !findings.is_empty() {
        return CheckResult::new(&CARD, looked_at, Verdict::Skipped { reason: "--take-ownership".to_owned() });
    }
    CheckResult::new(&CARD, looked_at, Verdict::from_findings(findings))
}

/// Live CRDs that helm would find in its way.
fn find_new_templates<'a>(context: &GuardContext<'a>, facts: &ChartFacts<'_>) -> Result<Vec<&'a Crd>, String> {
    let templates = crd::list_template_crds(facts.rendered, &facts.chart.folder_crds);
    if templates.is_empty() {
        return Ok(Vec::new());
    }
    let live = context.view.crds.as_ref().map_err(ToString::to_string)?;
    let record = context.view.current_revision(facts.release).map_err(ToString::to_string)?;
    let stored = record
        .map_or(Ok(Vec::new()), |record| yaml::parse_documents(record.manifest.reveal(), ErrorDetail::LocationOnly));
    let stored = stored.map_err(|error| format!("the stored manifest of {}: {error}", facts.release))?;
    let had: BTreeSet<&str> = stored.iter().filter_map(Crd::name_of).collect();
    Ok(templates.iter().filter(|name| !had.contains(name.as_str())).filter_map(|name| live.get(name)).collect())
}

fn check_crd(context: &GuardContext<'_>, release: &str, live: &Crd) -> Option<Finding> {
    let (name, namespace) = (live.name(), context.view.cluster.namespace.as_str());
    let managed = live.json().pointer(MANAGED_BY_POINTER).and_then(serde_json::Value::as_str) == Some("Helm");
    let annotated = live.annotation(RELEASE_NAME_ANNOTATION) == Some(release)
        && live.annotation(RELEASE_NAMESPACE_ANNOTATION) == Some(namespace);
    if managed && annotated {
        return None;
    }
    let owner = match live.annotation(RELEASE_NAME_ANNOTATION).filter(|owner| *owner != release) {
        Some(owner) => format!("belongs to the release {owner}"),
        None => "does not say that helm manages it".to_owned(),
    };
    let message = format!("{owner}, and the chart of {release} now has it as a template: helm would refuse to take it");
    let hint = format!(
        "kubectl annotate --overwrite crd {name} {RELEASE_NAME_ANNOTATION}={release} {RELEASE_NAMESPACE_ANNOTATION}={namespace} && kubectl label --overwrite crd {name} app.kubernetes.io/managed-by=Helm; or --take-ownership"
    );
    Some(CARD.finding(format!("CRD {name}"), message, hint))
}
