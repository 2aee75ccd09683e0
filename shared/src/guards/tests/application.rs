//! Guards of the application's objects and values, and of what stands around them.

use crate::checks::crd_changes::evidence::{Judge, Source};
use crate::checks::crd_changes::{Asked, judge};
use crate::model::crd::Crd;
use crate::model::grants::Grants;
use crate::model::secret::Hidden;
use crate::schema::ServerVersion;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

use crate::guards::tests::world::{World, crd, findings, fires, record};
use crate::model::application::{Answer, Foreseen, Method};
use crate::model::around::Service;
use crate::model::chart::SchemaRefusal;
use crate::model::check::{Level, Verdict};
use crate::model::grants::Need;
use crate::model::images::ImageAnswer;
use crate::model::object::ObjectRef;
use crate::model::view::NotSeen;

fn canvas(replicas: u32) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "canvas"}, "spec": {"replicas": replicas}})
}

fn answered(answer: Answer) -> World {
    let object = ObjectRef::of(&canvas(1)).unwrap();
    World::bent(|world| world.application.foreseen = vec![Foreseen { object, answer }])
}

#[test]
fn the_server_is_asked_about_every_object_first() {
    let refused = |words: &str| answered(Answer::Refused { code: 422, words: words.into() });
    let told = findings(&refused("spec.selector: field is immutable"), "objects-dry-run");
    assert!(
        told[0].message.contains("immutable") && told[0].hint.contains("kubectl delete deployment canvas"),
        "{told:?}"
    );
    assert_eq!(answered(Answer::Accepted).ask("objects-dry-run"), Verdict::Pass);
    assert_eq!(answered(Answer::NotAsked("its CRD changes first")).ask("objects-dry-run"), Verdict::Pass);
    let unknown = answered(Answer::Unknown("a webhook does not support dry run".into()));
    assert!(matches!(unknown.ask("objects-dry-run"), Verdict::Undetermined { .. }));
    let unasked = World::bent(|world| world.server_asked = false);
    assert!(matches!(unasked.ask("objects-dry-run"), Verdict::Undetermined { .. }));
}

#[test]
fn what_the_server_says_of_a_secret_is_kept_back() {
    let mut world = answered(Answer::Refused { code: 422, words: "data[key]: Invalid value: canary".into() });
    world.application.foreseen[0].object.kind = "Secret".into();
    assert!(!findings(&world, "objects-dry-run")[0].message.contains("canary"));
}

