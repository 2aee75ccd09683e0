//! What the guard of the application's dry runs says of each kind of rejection.

use serde_json::json;

use crate::guards::tests::application_guards::{canvas_deployment, with_dry_run_answer, with_scaled_canvas};
use crate::guards::tests::scenario::{GuardScenario, guard_findings, rejection};
use crate::model::application::{DryRunAnswer, ObjectForecast};
use crate::model::check::Verdict;
use crate::model::dry_run::DryRunRejection;
use crate::model::object::ObjectRef;
use crate::model::rejection::Rejection;
use crate::model::secret::Hidden;

/// <https://github.com/minio/minio/issues/17762>: the server's message names no field.
#[test]
fn a_claim_that_was_grown_by_hand_is_named_with_both_sizes() {
    let store = |size: &str| {
        json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "store"},
        "spec": {"replicas": 1, "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"resources": {"requests": {"storage": size}}}}]}})
    };
    let words = "spec: Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden";
    let scenario = GuardScenario::with(|scenario| {
        let object = ObjectRef::from_manifest(&store("1Gi")).unwrap();
        let answer = DryRunAnswer::Rejected(rejection(422, words));
        scenario.application.forecasts = vec![ObjectForecast { object, answer, warnings: Vec::new() }];
        scenario.application.live_objects.insert(store("5Gi"), "mural-system");
        scenario.rendered_app = vec![store("1Gi")];
    });
    let reported = guard_findings(&scenario, "objects-dry-run");
    let field =
        "spec.volumeClaimTemplates[data].spec.resources.requests.storage is 5Gi on the cluster and 1Gi in the chart";
    assert!(reported[0].message.starts_with(field), "{reported:?}");
    assert!(reported[0].hint.contains("--cascade=orphan"), "{reported:?}");
    // The same field as a manual change, whose manager owns the whole list.
    let mut grown = store("5Gi");
    grown["metadata"]["managedFields"] =
        json!([{"manager": "kubectl-create", "fieldsV1": {"f:spec": {"f:volumeClaimTemplates": {}}}}]);
    let scenario = GuardScenario::with(|scenario| {
        scenario.application.stored_objects = Hidden::new(vec![store("1Gi")]);
        scenario.application.live_objects.insert(grown, "mural-system");
        scenario.rendered_app = vec![store("1Gi")];
    });
    let reported = guard_findings(&scenario, "manual-changes");
    let words = "spec.volumeClaimTemplates[data].spec.resources.requests.storage was set to 5Gi by kubectl-create; the upgrade sets 1Gi";
    assert_eq!(reported[0].message, words);
}

/// <https://github.com/helm/helm/issues/12650>
#[test]
fn replicas_of_an_autoscaler_are_no_value_for_the_chart() {
    let autoscaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "canvas"},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "canvas"}}});
    let mut scenario = with_scaled_canvas("kubectl", 3, 1);
    scenario.rendered_app.push(autoscaler);
    let reported = guard_findings(&scenario, "manual-changes");
    let says = "the upgrade sets 1 until HorizontalPodAutoscaler canvas restores them";
    assert!(reported[0].message.contains(says) && !reported[0].hint.contains("values file"), "{reported:?}");
    let by_controller = guard_findings(&with_scaled_canvas("kube-controller-manager", 3, 1), "manual-changes");
    assert!(by_controller[0].message.contains("until its autoscaler restores them"), "{by_controller:?}");
    let conflict = DryRunRejection {
        causes: vec![Rejection::new(".spec.replicas", "conflict with \"kube-controller-manager\"")],
        ..rejection(409, "Apply failed with 1 conflict")
    };
    let object = ObjectRef::from_manifest(&canvas_deployment(1)).unwrap();
    scenario.application.forecasts =
        vec![ObjectForecast { object, answer: DryRunAnswer::Rejected(conflict), warnings: Vec::new() }];
    assert!(guard_findings(&scenario, "objects-dry-run")[0].hint.contains("until the autoscaler restores"));
}

/// <https://github.com/helm/helm/issues/31529>
#[test]
fn an_item_that_stands_twice_is_refused_with_the_way_on() {
    let words = "failed to create typed patch object (m/shop; apps/v1, Kind=Deployment): \
        .spec.template.spec.containers[name=\"shop\"].env: duplicate entries for key [name=\"LEVEL\"]";
    let reported =
        guard_findings(&with_dry_run_answer(DryRunAnswer::Rejected(rejection(500, words))), "objects-dry-run");
    assert!(reported[0].message.contains("LEVEL") && reported[0].hint.contains("--server-side=false"), "{reported:?}");
}

#[test]
fn a_missing_permission_is_no_fault_of_the_object() {
    let words = "deployments.apps \"canvas\" is forbidden: User \"bob\" cannot patch resource \"deployments\"";
    let verdict = with_dry_run_answer(DryRunAnswer::Rejected(rejection(403, words))).run_guard("objects-dry-run");
    assert!(matches!(verdict, Verdict::Undetermined { .. }), "{verdict:?}");
}
