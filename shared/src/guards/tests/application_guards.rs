//! Guards of the application's objects and values, and of what stands around them.

use crate::ask::BackupMode;
use crate::checks::crd_changes::object_evidence::{EvidenceCollector, ObjectSource};
use crate::checks::crd_changes::{ServerAnswer, judge_crd};
use crate::model::crd::Crd;
use crate::model::dry_run::CrdDryRunResult;
use crate::model::secret::Hidden;
use crate::schema::ServerVersion;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

use crate::guards::tests::scenario::{GuardScenario, build_crd, fires, guard_findings, rejection, release_record};
use crate::model::access_review::Permission;
use crate::model::admission_policies::ServiceRef;
use crate::model::application::{ApplyMethod, DryRunAnswer, ObjectForecast};
use crate::model::chart::ValuesSchemaError;
use crate::model::check::{Level, Verdict};
use crate::model::cluster_view::ReadFailure;
use crate::model::container_images::ImageAvailability;
use crate::model::object::ObjectRef;

pub(super) fn canvas_deployment(replicas: u32) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "canvas"}, "spec": {"replicas": replicas}})
}

pub(super) fn with_dry_run_answer(answer: DryRunAnswer) -> GuardScenario {
    let object = ObjectRef::from_manifest(&canvas_deployment(1)).unwrap();
    GuardScenario::with(|scenario| {
        scenario.application.forecasts = vec![ObjectForecast { object, answer, warnings: Vec::new() }];
    })
}

#[test]
fn every_object_is_dry_run_first() {
    let refused = |words: &str| with_dry_run_answer(DryRunAnswer::Rejected(rejection(422, words)));
    let reported = guard_findings(&refused("spec.selector: field is immutable"), "objects-dry-run");
    assert!(
        reported[0].message.contains("immutable") && reported[0].hint.contains("kubectl delete deployment canvas"),
        "{reported:?}"
    );
    assert_eq!(with_dry_run_answer(DryRunAnswer::Accepted).run_guard("objects-dry-run"), Verdict::Pass);
    let mut warned = with_dry_run_answer(DryRunAnswer::Accepted);
    warned.application.forecasts[0].warnings = vec!["would violate PodSecurity \"restricted:latest\"".to_owned()];
    let found = guard_findings(&warned, "objects-dry-run");
    assert_eq!((found.len(), found[0].level), (1, Level::Warning));
    assert!(found[0].message.contains("would violate PodSecurity"), "{found:?}");
    assert_eq!(
        with_dry_run_answer(DryRunAnswer::NotAsked("its CRD changes first")).run_guard("objects-dry-run"),
        Verdict::Pass
    );
    let unknown = with_dry_run_answer(DryRunAnswer::NoAnswer("a webhook does not support dry run".into()));
    assert!(matches!(unknown.run_guard("objects-dry-run"), Verdict::Undetermined { .. }));
    let unasked = GuardScenario::with(|scenario| scenario.server_dry_run = false);
    assert!(matches!(unasked.run_guard("objects-dry-run"), Verdict::Undetermined { .. }));
}

#[test]
fn the_servers_message_on_a_secret_is_masked() {
    let mut scenario = with_dry_run_answer(DryRunAnswer::Rejected(rejection(422, "data[key]: Invalid value: canary")));
    scenario.application.forecasts[0].object.kind = "Secret".into();
    assert!(!guard_findings(&scenario, "objects-dry-run")[0].message.contains("canary"));
}

