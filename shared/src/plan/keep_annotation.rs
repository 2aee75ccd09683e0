//! The annotation `helm.sh/resource-policy: keep`. This program removes it only if a run of its own has set it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::journal::RunEntry;
use crate::model::crd::Crd;
use crate::model::release::RESOURCE_POLICY_ANNOTATION;

/// The CRDs that these runs annotated and that still have the annotation, owned by kubectl: so it is not the chart's.
#[must_use]
pub fn find_own_annotations<'a>(
    runs: impl IntoIterator<Item = &'a RunEntry>,
    live: &BTreeMap<String, Crd>,
) -> BTreeSet<String> {
    let annotated = runs.into_iter().flat_map(RunEntry::annotated_crds);
    annotated.filter(|name| live.get(*name).is_some_and(is_set_by_kubectl)).cloned().collect()
}

/// Whether it has the annotation, and `kubectl annotate` owns it.
fn is_set_by_kubectl(crd: &Crd) -> bool {
    let entries = crd.json().pointer("/metadata/managedFields").and_then(Value::as_array);
    let by_kubectl = |entry: &Value| {
        entry["manager"] == "kubectl-annotate"
            && entry["fieldsV1"]["f:metadata"]["f:annotations"].get(format!("f:{RESOURCE_POLICY_ANNOTATION}")).is_some()
    };
    crd.annotation(RESOURCE_POLICY_ANNOTATION) == Some("keep") && entries.into_iter().flatten().any(by_kubectl)
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::Action;
    use crate::plan::StepId;
    use crate::plan::journal::tests::entry;

    /// With the annotation, set by `manager`.
    pub(in crate::plan) fn annotate_keep(crd: &Crd, manager: &str) -> Crd {
        let mut document = crd.json().clone();
        let fields = json!({"f:metadata": {"f:annotations": {format!("f:{RESOURCE_POLICY_ANNOTATION}"): {}}}});
        document["metadata"]["annotations"] = json!({RESOURCE_POLICY_ANNOTATION: "keep"});
        document["metadata"]["managedFields"] =
            json!([{"manager": manager, "operation": "Update", "fieldsV1": fields}]);
        Crd::new(document).unwrap()
    }

    #[test]
    fn only_what_a_run_has_set_by_kubectl_is_ours() {
        let crd = Crd::new(json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "hubs.x"}}))
        .unwrap();
        let mut run = entry();
        run.steps[0].action = Action::AddKeepAnnotation { names: vec!["hubs.x".into(), "gone.x".into()] };
        let of = |run: &RunEntry, crd: &Crd| {
            find_own_annotations([run], &BTreeMap::from([("hubs.x".to_owned(), crd.clone())])).len()
        };
        let by_us = annotate_keep(&crd, "kubectl-annotate");
        assert_eq!(of(&run, &by_us), 0, "the step has not begun");
        run.begin_step(StepId::Crds, jiff::Timestamp::UNIX_EPOCH);
        assert_eq!((of(&run, &by_us), of(&run, &annotate_keep(&crd, "helm")), of(&run, &crd)), (1, 0, 0));
    }
}
