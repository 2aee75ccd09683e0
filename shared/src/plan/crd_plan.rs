//! The decision about each CRD of the charts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::checks::crd_changes::{CrdFinding, CrdVerdict};
use crate::diff;
use crate::diff::Effect;
use crate::model::crd::Crd;
use crate::model::dry_run::CrdDryRunResult;
use crate::model::managed_fields;
use crate::model::managed_fields::{FIELD_MANAGER, HELM_FIELD_MANAGER};

pub use crate::checks::crd_changes::decision::CrdDecision;

/// The product's own group. Other installations may share the charts' other CRDs.
const PRODUCT_GROUP: &str = "spectrocloud.com";

/// The plan for one CRD.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CrdPlan {
    /// Its name.
    pub name: String,
    /// What the upgrade does with it.
    pub decision: CrdDecision,
    /// Whether others may own it too, such as Flux or Open Cluster Management.
    pub third_party: bool,
    /// The release whose chart has it as a template. Then helm writes it, and this program does not apply it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_release: Option<String>,
    /// The changes, most severe first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Fields of another manager that the apply changes by force, by manager.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub forced_conflicts: BTreeMap<String, Vec<String>>,
}

/// Counts the fields that an apply takes over from other field managers: for each manager and field, the number of CRDs.
///
/// Without helm: it installs a CRD of a `crds/` folder once and never writes it again
/// (<https://helm.sh/docs/chart_best_practices/custom_resource_definitions/>).
#[must_use]
pub fn count_forced_conflicts(crds: &[CrdPlan]) -> BTreeMap<&str, BTreeMap<&str, usize>> {
    let mut by_manager: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    let may_write_again = |(manager, _): &(&String, &Vec<String>)| *manager != HELM_FIELD_MANAGER;
    for (manager, fields) in crds.iter().flat_map(|crd| &crd.forced_conflicts).filter(may_write_again) {
        let counts = by_manager.entry(manager).or_default();
        fields.iter().for_each(|field| *counts.entry(field).or_default() += 1);
    }
    by_manager
}

/// Decides about every CRD of the charts: compares the live CRD with the API server's answer for the chart's CRD.
///
/// `verdicts` include the live objects; `gone` are CRDs of the CRD chart's release that the new chart lacks; `templates` are CRDs
/// that helm writes, with their release.
#[must_use]
pub fn plan_crds(
    live: &BTreeMap<String, Crd>,
    forecasts: &BTreeMap<String, CrdDryRunResult>,
    verdicts: &BTreeMap<String, CrdVerdict>,
    removed: &[String],
    templates: &BTreeMap<String, String>,
) -> Vec<CrdPlan> {
    let planned = |(name, answer): (&String, &CrdDryRunResult)| {
        let plan = plan_crd(name, live.get(name), answer, verdicts.get(name));
        match templates.get(name) {
            // helm writes it, and the apply forces nothing.
            Some(release) => {
                CrdPlan { template_release: Some(release.clone()), forced_conflicts: BTreeMap::new(), ..plan }
            }
            None => plan,
        }
    };
    let mut plans: Vec<CrdPlan> = forecasts.iter().map(planned).collect();
    plans.extend(removed.iter().filter(|name| live.contains_key(*name)).map(|name| CrdPlan {
        name: name.clone(),
        decision: CrdDecision::RemovedFromChart,
        third_party: is_third_party(name),
        template_release: None,
        notes: Vec::new(),
        forced_conflicts: BTreeMap::new(),
    }));
    plans.sort_by(|a, b| (a.decision, &a.name).cmp(&(b.decision, &b.name)));
    plans
}

fn plan_crd(name: &str, live: Option<&Crd>, answer: &CrdDryRunResult, verdict: Option<&CrdVerdict>) -> CrdPlan {
    let (decision, notes) = match (live, answer) {
        (_, CrdDryRunResult::Rejected(rejection)) => (CrdDecision::Rejected, vec![rejection.message.clone()]),
        (_, CrdDryRunResult::NoAnswer(reason)) => (CrdDecision::Undetermined, vec![reason.clone()]),
        (None, CrdDryRunResult::Accepted(_) | CrdDryRunResult::NotAsked(_)) => (CrdDecision::New, Vec::new()),
        (Some(live), CrdDryRunResult::Accepted(next) | CrdDryRunResult::NotAsked(next)) => {
            classify_changes(live, next, verdict)
        }
    };
    let forced_conflicts = match (live, answer.planned_crd()) {
        (Some(live), Some(next)) if decision.needs_write() => find_forced_conflicts(live, next),
        _ => BTreeMap::new(),
    };
    CrdPlan {
        name: name.to_owned(),
        decision,
        third_party: is_third_party(name),
        template_release: None,
        notes,
        forced_conflicts,
    }
}