/// A Deployment that a person scaled, in a release that sets two replicas.
pub(super) fn with_scaled_canvas(by: &str, live: u32, next: u32) -> GuardScenario {
    GuardScenario::with(|scenario| {
        scenario.application.stored_objects = Hidden::new(vec![canvas_deployment(2)]);
        let mut scaled = canvas_deployment(live);
        scaled["metadata"]["managedFields"] =
            json!([{"manager": by, "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]);
        scenario.application.live_objects.insert(scaled, "mural-system");
        scenario.rendered_app = vec![canvas_deployment(next)];
    })
}

#[test]
fn a_manual_change_is_shown_before_it_is_overwritten() {
    let reported = guard_findings(&with_scaled_canvas("kubectl", 5, 2), "manual-changes");
    assert!(reported[0].message.contains("spec.replicas was set to 5 by kubectl; the upgrade sets 2"), "{reported:?}");
    assert!(!fires(&with_scaled_canvas("helm", 5, 2), "manual-changes"), "helm's own");
    assert!(!fires(&with_scaled_canvas("kubectl", 5, 5), "manual-changes"), "the new chart says the same");
    assert!(!fires(&with_scaled_canvas("kubectl", 2, 3), "manual-changes"), "it is as the release said");
}

#[test]
fn of_a_custom_resource_helm_leaves_what_no_chart_changes() {
    let hub = |size: u32| json!({"apiVersion": "example.com/v1", "kind": "Hub", "metadata": {"name": "h"}, "spec": {"size": size}});
    let changed = |next: u32, method| {
        GuardScenario::with(|scenario| {
            scenario.application.stored_objects = Hidden::new(vec![hub(1)]);
            let mut live = hub(7);
            live["metadata"]["managedFields"] =
                json!([{"manager": "kubectl-edit", "fieldsV1": {"f:spec": {"f:size": {}}}}]);
            scenario.application.live_objects.insert(live, "mural-system");
            scenario.application.apply_method = method;
            scenario.rendered_app = vec![hub(next)];
        })
    };
    assert!(!fires(&changed(1, ApplyMethod::ClientSide), "manual-changes"));
    assert!(fires(&changed(2, ApplyMethod::ClientSide), "manual-changes"));
    assert!(fires(&changed(1, ApplyMethod::ServerSide), "manual-changes"));
}

/// <https://github.com/fluxcd/flux2/issues/4586>: a controller fills the rules of an aggregated ClusterRole.
#[test]
fn the_rules_of_an_aggregated_cluster_role_are_no_manual_change() {
    let role = |aggregates: bool, rules: Value| {
        let aggregation = if aggregates { json!({"clusterRoleSelectors": [{}]}) } else { Value::Null };
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "all"},
            "aggregationRule": aggregation, "rules": rules})
    };
    let changed = |aggregates: bool| {
        GuardScenario::with(|scenario| {
            scenario.application.stored_objects = Hidden::new(vec![role(aggregates, json!([]))]);
            let mut live = role(aggregates, json!([{"verbs": ["get"]}]));
            live["metadata"]["managedFields"] =
                json!([{"manager": "clusterrole-aggregation-controller", "fieldsV1": {"f:rules": {}}}]);
            scenario.application.live_objects.insert(live, "mural-system");
            scenario.rendered_app = vec![role(aggregates, json!([]))];
        })
    };
    assert!(fires(&changed(false), "manual-changes"));
    assert!(!fires(&changed(true), "manual-changes"));
}

/// A webhook for Secrets, which helm writes in every upgrade.
pub(super) fn with_webhook(modify: impl FnOnce(&mut Value), ready: usize) -> GuardScenario {
    let mut webhook = json!({"name": "v.example.com", "failurePolicy": "Fail",
        "clientConfig": {"service": {"namespace": "policy", "name": "webhook"}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["secrets"], "operations": ["CREATE"]}]});
    modify(&mut webhook);
    GuardScenario::with(|scenario| {
        scenario.policies.webhooks = Ok(vec![
            json!({"kind": "ValidatingWebhookConfiguration", "metadata": {"name": "policy"}, "webhooks": [webhook]}),
        ]);
        let service = ServiceRef { namespace: "policy".into(), name: "webhook".into() };
        scenario.policies.ready_endpoints.insert(service, Ok(ready));
        scenario.policies.namespace_labels = Ok(BTreeMap::from([("team".to_owned(), "mural".to_owned())]));
    })
}

#[test]
fn a_webhook_that_must_answer_has_to_live() {
    let reported = guard_findings(&with_webhook(|_| (), 0), "admission-webhooks-ready");
    assert!(reported[0].message.contains("Service policy/webhook has no ready endpoint"), "{reported:?}");
    assert!(!fires(&with_webhook(|_| (), 1), "admission-webhooks-ready"));
    assert!(!fires(&with_webhook(|webhook| webhook["failurePolicy"] = "Ignore".into(), 0), "admission-webhooks-ready"));
    assert!(!fires(
        &with_webhook(|webhook| webhook["rules"][0]["resources"] = json!(["pods"]), 0),
        "admission-webhooks-ready"
    ));
    let elsewhere = |webhook: &mut Value| webhook["namespaceSelector"] = json!({"matchLabels": {"team": "others"}});
    assert!(!fires(&with_webhook(elsewhere, 0), "admission-webhooks-ready"));
    let unseen = GuardScenario::with(|scenario| {
        scenario.policies.webhooks = Err(ReadFailure { target: "webhooks".into(), reason: "forbidden".into() });
    });
    assert!(matches!(unseen.run_guard("admission-webhooks-ready"), Verdict::Undetermined { .. }));
}

