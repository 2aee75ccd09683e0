//! States that users reported in public: each test names the report.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::application_guards::{with_hub_spec, with_webhook};
use super::crd_guards::modified_crd;
use super::example_states::with_pod_quota;
use super::release_guards::with_history;
use super::scenario::{GuardScenario, fires, guard_findings, rejected_crd, release_record};
use crate::model::application::ApplyMethod;
use crate::model::check::{Level, Verdict};
use crate::model::cluster_view::ReadFailure;
use crate::model::crd::Crd;
use crate::model::dry_run::CrdDryRunResult;
use crate::model::owner::Owner;
use crate::model::release::ReleaseRecord;
use crate::model::secret::Hidden;
use crate::model::served_kinds::ServedKinds;

fn object(api_version: &str, kind: &str, name: &str) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}})
}

fn with_rendered(objects: Vec<Value>) -> GuardScenario {
    GuardScenario::with(|scenario| scenario.rendered_app = objects)
}

/// A CRD that is being deleted. The charts contain `hubs.example.com`.
pub(super) fn with_terminating_crd(name: &str) -> GuardScenario {
    let crd = modified_crd(name, |crd| crd["metadata"]["deletionTimestamp"] = "2026-11-30T07:12:00Z".into());
    GuardScenario::with(|scenario| {
        let others = scenario
            .forecasts
            .values()
            .filter_map(CrdDryRunResult::planned_crd)
            .map(|crd| (crd.name().to_owned(), crd.clone()));
        let mut live: BTreeMap<_, _> = others.collect();
        live.insert(name.to_owned(), crd);
        scenario.view.crds = Ok(live);
    })
}

/// A ConfigMap of the release that is being deleted. The new chart contains `settings`.
pub(super) fn with_terminating_object(name: &str) -> GuardScenario {
    let mut live = object("v1", "ConfigMap", name);
    live["metadata"]["deletionTimestamp"] = "2026-11-30T07:12:00Z".into();
    GuardScenario::with(|scenario| {
        scenario.rendered_app = vec![object("v1", "ConfigMap", "settings")];
        scenario.application.stored_objects =
            Hidden::new(["settings", "removed"].map(|name| object("v1", "ConfigMap", name)).into());
        scenario.application.live_objects.insert(live, "mural-system");
    })
}

/// A ConfigMap that is new in the chart and exists already, with this value of `app.kubernetes.io/managed-by`.
pub(super) fn with_live_config(manager: &str) -> GuardScenario {
    let mut live = object("v1", "ConfigMap", "extra");
    live["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": manager});
    live["metadata"]["annotations"] =
        json!({"meta.helm.sh/release-name": "mural", "meta.helm.sh/release-namespace": "mural-system"});
    GuardScenario::with(|scenario| {
        scenario.rendered_app = vec![object("v1", "ConfigMap", "extra")];
        scenario.application.live_objects.insert(live, "mural-system");
    })
}

/// <https://github.com/helm/charts/issues/23371>, <https://github.com/projectcapsule/capsule-proxy/issues/199>
#[test]
fn an_object_of_a_kind_that_no_server_and_no_crd_serves_is_refused() {
    let monitor = || object("monitoring.coreos.com/v1", "ServiceMonitor", "shop");
    let findings = guard_findings(&with_rendered(vec![monitor()]), "application-crds-served");
    assert!(findings[0].message.contains("ServiceMonitor in monitoring.coreos.com/v1"), "{findings:?}");
    assert!(findings[0].hint.contains("install the CRD of ServiceMonitor"), "{findings:?}");
    let removed = guard_findings(
        &with_rendered(vec![object("policy/v1beta1", "PodDisruptionBudget", "shop")]),
        "application-crds-served",
    );
    assert!(removed[0].hint.contains("supports Kubernetes v1.37.2"), "{removed:?}");
    assert!(!fires(&with_rendered(vec![object("apps/v1", "Deployment", "shop")]), "application-crds-served"));
    let mut hook = monitor();
    hook["metadata"]["annotations"] = json!({"helm.sh/hook": "test"});
    assert!(!fires(&with_rendered(vec![hook]), "application-crds-served"), "a hook is resolved when it runs");
}

/// A group whose CRD the API server rejects is reported once, by `crds-dry-run`.
#[test]
fn a_kind_of_a_rejected_crd_is_no_second_finding() {
    let mut scenario = with_rendered(vec![object("other.example/v1", "Other", "a")]);
    assert!(fires(&scenario, "application-crds-served"));
    scenario.forecasts.insert("others.other.example".into(), rejected_crd("spec.scope: field is immutable"));
    assert!(!fires(&scenario, "application-crds-served"));
}