/// A Deployment that somebody scaled, in a release that says two.
fn scaled(by: &str, live: u32, next: u32) -> World {
    World::bent(|world| {
        world.application.stored = Hidden::new(vec![canvas(2)]);
        let mut scaled = canvas(live);
        scaled["metadata"]["managedFields"] =
            json!([{"manager": by, "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]);
        world.application.live.keep(scaled, "mural-system");
        world.rendered = vec![canvas(next)];
    })
}

#[test]
fn what_somebody_changed_by_hand_is_shown_before_it_is_overwritten() {
    let told = findings(&scaled("kubectl", 5, 2), "hand-made-changes");
    assert!(told[0].message.contains("spec.replicas is 5, set by kubectl, and will be 2"), "{told:?}");
    assert!(!fires(&scaled("helm", 5, 2), "hand-made-changes"), "helm's own");
    assert!(!fires(&scaled("kubectl", 5, 5), "hand-made-changes"), "the new chart says the same");
    assert!(!fires(&scaled("kubectl", 2, 3), "hand-made-changes"), "it is as the release said");
}

#[test]
fn of_a_custom_resource_helm_leaves_what_no_chart_changes() {
    let hub = |size: u32| json!({"apiVersion": "example.com/v1", "kind": "Hub", "metadata": {"name": "h"}, "spec": {"size": size}});
    let changed = |next: u32, method| {
        World::bent(|world| {
            world.application.stored = Hidden::new(vec![hub(1)]);
            let mut live = hub(7);
            live["metadata"]["managedFields"] =
                json!([{"manager": "kubectl-edit", "fieldsV1": {"f:spec": {"f:size": {}}}}]);
            world.application.live.keep(live, "mural-system");
            world.application.method = method;
            world.rendered = vec![hub(next)];
        })
    };
    assert!(!fires(&changed(1, Method::ClientSide), "hand-made-changes"));
    assert!(fires(&changed(2, Method::ClientSide), "hand-made-changes"));
    assert!(fires(&changed(1, Method::ServerSide), "hand-made-changes"));
}

/// A webhook for Secrets, which helm writes in every upgrade.
fn guarded(bend: impl FnOnce(&mut Value), ready: usize) -> World {
    let mut webhook = json!({"name": "v.example.com", "failurePolicy": "Fail",
        "clientConfig": {"service": {"namespace": "policy", "name": "webhook"}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["secrets"], "operations": ["CREATE"]}]});
    bend(&mut webhook);
    World::bent(|world| {
        world.around.webhooks = Ok(vec![
            json!({"kind": "ValidatingWebhookConfiguration", "metadata": {"name": "policy"}, "webhooks": [webhook]}),
        ]);
        let service = Service { namespace: "policy".into(), name: "webhook".into() };
        world.around.backends.insert(service, Ok(ready));
        world.around.labels = Ok(BTreeMap::from([("team".to_owned(), "mural".to_owned())]));
    })
}

#[test]
fn a_webhook_that_must_answer_has_to_live() {
    let told = findings(&guarded(|_| (), 0), "webhooks-alive");
    assert!(told[0].message.contains("Service policy/webhook has no ready endpoint"), "{told:?}");
    assert!(!fires(&guarded(|_| (), 1), "webhooks-alive"));
    assert!(!fires(&guarded(|webhook| webhook["failurePolicy"] = "Ignore".into(), 0), "webhooks-alive"));
    assert!(!fires(&guarded(|webhook| webhook["rules"][0]["resources"] = json!(["pods"]), 0), "webhooks-alive"));
    let elsewhere = |webhook: &mut Value| webhook["namespaceSelector"] = json!({"matchLabels": {"team": "others"}});
    assert!(!fires(&guarded(elsewhere, 0), "webhooks-alive"));
    let unseen = World::bent(|world| {
        world.around.webhooks = Err(NotSeen { what: "webhooks".into(), reason: "forbidden".into() });
    });
    assert!(matches!(unseen.ask("webhooks-alive"), Verdict::Undetermined { .. }));
}

#[test]
fn a_conversion_webhook_is_there_before_its_crd() {
    let converted = |live: bool, ready: usize| {
        World::bent(|world| {
            let mut next = crd("hubs.example.com", "v1").json().clone();
            let service = json!({"namespace": "mural-system", "name": "hue"});
            next["spec"]["conversion"] =
                json!({"strategy": "Webhook", "webhook": {"clientConfig": {"service": service}}});
            let more = json!({"name": "v2", "served": true, "storage": false});
            next["spec"]["versions"].as_array_mut().unwrap().push(more);
            world.forecasts.insert("hubs.example.com".into(), Ok(Crd::new(next).unwrap()));
            if !live {
                world.view.crds = Ok(BTreeMap::new());
            }
            world.rendered = vec![json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "hue"}})];
            world.around.backends.insert(Service { namespace: "mural-system".into(), name: "hue".into() }, Ok(ready));
        })
    };
    let told = findings(&converted(true, 0), "conversion-webhook-comes-later");
    assert!(told[0].level == Level::Error && told[0].message.contains("comes with the application"), "{told:?}");
    assert_eq!(findings(&converted(false, 0), "conversion-webhook-comes-later")[0].level, Level::Warning);
    assert!(!fires(&converted(true, 1), "conversion-webhook-comes-later"));
}

#[test]
fn a_custom_resource_is_judged_by_the_schema_that_comes() {
    let sized = |value: Value| {
        World::bent(|world| {
            let mut next = crd("hubs.example.com", "v1").json().clone();
            next["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = json!({"type": "object", "properties":
                {"spec": {"type": "object", "properties": {"size": {"type": "integer", "maximum": 3}}}}});
            world.forecasts.insert("hubs.example.com".into(), Ok(Crd::new(next).unwrap()));
            world.rendered =
                vec![json!({"apiVersion": "example.com/v1", "kind": "Hub", "metadata": {"name": "h"}, "spec": value})];
        })
    };
    let told = findings(&sized(json!({"size": 4})), "custom-resources-fit");
    assert!(told[0].message.contains("spec.size") && told[0].level == Level::Error, "{told:?}");
    assert_eq!(sized(json!({"size": 3})).ask("custom-resources-fit"), Verdict::Pass);
    let dropped = findings(&sized(json!({"sizes": 3})), "custom-resources-fit");
    assert!(dropped[0].level == Level::Warning && dropped[0].message.contains("spec.sizes"), "{dropped:?}");
}