/// A CRD that comes with a conversion webhook, and how many endpoints of its Service are ready.
pub(super) fn with_conversion_webhook(live: bool, ready: usize) -> GuardScenario {
    GuardScenario::with(|scenario| {
        let mut next = build_crd("hubs.example.com", "v1").json().clone();
        let service = json!({"namespace": "mural-system", "name": "hue"});
        next["spec"]["conversion"] = json!({"strategy": "Webhook", "webhook": {"clientConfig": {"service": service}}});
        let second_version = json!({"name": "v2", "served": true, "storage": false});
        next["spec"]["versions"].as_array_mut().unwrap().push(second_version);
        scenario.forecasts.insert("hubs.example.com".into(), CrdDryRunResult::Accepted(Crd::new(next).unwrap()));
        if !live {
            scenario.view.crds = Ok(BTreeMap::new());
        }
        scenario.rendered_app = vec![json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "hue"}})];
        scenario
            .policies
            .ready_endpoints
            .insert(ServiceRef { namespace: "mural-system".into(), name: "hue".into() }, Ok(ready));
    })
}

#[test]
fn a_conversion_webhook_is_there_before_its_crd() {
    let reported = guard_findings(&with_conversion_webhook(true, 0), "conversion-webhook-ready");
    assert!(
        reported[0].level == Level::Error && reported[0].message.contains("is installed with the application"),
        "{reported:?}"
    );
    assert_eq!(guard_findings(&with_conversion_webhook(false, 0), "conversion-webhook-ready")[0].level, Level::Warning);
    assert!(!fires(&with_conversion_webhook(true, 1), "conversion-webhook-ready"));
}

/// A custom resource of the chart with this `spec`; its new schema takes a `size` of at most 3.
pub(super) fn with_hub_spec(value: &Value) -> GuardScenario {
    GuardScenario::with(|scenario| {
        let mut next = build_crd("hubs.example.com", "v1").json().clone();
        next["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = json!({"type": "object", "properties":
            {"spec": {"type": "object", "properties": {"size": {"type": "integer", "maximum": 3}}}}});
        scenario.forecasts.insert("hubs.example.com".into(), CrdDryRunResult::Accepted(Crd::new(next).unwrap()));
        scenario.rendered_app =
            vec![json!({"apiVersion": "example.com/v1", "kind": "Hub", "metadata": {"name": "h"}, "spec": value})];
    })
}

#[test]
fn a_custom_resource_is_judged_by_the_schema_that_comes() {
    let reported = guard_findings(&with_hub_spec(&json!({"size": 4})), "custom-resources-fit");
    assert!(reported[0].message.contains("spec.size") && reported[0].level == Level::Error, "{reported:?}");
    assert_eq!(with_hub_spec(&json!({"size": 3})).run_guard("custom-resources-fit"), Verdict::Pass);
    let dropped = guard_findings(&with_hub_spec(&json!({"sizes": 3})), "custom-resources-fit");
    assert!(dropped[0].level == Level::Warning && dropped[0].message.contains("spec.sizes"), "{dropped:?}");
}

/// A client-side helm and the API server drop a null that the schema does not allow; a server-side apply of it is rejected.
#[test]
fn a_null_is_refused_only_in_a_server_side_apply() {
    let mut scenario = with_hub_spec(&json!({"size": null}));
    assert_eq!(scenario.run_guard("custom-resources-fit"), Verdict::Pass);
    scenario.application.apply_method = ApplyMethod::ServerSide;
    let reported = guard_findings(&scenario, "custom-resources-fit");
    assert!(reported[0].level == Level::Error && reported[0].message.contains("spec.size is null"), "{reported:?}");
    assert!(reported[0].hint.contains("--server-side=false"), "{reported:?}");
}

/// A live object with this `spec`; its new schema no longer has `colour`.
pub(super) fn with_removed_field(spec: &Value) -> GuardScenario {
    let of = |fields: &Value| {
        let mut crd = build_crd("hubs.example.com", "v1").json().clone();
        crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"] =
            json!({"type": "object", "properties": {"spec": {"type": "object", "properties": fields}}});
        Crd::new(crd).unwrap()
    };
    let size = json!({"type": "integer"});
    let (old, new) = (of(&json!({"size": size, "colour": {"type": "string"}})), of(&json!({"size": size})));
    let mut collector = EvidenceCollector::new(&old, &new, ServerVersion::NEWEST, ObjectSource::Live);
    let hub = json!({"apiVersion": "example.com/v1", "kind": "Hub", "metadata": {"name": "h"}, "spec": spec});
    collector.add_live_object(&hub);
    let verdict = judge_crd(Some(&old), Some(&new), collector.finish(), ServerVersion::NEWEST, ServerAnswer::Accepted);
    GuardScenario::with(|scenario| scenario.verdicts = BTreeMap::from([(verdict.name.clone(), verdict)]))
}