#[test]
fn kinds_of_a_server_that_does_not_answer_are_undetermined() {
    let list = |items: Value| json!({"kind": "APIGroupDiscoveryList", "items": items});
    let stale = json!([{"metadata": {"name": "metrics.example.net"},
        "versions": [{"version": "v1", "freshness": "Stale", "resources": []}]}]);
    let mut scenario = with_rendered(vec![object("metrics.example.net/v1", "Shop", "a")]);
    scenario.application.kinds = Ok(ServedKinds::read(&[list(json!([])), list(stale)]).unwrap());
    assert!(matches!(scenario.run_guard("application-crds-served"), Verdict::Undetermined { .. }));
    scenario.application.kinds = Err(ReadFailure { target: "kinds".into(), reason: "forbidden".into() });
    assert!(matches!(scenario.run_guard("application-crds-served"), Verdict::Undetermined { .. }));
}

/// <https://github.com/helm/helm/issues/12803>, <https://github.com/open-policy-agent/kube-mgmt/issues/184>
#[test]
fn a_stored_manifest_with_a_removed_api_of_kubernetes_is_refused() {
    let stored = |api_version: &str, kind: &str| {
        let manifest = object(api_version, kind, "shop").to_string();
        with_history(vec![release_record("mural", "1.0.0", "deployed", &manifest)])
    };
    let findings = guard_findings(&stored("policy/v1beta1", "PodDisruptionBudget"), "stored-manifest-served");
    assert_eq!(findings[0].hint, "rewrite the stored manifest: helm mapkubeapis mural --namespace mural-system");
    let deleted_crd = guard_findings(&stored("watch.example.net/v1", "ShopMonitor"), "stored-manifest-served");
    assert!(deleted_crd[0].hint.starts_with("install the CRD again"), "{deleted_crd:?}");
    assert!(!fires(&stored("apps/v1", "Deployment"), "stored-manifest-served"));
}

/// <https://github.com/apecloud/kubeblocks/issues/8957>, <https://github.com/grafana/k8s-monitoring-helm/issues/1964>
#[test]
fn an_object_of_another_client_does_not_join_the_release() {
    let findings = guard_findings(&with_live_config("kubectl"), "object-ownership-metadata");
    assert!(findings[0].hint.contains("--take-ownership") && findings[0].subject == "ConfigMap extra", "{findings:?}");
    let mut known = with_live_config("kubectl");
    known.application.stored_objects = Hidden::new(known.rendered_app.clone());
    assert_eq!(known.run_guard("object-ownership-metadata"), Verdict::Pass, "it is in the release already");
    let mut taken = with_live_config("kubectl");
    taken.allowed.take_ownership = true;
    assert!(matches!(taken.run_guard("object-ownership-metadata"), Verdict::Skipped { .. }));
    let mut flux = with_live_config("kubectl");
    let owner = Owner::Flux { helm_release: "flux-system/mural".into(), managed_in_git: false };
    flux.view.owners.insert("mural".into(), owner);
    assert!(matches!(flux.run_guard("object-ownership-metadata"), Verdict::Skipped { .. }));
}

/// <https://github.com/helm/helm/issues/11553>, <https://github.com/helm/helm/issues/9274>
#[test]
fn a_release_that_was_uninstalled_with_its_history_is_not_installed() {
    let uninstalled = || with_history(vec![release_record("mural", "1.0.0", "uninstalled", "")]);
    let findings = guard_findings(&uninstalled(), "installed");
    assert!(findings[0].hint.contains("helm rollback mural 3 --namespace mural-system"), "{findings:?}");
    let mut flux = uninstalled();
    let owner = Owner::Flux { helm_release: "flux-system/mural".into(), managed_in_git: false };
    flux.view.owners.insert("mural".into(), owner);
    assert!(guard_findings(&flux, "installed")[0].hint.contains("helmrelease mural --namespace flux-system"));
    assert!(!fires(&with_history(vec![release_record("mural", "1.0.0", "failed", "")]), "installed"));
}

