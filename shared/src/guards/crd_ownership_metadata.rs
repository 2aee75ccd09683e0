//! Live CRDs that become templates of a chart without the ownership metadata that helm requires
//! (<https://github.com/helm/helm/blob/v3.17.2/pkg/action/validate.go>).

use std::collections::BTreeSet;

use crate::guards::Guard;
use crate::guards::context::{ChartFacts, GuardContext};
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::crd::{self, CRD_KIND, Crd};
use crate::model::manifest::{RELEASE_NAME_ANNOTATION, RELEASE_NAMESPACE_ANNOTATION};
use crate::model::object::ObjectRef;
use crate::model::release::ReleaseRecord;
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "crd-ownership-metadata",
    section: Section::Guards,
    title: "ownership metadata of this release on CRDs that are templates",
    level: Level::Error,
    why: "An existing object can join a release only if its metadata refers to that release. Otherwise helm fails \
        with 'invalid ownership metadata' (https://github.com/helm/helm/blob/v3.17.2/pkg/action/validate.go).",
    fix: "Add the label and the annotations in the finding to the CRD, or set --take-ownership.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade], check };

const MANAGED_BY_POINTER: &str = "/metadata/labels/app.kubernetes.io~1managed-by";

/// Fails for each live CRD that is new in the templates of a chart and does not belong to its release.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let mut findings = Vec::new();
    let mut looked_at = 0;
    for facts in context.charts() {
        match find_new_templates(context, facts) {
            Err(reason) => return CheckResult::new(&CARD, looked_at, Verdict::Undetermined { reason }),
            Ok(crds) => {
                looked_at += crds.len();
                let joining = crds.iter().filter(|live| !is_adopted(context, facts.release, live));
                findings.extend(joining.filter_map(|live| check_crd(context, facts.release, live)));
            }
        }
    }
    if context.allowed.take_ownership && !findings.is_empty() {
        return CheckResult::new(&CARD, looked_at, Verdict::Skipped { reason: "--take-ownership".to_owned() });
    }
    CheckResult::new(&CARD, looked_at, Verdict::from_findings(findings))
}

/// Whether the plan gives the CRD its metadata: the vendor's upgrade guide created it with kubectl.
fn is_adopted(context: &GuardContext<'_>, release: &str, live: &Crd) -> bool {
    let is_crd = |object: &ObjectRef| object.kind == CRD_KIND && object.name == live.name();
    context.adoptions.iter().any(|adoption| adoption.release == release && adoption.objects.iter().any(is_crd))
}

/// Lists the live CRDs that helm would refuse to adopt.
fn find_new_templates<'a>(context: &GuardContext<'a>, facts: &ChartFacts<'_>) -> Result<Vec<&'a Crd>, String> {
    let templates = crd::list_template_crds(facts.rendered, &facts.chart.folder_crds);
    if templates.is_empty() {
        return Ok(Vec::new());
    }
    let live = context.view.crds.as_ref().map_err(ToString::to_string)?;
    let record = context.view.current_revision(facts.release).map_err(ToString::to_string)?;
    let stored = record.map_or(Ok(Vec::new()), ReleaseRecord::manifest_objects);
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
        None => "has no label app.kubernetes.io/managed-by: Helm".to_owned(),
    };
    let message = format!("{owner}, but is now a template in the chart of {release}: helm would refuse the upgrade");
    let hint = format!(
        "kubectl annotate --overwrite crd {name} {RELEASE_NAME_ANNOTATION}={release} {RELEASE_NAMESPACE_ANNOTATION}={namespace} && kubectl label --overwrite crd {name} app.kubernetes.io/managed-by=Helm; or set --take-ownership"
    );
    Some(CARD.finding(format!("CRD {name}"), message, hint))
}