/// The loss of a stored field needs a confirmation of its own, and the plan shows it also when it is allowed.
#[test]
fn a_lost_field_is_an_error_until_the_loss_is_allowed() {
    let mut scenario = with_removed_field(&json!({"size": 3, "colour": "red"}));
    let reported = guard_findings(&scenario, "field-loss");
    let message = "1 of 1 object loses fields for good when stored as v1: spec.colour (1 object)";
    assert_eq!((reported[0].level, reported[0].message.as_str()), (Level::Error, message));
    assert!(reported[0].hint.contains("--allow-field-loss"), "{reported:?}");
    assert_eq!(scenario.run_guard("live-objects-fit"), Verdict::Pass, "one guard reports it");
    scenario.allowed.field_loss = true;
    let reported = guard_findings(&scenario, "field-loss");
    assert_eq!((reported[0].level, reported[0].message.as_str()), (Level::Warning, message));
    scenario.backup = BackupMode::Declined;
    let reported = guard_findings(&scenario, "field-loss");
    assert_eq!((reported[0].level, reported[0].message.as_str()), (Level::Error, message), "nothing would keep it");
    assert!(reported[0].hint.starts_with("remove --no-save"), "{reported:?}");
}

/// A live object with this size; the new schema takes `a` alone.
pub(super) fn with_live_hub(live: &str, waived: bool, blind: bool) -> GuardScenario {
    GuardScenario::with(|scenario| {
        let of = |sizes: &[&str]| {
            let mut crd = build_crd("hubs.example.com", "v1").json().clone();
            crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = json!({"type": "object", "properties":
                {"spec": {"type": "object", "properties": {"size": {"type": "string", "enum": sizes}}}}});
            Crd::new(crd).unwrap()
        };
        let (old, new) = (of(&["a", "b"]), of(&["a"]));
        let mut looking = EvidenceCollector::new(&old, &new, ServerVersion::NEWEST, ObjectSource::Live);
        looking.add_live_object(
            &json!({"apiVersion": "example.com/v1", "kind": "Hub", "metadata": {"name": "h"}, "spec": {"size": live}}),
        );
        if blind {
            looking.mark_undetermined("forbidden");
        }
        let mut verdict =
            judge_crd(Some(&old), Some(&new), looking.finish(), ServerVersion::NEWEST, ServerAnswer::NotAsked);
        if waived {
            verdict.findings.iter_mut().for_each(|finding| finding.waiver_reason = Some("known".to_owned()));
        }
        scenario.verdicts = BTreeMap::from([("hubs.example.com".to_owned(), verdict)]);
    })
}

#[test]
fn live_objects_that_the_new_schema_hurts_are_refused_unless_someone_answers_for_them() {
    let reported = guard_findings(&with_live_hub("b", false, false), "live-objects-fit");
    assert!(
        reported[0].level == Level::Error && reported[0].message.contains("affects 1 of 1 object ("),
        "{reported:?}"
    );
    assert!(reported[0].message.contains("Hub h") && reported[0].message.contains("spec.size"), "{reported:?}");
    assert_eq!(with_live_hub("b", true, false).run_guard("live-objects-fit"), Verdict::Pass);
    assert_eq!(with_live_hub("a", false, false).run_guard("live-objects-fit"), Verdict::Pass);
    assert!(matches!(with_live_hub("a", false, true).run_guard("live-objects-fit"), Verdict::Undetermined { .. }));
}

#[test]
fn a_custom_resource_that_no_one_touches_is_kept() {
    let hub = |size: u64| json!({"apiVersion": "example.com/v1", "kind": "Hub", "metadata": {"name": "h"}, "spec": {"size": size}});
    let before = |size: u64| {
        GuardScenario::with(|scenario| {
            let mut next = build_crd("hubs.example.com", "v1").json().clone();
            next["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = json!({"type": "object", "properties":
                {"spec": {"type": "object", "properties": {"size": {"type": "integer", "maximum": 3}}}}});
            scenario.forecasts.insert("hubs.example.com".into(), CrdDryRunResult::Accepted(Crd::new(next).unwrap()));
            scenario.application.stored_objects = Hidden::new(vec![hub(size)]);
            scenario.application.live_objects.insert(hub(size), "mural-system");
            scenario.rendered_app = vec![hub(4)];
        })
    };
    let unchanged = guard_findings(&before(4), "custom-resources-fit");
    assert!(
        unchanged[0].level == Level::Warning && unchanged[0].message.contains("does not change it"),
        "{unchanged:?}"
    );
    assert_eq!(guard_findings(&before(3), "custom-resources-fit")[0].level, Level::Error);
}