/// <https://github.com/kubernetes/kubernetes/issues/60538>, <https://github.com/jordigilh/kubernaut/issues/469>
#[test]
fn an_object_that_is_being_deleted_is_not_upgraded() {
    let namespace = GuardScenario::with(|scenario| scenario.policies.namespace_terminating = Ok(true));
    assert_eq!(guard_findings(&namespace, "objects-not-terminating")[0].subject, "namespace mural-system");
    assert_eq!(
        guard_findings(&with_terminating_object("settings"), "objects-not-terminating")[0].subject,
        "ConfigMap settings"
    );
    let mut used = with_terminating_crd("others.example.com");
    assert!(!fires(&used, "crds-not-terminating"), "neither chart needs it");
    used.rendered_app = vec![object("example.com/v1", "Hub", "h")];
    assert!(fires(&used, "crds-not-terminating"), "the application has an object of its kind");
}

/// `helm rollback` that fails by a field conflict: `helm upgrade --force-conflicts` continues from there
/// (<https://github.com/helm/helm/blob/v3.17.2/pkg/action/upgrade.go>, `prepareUpgrade`).
#[test]
fn a_failed_rollback_is_no_dead_end() {
    let record = |revision, status: &str| ReleaseRecord { revision, ..release_record("mural", "1.0.0", status, "") };
    let findings =
        guard_findings(&with_history(vec![record(1, "superseded"), record(2, "failed")]), "release-not-failed");
    assert_eq!(findings[0].level, Level::Warning);
    assert!(findings[0].hint.contains("--force-conflicts") && !findings[0].message.contains("ever"), "{findings:?}");
}

fn with_apply_method(spec: &Value, method: ApplyMethod) -> GuardScenario {
    let mut scenario = with_hub_spec(spec);
    scenario.application.apply_method = method;
    scenario
}

/// A server-side apply rejects fields that the schema does not have
/// (<https://kubernetes.io/docs/reference/using-api/server-side-apply/>); a client-side helm loses them.
#[test]
fn a_misspelt_field_is_refused_if_helm_applies_on_the_server() {
    let typo = || json!({"sise": 3});
    let applied = guard_findings(&with_apply_method(&typo(), ApplyMethod::ServerSide), "custom-resources-fit");
    assert_eq!(applied[0].level, Level::Error);
    assert!(
        applied[0].message.starts_with("spec.sise") && applied[0].hint.contains("did you mean size?"),
        "{applied:?}"
    );
    let patched = guard_findings(&with_apply_method(&typo(), ApplyMethod::ClientSide), "custom-resources-fit");
    assert_eq!(patched[0].level, Level::Warning);
    // An object for which the schema declares no fields takes any: they are pruned without an error.
    let mut free = with_apply_method(&json!({"anything": 1}), ApplyMethod::ServerSide);
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object"}}});
    let crd = modified_crd("hubs.example.com", |crd| {
        crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = schema;
    });
    free.forecasts.insert("hubs.example.com".into(), CrdDryRunResult::Accepted(crd));
    assert_eq!(guard_findings(&free, "custom-resources-fit")[0].level, Level::Warning);
}

/// The CRD chart stays: the live CRD decides.
#[test]
fn a_field_that_no_installed_crd_has_is_refused() {
    let mut scenario = with_apply_method(&json!({"fuel": "diesel"}), ApplyMethod::ServerSide);
    let crd = scenario.forecasts.remove("hubs.example.com").unwrap().planned_crd().unwrap().clone();
    scenario.view.crds = Ok(BTreeMap::from([("hubs.example.com".to_owned(), crd)]));
    assert_eq!(guard_findings(&scenario, "custom-resources-fit")[0].level, Level::Error);
}

/// <https://github.com/argoproj/argo-workflows/issues/2696>, <https://github.com/yannh/kubeconform/issues/122>
#[test]
fn an_object_with_a_generated_name_is_judged_like_any_other() {
    let mut scenario = with_hub_spec(&json!({"size": 4}));
    scenario.rendered_app[0]["metadata"] = json!({"generateName": "run-"});
    let findings = guard_findings(&scenario, "custom-resources-fit");
    assert!(findings[0].level == Level::Error && findings[0].subject == "Hub run-*", "{findings:?}");
}