#[test]
fn live_objects_that_the_new_schema_hurts_are_refused_unless_someone_answers_for_them() {
    let with = |live: &str, waived: bool, blind: bool| {
        World::bent(|world| {
            let of = |sizes: &[&str]| {
                let mut crd = crd("hubs.example.com", "v1").json().clone();
                crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = json!({"type": "object", "properties":
                    {"spec": {"type": "object", "properties": {"size": {"type": "string", "enum": sizes}}}}});
                Crd::new(crd).unwrap()
            };
            let (old, new) = (of(&["a", "b"]), of(&["a"]));
            let mut looking = Judge::new(&old, &new, ServerVersion::NEWEST, Source::Live);
            looking.look(&json!({"apiVersion": "example.com/v1", "kind": "Hub", "metadata": {"name": "h"}, "spec": {"size": live}}));
            if blind {
                looking.could_not_look("forbidden");
            }
            let mut verdict = judge(Some(&old), Some(&new), looking.done(), ServerVersion::NEWEST, Asked::Nobody);
            if waived {
                verdict.findings.iter_mut().for_each(|finding| finding.waived = Some("known".to_owned()));
            }
            world.verdicts = BTreeMap::from([("hubs.example.com".to_owned(), verdict)]);
        })
    };
    let told = findings(&with("b", false, false), "live-objects-fit");
    assert!(told[0].level == Level::Error && told[0].message.contains("1 of 1 objects are hurt"), "{told:?}");
    assert!(told[0].message.contains("Hub h") && told[0].message.contains("spec.size"), "{told:?}");
    assert_eq!(with("b", true, false).ask("live-objects-fit"), Verdict::Pass);
    assert_eq!(with("a", false, false).ask("live-objects-fit"), Verdict::Pass);
    assert!(matches!(with("a", false, true).ask("live-objects-fit"), Verdict::Undetermined { .. }));
}

#[test]
fn a_custom_resource_that_no_one_touches_is_kept() {
    let hub = |size: u64| json!({"apiVersion": "example.com/v1", "kind": "Hub", "metadata": {"name": "h"}, "spec": {"size": size}});
    let before = |size: u64| {
        World::bent(|world| {
            let mut next = crd("hubs.example.com", "v1").json().clone();
            next["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = json!({"type": "object", "properties":
                {"spec": {"type": "object", "properties": {"size": {"type": "integer", "maximum": 3}}}}});
            world.forecasts.insert("hubs.example.com".into(), Ok(Crd::new(next).unwrap()));
            world.application.stored = Hidden::new(vec![hub(size)]);
            world.application.live.keep(hub(size), "mural-system");
            world.rendered = vec![hub(4)];
        })
    };
    let kept = findings(&before(4), "custom-resources-fit");
    assert!(kept[0].level == Level::Warning && kept[0].message.contains("does not change it"), "{kept:?}");
    assert_eq!(findings(&before(3), "custom-resources-fit")[0].level, Level::Error);
}

#[test]
fn images_that_are_not_there_are_told_and_a_silent_registry_once() {
    let seen = |answers: &[(&str, ImageAnswer)]| {
        let answers = answers.iter().map(|(image, answer)| ((*image).to_owned(), answer.clone())).collect();
        World::bent(|world| world.images = Some(answers))
    };
    let unknown = ImageAnswer::Unknown { host: "b.example".into(), reason: "b.example does not answer".into() };
    let told = findings(
        &seen(&[("a/x:1", ImageAnswer::Missing), ("b.example/y:1", unknown.clone()), ("b.example/z:1", unknown)]),
        "images-resolve",
    );
    let subjects: Vec<_> = told.iter().map(|finding| finding.subject.as_str()).collect();
    assert_eq!(subjects, ["image a/x:1", "images of b.example"]);
    assert!(told.iter().all(|finding| finding.level == Level::Warning) && told[1].message.contains("2 new images"));
    assert!(!fires(&seen(&[("a/x:1", ImageAnswer::There)]), "images-resolve"));
}

#[test]
fn values_that_a_schema_refuses_are_told_by_their_place() {
    let refused = |chart: &str, place: &str| {
        World::bent(|world| {
            let words = "maxLength: got 5, want 4".to_owned();
            world.schema_refusals = vec![SchemaRefusal { chart: chart.into(), place: place.into(), words }];
        })
    };
    let own = findings(&refused("mural", "password"), "values-schema");
    assert_eq!((own[0].subject.as_str(), own[0].level), ("value password", Level::Error));
    assert!(own[0].message.contains("mural 1.1.0-rc.3 refuses it: maxLength"), "{own:?}");
    assert_eq!(findings(&refused("dex", "issuer"), "values-schema")[0].subject, "value dex.issuer");
    assert!(!fires(&World::healthy(), "values-schema"));
}