#[test]
fn missing_images_are_reported_and_a_silent_registry_once() {
    let with_images = |answers: &[(&str, ImageAvailability)]| {
        let answers = answers.iter().map(|(image, answer)| ((*image).to_owned(), answer.clone())).collect();
        GuardScenario::with(|scenario| scenario.images = Some(answers))
    };
    let unknown =
        ImageAvailability::Undetermined { host: "b.example".into(), reason: "b.example does not answer".into() };
    let reported = guard_findings(
        &with_images(&[
            ("a/x:1", ImageAvailability::Missing),
            ("b.example/y:1", unknown.clone()),
            ("b.example/z:1", unknown),
        ]),
        "images-available",
    );
    let subjects: Vec<_> = reported.iter().map(|finding| finding.subject.as_str()).collect();
    assert_eq!(subjects, ["image a/x:1", "images of b.example"]);
    assert!(
        reported.iter().all(|finding| finding.level == Level::Warning) && reported[1].message.contains("2 new images")
    );
    assert!(!fires(
        &with_images(&[("a/x:1", ImageAvailability::Available { digest: String::new() })]),
        "images-available"
    ));
}

#[test]
fn values_that_a_schema_rejects_are_reported_by_path() {
    let refused = |chart: &str, place: &str| {
        GuardScenario::with(|scenario| {
            let words = "maxLength: got 5, want 4".to_owned();
            scenario.schema_refusals =
                vec![ValuesSchemaError { chart: chart.into(), path: place.into(), message: words }];
        })
    };
    let top_level = guard_findings(&refused("mural", "password"), "values-schema");
    assert_eq!((top_level[0].subject.as_str(), top_level[0].level), ("value password", Level::Error));
    assert!(top_level[0].message.contains("schema of mural 1.1.0-rc.3: maxLength"), "{top_level:?}");
    assert_eq!(guard_findings(&refused("dex", "issuer"), "values-schema")[0].subject, "value dex.issuer");
    assert!(!fires(&GuardScenario::healthy(), "values-schema"));
}

#[test]
fn a_value_that_the_new_chart_lacks_is_reported() {
    let set = |key: &str, chart: Value| {
        GuardScenario::with(|scenario| {
            let mut before = release_record("mural", "1.1.0-rc.0", "deployed", "");
            before.chart_values = Hidden::new(json!({"canvas": {"theme": "light"}, "labels": {}}));
            scenario.set_record(before);
            scenario.app_chart.values = chart;
            scenario.config = Hidden::new(json!({key: {"theme": "canary"}}));
        })
    };
    let reported = guard_findings(&set("canvas", json!({"canvas": {"colour": "light"}})), "unknown-values");
    assert!(
        reported[0].subject.contains("canvas.theme") && !format!("{reported:?}").contains("canary"),
        "{reported:?}"
    );
    assert!(!fires(&set("canvas", json!({"canvas": {"theme": "dark"}})), "unknown-values"));
    assert!(!fires(&set("labels", json!({"labels": {}})), "unknown-values"), "an empty map takes any key");
}

#[test]
fn a_value_with_a_typing_error_is_reported_with_the_key_that_it_resembles() {
    let set = |config: Value| {
        GuardScenario::with(|scenario| {
            scenario.set_record(release_record("mural", "1.1.0-rc.0", "deployed", ""));
            scenario.app_chart.values = json!({"canvas": {"replicas": 1, "node1": 1}, "labels": {}});
            scenario.config = Hidden::new(config);
        })
    };
    for (typed, meant) in [
        (json!({"canvsa": {"replicas": 2}}), "canvas"),
        (json!({"canvas": {"replica": 2}}), "canvas.replicas"),
        (json!({"gloabl": {"a": 1}}), "global"),
    ] {
        let reported = guard_findings(&set(typed.clone()), "unknown-values");
        assert!(reported.len() == 1 && reported[0].message.contains(meant), "{typed}: {reported:?}");
    }
    for fine in [
        json!({"global": {"metrcs": 1}, "labels": {"anything": 1}}),
        json!({"readByATemplate": 1, "canvas": {"node2": 1, "replicas": 2, "replica": 3}}),
    ] {
        assert!(!fires(&set(fine.clone()), "unknown-values"), "{fine}");
    }
}