/// The field `apiVerson` leaves the product's own CRD. No one else changed the live one.
#[test]
fn a_newer_chart_may_drop_what_its_older_one_had() {
    let properties = |fields: Value| {
        modified_crd("widgets.example.net", |crd| {
            crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = json!({"type": "object", "properties": fields});
        })
    };
    let live = |writer: &str| {
        let fields = json!({"f:spec": {"f:versions": {}}});
        let mut crd = properties(json!({"apiVerson": {"type": "string"}})).json().clone();
        crd["metadata"]["managedFields"] = json!([{"manager": writer, "operation": "Apply", "fieldsV1": fields}]);
        Crd::new(crd).unwrap()
    };
    let scenario = |stored: Option<Crd>, writer: &str| {
        let live = live(writer);
        GuardScenario::with(|scenario| {
            let mut record = release_record("mural-crds", "0.7.1", "deployed", "");
            record.crd_documents = stored.into_iter().collect();
            scenario.set_record(record);
            scenario.view.crds = Ok(BTreeMap::from([(live.name().to_owned(), live.clone())]));
            scenario.forecasts =
                BTreeMap::from([(live.name().to_owned(), CrdDryRunResult::Accepted(properties(json!({}))))]);
        })
    };
    assert!(!fires(&scenario(Some(live("helm")), "helm"), "foreign-downgrade"));
    let level = |stored, writer| guard_findings(&scenario(stored, writer), "foreign-downgrade")[0].level;
    let without = || Some(properties(json!({})));
    assert_eq!(level(without(), "kubectl"), Level::Error, "another client added the field");
    assert_eq!(level(without(), "helm"), Level::Warning, "the revision that brought it is no longer kept");
    assert_eq!(level(None, "helm"), Level::Warning, "a record does not have the crds/ of subcharts");
    assert_eq!(level(None, "kubectl"), Level::Warning, "the vendor's guide applies with kubectl");
    assert_eq!(level(None, "clusteradm"), Level::Error);
    let mut template = scenario(None, "helm");
    let manifest = live("helm").json().to_string();
    template.set_record(release_record("mural-crds", "0.7.1", "deployed", &manifest));
    assert!(!fires(&template, "foreign-downgrade"), "it was a template of the older chart");
}

/// A quota counts limits as requests, plain numbers, and init containers
/// (<https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#resource-sharing-within-containers>).
#[test]
fn a_quota_counts_what_the_api_server_counts() {
    let needs = |spec: Value| {
        let mut scenario = with_pod_quota("5");
        let quota = json!({"metadata": {"name": "q"}, "status": {"hard": {"requests.cpu": "1"}, "used": {}}});
        scenario.policies.resource_quotas = Ok(vec![quota]);
        scenario.rendered_app[0]["spec"]["template"]["spec"] = spec;
        fires(&scenario, "rollout-capacity")
    };
    let cpu = |kind: &str, amount: Value| json!({"name": "c", "resources": {kind: {"cpu": amount}}});
    assert!(needs(json!({"containers": [cpu("requests", json!(2))]})));
    assert!(!needs(json!({"containers": [cpu("requests", json!(1))]})));
    assert!(needs(json!({"containers": [cpu("limits", json!("1500m"))]})));
    let half = || cpu("requests", json!("500m"));
    assert!(needs(json!({"containers": [half()], "initContainers": [cpu("requests", json!("2"))]})));
    assert!(!needs(json!({"containers": [half()], "initContainers": [half()]})), "one after the other");
    let mut sidecar = half();
    sidecar["restartPolicy"] = "Always".into();
    assert!(needs(json!({"containers": [half(), half()], "initContainers": [sidecar]})), "a sidecar runs all the time");
}

/// <https://github.com/gardener/gardener/issues/5991>, <https://github.com/rancher/rancher/issues/49750>
#[test]
fn a_webhook_that_is_not_called_for_the_written_objects_needs_no_backend() {
    let labels = json!({"matchLabels": {"guarded": "yes"}});
    let by_label = || with_webhook(|webhook| webhook["objectSelector"] = labels.clone(), 0);
    assert_eq!(by_label().run_guard("admission-webhooks-ready"), Verdict::Pass);
    let mut labelled = by_label();
    let mut secret = object("v1", "Secret", "a");
    secret["metadata"]["labels"] = json!({"guarded": "yes"});
    labelled.rendered_app = vec![secret];
    assert!(fires(&labelled, "admission-webhooks-ready"));
    let by_scope = with_webhook(|webhook| webhook["rules"][0]["scope"] = "Cluster".into(), 0);
    assert_eq!(by_scope.run_guard("admission-webhooks-ready"), Verdict::Pass);
    let by_condition = |expression: &str| {
        let conditions = json!([{"name": "a", "expression": expression}]);
        with_webhook(|webhook| webhook["matchConditions"] = conditions, 0).run_guard("admission-webhooks-ready")
    };
    assert_eq!(by_condition("object.type == 'example.org/cloud'"), Verdict::Pass);
    assert!(matches!(by_condition("object.type == 'helm.sh/release.v1'"), Verdict::Fail { .. }));
    assert!(matches!(by_condition("request.userInfo.username == 'a'"), Verdict::Undetermined { .. }));
}