#[test]
fn a_value_that_the_new_chart_forgot_is_told() {
    let set = |key: &str, chart: Value| {
        World::bent(|world| {
            let mut before = record("mural", "1.1.0-rc.0", "deployed", "");
            before.chart_values = Hidden::new(json!({"canvas": {"theme": "light"}, "labels": {}}));
            world.store(before);
            world.chart.values = chart;
            world.config = Hidden::new(json!({key: {"theme": "canary"}}));
        })
    };
    let told = findings(&set("canvas", json!({"canvas": {"colour": "light"}})), "unknown-values");
    assert!(told[0].subject.contains("canvas.theme") && !format!("{told:?}").contains("canary"), "{told:?}");
    assert!(!fires(&set("canvas", json!({"canvas": {"theme": "dark"}})), "unknown-values"));
    assert!(!fires(&set("labels", json!({"labels": {}})), "unknown-values"), "an empty map takes any key");
}

#[test]
fn what_is_not_granted_is_told_with_a_ready_role() {
    let denied = |denied: Vec<Need>| World::bent(|world| world.grants = Grants { asked: 9, denied: Ok(denied) });
    let told = findings(
        &denied(vec![
            Need::new(None, "apiextensions.k8s.io", "customresourcedefinitions", "patch"),
            Need::new(Some("mural-system"), "", "secrets", "create"),
        ]),
        "permissions",
    );
    assert!(
        told[0].message.contains("operator may not create secrets")
            || told[1].message.contains("operator may not create secrets")
    );
    let roles: Vec<&str> =
        told.iter().filter_map(|finding| finding.hint.split_once(": {").map(|(_, role)| role)).collect();
    assert_eq!(roles.len(), 2, "{told:?}");
    assert!(
        roles.iter().any(|role| role.contains("ClusterRole") && role.contains("apiextensions.k8s.io")),
        "{roles:?}"
    );
    assert_eq!(denied(Vec::new()).ask("permissions"), Verdict::Pass);
    let unseen = World::bent(|world| {
        world.grants.denied = Err(NotSeen { what: "what we are allowed to do".into(), reason: "timeout".into() });
    });
    assert!(matches!(unseen.ask("permissions"), Verdict::Undetermined { .. }));
}

fn rolled(name: &str, bend: impl FnOnce(&mut World)) -> World {
    let workload = |image: &str| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {"replicas": 4, "template":
            {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"image": image, "resources": {"requests": {"cpu": "500m"}}}]}}}})
    };
    World::bent(|world| {
        world.application.stored = Hidden::new(vec![workload("a:1")]);
        world.rendered = vec![workload("a:2")];
        bend(world);
    })
}

#[test]
fn a_quota_has_to_leave_room_for_the_new_pods() {
    let quota = |key: &str, used: &str, hard: &str| {
        let quota = json!({"metadata": {"name": "q"}, "status": {"hard": {key: hard}, "used": {key: used}}});
        rolled("canvas", |world| world.around.quotas = Ok(vec![quota]))
    };
    assert!(findings(&quota("pods", "4", "4"), "room-for-surge")[0].message.contains("1 more at once"));
    assert!(!fires(&quota("pods", "4", "5"), "room-for-surge"), "a quarter of four is one");
    assert!(fires(&quota("requests.cpu", "1800m", "2"), "room-for-surge"));
    assert!(!fires(&quota("requests.cpu", "1500m", "2"), "room-for-surge"));
    assert!(!fires(&quota("secrets", "9", "9"), "room-for-surge"));
}

#[test]
fn what_is_disrupted_already_is_told_before_its_pods_are_replaced() {
    let budget = |healthy: u32, app: &str| {
        let budget = json!({"metadata": {"name": "b"}, "spec": {"selector": {"matchLabels": {"app": app}}},
            "status": {"currentHealthy": healthy, "desiredHealthy": 3}});
        rolled("canvas", |world| world.around.budgets = Ok(vec![budget]))
    };
    assert!(fires(&budget(2, "canvas"), "room-for-surge"));
    assert!(!fires(&budget(3, "canvas"), "room-for-surge"));
    assert!(!fires(&budget(2, "other"), "room-for-surge"));
}

#[test]
fn who_logs_in_through_dex_knows_that_it_restarts() {
    let ends = |second: i64| Timestamp::from_second(second).ok();
    let dex = |token_ends| rolled("dex", |world| world.token_ends = token_ends);
    assert_eq!(findings(&dex(None), "login-restarts")[0].level, Level::Info);
    assert_eq!(findings(&dex(ends(7200)), "login-restarts")[0].level, Level::Info, "it outlives the upgrade");
    let told = findings(&dex(ends(600)), "login-restarts");
    assert!(told[0].level == Level::Warning && told[0].message.contains("ends in 10 minutes"), "{told:?}");
    assert_eq!(rolled("indexer", |_| ()).ask("login-restarts"), Verdict::Pass, "a word, not a part of one");
}