/// Fields of other managers that `--force-conflicts` changes. Unchanged fields keep their manager.
fn find_forced_conflicts(live: &Crd, next: &Crd) -> BTreeMap<String, Vec<String>> {
    let others =
        managed_fields::list_owned_fields(live.json()).into_iter().filter(|(manager, _)| manager != FIELD_MANAGER);
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (manager, path) in others.filter(|(_, path)| path.find(live.json()) != path.find(next.json())) {
        found.entry(manager).or_default().push(path.to_string());
    }
    found
}

/// Whether a CRD may belong to other installations too: every group except the product's own.
#[must_use]
pub fn is_third_party(name: &str) -> bool {
    name.split_once('.').is_none_or(|(_, group)| group != PRODUCT_GROUP)
}

/// The verdict from the changes alone, if no object was checked.
fn classify_changes(live: &Crd, next: &Crd, verdict: Option<&CrdVerdict>) -> (CrdDecision, Vec<String>) {
    let changes = diff::compare_crds(live.json(), next.json());
    let verdict_decision =
        verdict.map(|verdict| verdict.decision).filter(|decision| *decision != CrdDecision::Rejected);
    let by_change = match changes.iter().map(|change| change.kind.effect()).max() {
        None => CrdDecision::Unchanged,
        Some(Effect::Text) => CrdDecision::Text,
        Some(Effect::Safe) => CrdDecision::Safe,
        Some(Effect::Risky) => CrdDecision::Risky,
        Some(Effect::Breaking) => CrdDecision::Breaking,
    };
    if let Some(verdict) = verdict.filter(|_| verdict_decision.is_some()) {
        return (verdict.decision, verdict.findings.iter().map(describe_finding).collect());
    }
    let mut relevant: Vec<_> = changes.iter().filter(|change| change.kind.effect() != Effect::Text).collect();
    relevant.sort_by_key(|change| std::cmp::Reverse(change.kind.effect()));
    (by_change, relevant.iter().map(ToString::to_string).collect())
}

/// `v1beta1 ^.spec.size enum value "xl" removed; it affects none of 14 objects`: the change, and why it is acceptable.
fn describe_finding(finding: &CrdFinding) -> String {
    let place = [finding.version.clone(), finding.path.as_ref().map(ToString::to_string)].into_iter().flatten();
    let waiver = finding.waiver_reason.as_ref().map(|reason| format!("(waived: {reason})"));
    place.chain([finding.message.clone()]).chain(waiver).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn crd(size: &str, managers: &Value) -> Crd {
        Crd::new(json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "pools.a.b", "labels": {"app": "x"}, "managedFields": managers},
            "spec": {"group": "a.b", "scope": "Namespaced", "names": {"kind": "Pool", "plural": "pools"},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": size}}}]}}))
        .unwrap()
    }

    #[test]
    fn a_crd_without_an_answer_is_not_refused_and_not_written() {
        let live = crd("object", &json!([]));
        let plan = plan_crd("pools.a.b", Some(&live), &CrdDryRunResult::NoAnswer("timeout".into()), None);
        assert_eq!((plan.decision, plan.notes.as_slice()), (CrdDecision::Undetermined, &["timeout".to_owned()][..]));
        assert!(!plan.decision.needs_write());
    }

    #[test]
    fn only_fields_taken_from_another_manager_are_listed() {
        let entry =
            |manager: &str, fields: Value| json!({"manager": manager, "operation": "Apply", "fieldsV1": fields});
        let (versions, labels) =
            (json!({"f:spec": {"f:versions": {}}}), json!({"f:metadata": {"f:labels": {"f:app": {}}}}));
        let managers = json!([entry("helm", versions.clone()), entry("gitops", labels), entry("kubectl", versions)]);
        let (live, next) = (crd("object", &managers), crd("array", &json!([])));
        assert_eq!(
            find_forced_conflicts(&live, &next),
            BTreeMap::from([("helm".to_owned(), vec!["spec.versions".to_owned()])])
        );
        assert!(find_forced_conflicts(&live, &live).is_empty());
        let plan = plan_crd("pools.a.b", Some(&live), &CrdDryRunResult::Accepted(next), None);
        assert!(plan.decision.needs_write() && plan.forced_conflicts.contains_key("helm"), "{plan:?}");
        assert!(count_forced_conflicts(std::slice::from_ref(&plan)).is_empty(), "helm does not write it again");
        let forecasts = BTreeMap::from([("pools.a.b".to_owned(), CrdDryRunResult::Accepted(crd("array", &json!([]))))]);
        let live = BTreeMap::from([("pools.a.b".to_owned(), live)]);
        let templates = BTreeMap::from([("pools.a.b".to_owned(), "mural-crds".to_owned())]);
        let plans = plan_crds(&live, &forecasts, &BTreeMap::new(), &[], &templates);
        assert!(plans[0].forced_conflicts.is_empty(), "helm writes it: {plans:?}");
    }
}