#[test]
fn missing_permissions_are_reported_per_namespace() {
    let denied = |denied: Vec<Permission>| GuardScenario::with(|scenario| scenario.grants.denied = Ok(denied));
    let reported = guard_findings(
        &denied(vec![
            Permission::new(None, "apiextensions.k8s.io", "customresourcedefinitions", "patch"),
            Permission::new(Some("mural-system"), "", "secrets", "create"),
        ]),
        "permissions",
    );
    let subjects: Vec<&str> = reported.iter().map(|finding| finding.subject.as_str()).collect();
    assert_eq!(subjects, ["namespace mural-system", "the cluster"]);
    assert!(reported[0].message.contains("operator may not create secrets"), "{reported:?}");
    assert!(reported.iter().all(|finding| finding.hint.contains("--explain-permissions")), "{reported:?}");
    assert_eq!(denied(Vec::new()).run_guard("permissions"), Verdict::Pass);
    let unseen = GuardScenario::with(|scenario| {
        scenario.grants.denied =
            Err(ReadFailure { target: "the permissions of the current user".into(), reason: "timeout".into() });
    });
    assert!(matches!(unseen.run_guard("permissions"), Verdict::Undetermined { .. }));
}

pub(super) fn with_rollout(name: &str, modify: impl FnOnce(&mut GuardScenario)) -> GuardScenario {
    let workload = |image: &str| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {"replicas": 4, "template":
            {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"image": image, "resources": {"requests": {"cpu": "500m"}}}]}}}})
    };
    GuardScenario::with(|scenario| {
        scenario.application.stored_objects = Hidden::new(vec![workload("a:1")]);
        scenario.rendered_app = vec![workload("a:2")];
        modify(scenario);
    })
}

#[test]
fn a_quota_has_to_leave_room_for_the_new_pods() {
    let quota = |key: &str, used: &str, hard: &str| {
        let quota = json!({"metadata": {"name": "q"}, "status": {"hard": {key: hard}, "used": {key: used}}});
        with_rollout("canvas", |scenario| scenario.policies.resource_quotas = Ok(vec![quota]))
    };
    assert!(guard_findings(&quota("pods", "4", "4"), "rollout-capacity")[0].message.contains("up to 1 more"));
    assert!(!fires(&quota("pods", "4", "5"), "rollout-capacity"), "a quarter of four is one");
    assert!(fires(&quota("requests.cpu", "1800m", "2"), "rollout-capacity"));
    assert!(!fires(&quota("requests.cpu", "1500m", "2"), "rollout-capacity"));
    assert!(!fires(&quota("secrets", "9", "9"), "rollout-capacity"));
}

#[test]
fn existing_disruptions_are_reported_before_pods_are_replaced() {
    let budget = |healthy: u32, app: &str| {
        let budget = json!({"metadata": {"name": "b"}, "spec": {"selector": {"matchLabels": {"app": app}}},
            "status": {"currentHealthy": healthy, "desiredHealthy": 3}});
        with_rollout("canvas", |scenario| scenario.policies.disruption_budgets = Ok(vec![budget]))
    };
    assert!(fires(&budget(2, "canvas"), "rollout-capacity"));
    assert!(!fires(&budget(3, "canvas"), "rollout-capacity"));
    assert!(!fires(&budget(2, "other"), "rollout-capacity"));
}

#[test]
fn a_login_through_dex_is_warned_of_its_restart() {
    let ends = |second: i64| Timestamp::from_second(second).ok();
    let dex = |token_ends| with_rollout("dex", |scenario| scenario.token_expiry = token_ends);
    assert_eq!(guard_findings(&dex(None), "login-restarts")[0].level, Level::Info);
    assert_eq!(guard_findings(&dex(ends(7200)), "login-restarts")[0].level, Level::Info, "it outlives the upgrade");
    let reported = guard_findings(&dex(ends(600)), "login-restarts");
    assert!(
        reported[0].level == Level::Warning && reported[0].message.contains("expires in 10 minutes"),
        "{reported:?}"
    );
    assert_eq!(with_rollout("indexer", |_| ()).run_guard("login-restarts"), Verdict::Pass, "a word, not a part of one");
}
