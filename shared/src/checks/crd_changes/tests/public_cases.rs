//! What real charts and public reports have shown. Each test names its source.

use super::*;

/// One version of a CRD: its `spec` has these fields.
fn build_version(name: &str, storage: bool, fields: &Value) -> Value {
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": fields}}});
    json!({"name": name, "served": true, "storage": storage, "schema": {"openAPIV3Schema": schema}})
}

fn build_object(version: &str, spec: &Value) -> Value {
    json!({"apiVersion": format!("example.com/{version}"), "kind": "Hub", "metadata": {"name": "a"}, "spec": spec})
}

fn judge_objects(old: &Crd, new: &Crd, source: ObjectSource, objects: &[Value]) -> CrdVerdict {
    let mut collector = EvidenceCollector::new(old, new, ServerVersion::NEWEST, source);
    objects.iter().for_each(|object| {
        collector.add_object(
            object,
            &crate::checks::crd_changes::object_evidence::ObjectOrigin::File { file: "a.yaml".into(), line: 1 },
        );
    });
    judge_crd(Some(old), Some(new), collector.finish(), ServerVersion::NEWEST, ServerAnswer::Accepted)
}

#[track_caller]
fn find<'a>(verdict: &'a CrdVerdict, check: &str) -> &'a CrdFinding {
    let found = verdict.findings.iter().find(|finding| finding.check == check);
    found.unwrap_or_else(|| panic!("no {check} in {:#?}", verdict.findings))
}

fn has(verdict: &CrdVerdict, check: &str) -> bool {
    verdict.findings.iter().any(|finding| finding.check == check)
}

/// HelmRelease of <https://github.com/fluxcd/flux2/releases/tag/v2.4.0>: v2beta2 with Kustomize patches became v2 without them.
#[test]
fn a_storage_version_that_drops_fields_is_an_error() {
    let text = || json!({"type": "string"});
    let (wide, narrow) = (json!({"a": text(), "patches": text()}), json!({"a": text()}));
    let object = build_object("v1beta1", &json!({"a": "x", "patches": "y"}));
    let old_versions = [
        json!([build_version("v1beta1", true, &wide)]),
        // The sibling: the old CRD serves the narrow version already, and only now stores in it.
        json!([build_version("v1beta1", true, &wide), build_version("v1", false, &narrow)]),
    ];
    for versions in old_versions {
        let old = build_crd(&json!({"versions": versions}));
        let new = build_crd(
            &json!({"versions": [build_version("v1beta1", false, &wide), build_version("v1", true, &narrow)]}),
        );
        let verdict = judge_objects(&old, &new, ObjectSource::Live, std::slice::from_ref(&object));
        let moved = find(&verdict, "storage-version-moved");
        assert_eq!((moved.level, verdict.decision), (Level::Error, CrdDecision::Breaking), "{moved:?}");
        assert!(moved.message.contains("it removes fields of 1 of 1 object"), "{moved:?}");
        assert_eq!(verdict.evidence.objects_losing_fields, 1);
        let whole = judge_objects(&old, &new, ObjectSource::Live, &[build_object("v1beta1", &json!({"a": "x"}))]);
        assert_eq!(find(&whole, "storage-version-moved").level, Level::Warning);
    }
}

/// karpenter v0.33.0 → v0.37.7 (<https://github.com/aws/karpenter-provider-aws>): a webhook converts NodePools to v1.
#[test]
fn a_version_that_a_webhook_converts_to_is_not_judged() {
    let fields = json!({"size": {"type": "string"}});
    let other = json!({"replicas": {"type": "integer"}, "mode": {"type": "string", "enum": ["a", "b"]}});
    let narrower = json!({"replicas": {"type": "integer"}, "mode": {"type": "string", "enum": ["a"]}});
    let webhook = json!({"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": {}}});
    let versions = |of_v1: &Value| json!([build_version("v1beta1", true, &fields), build_version("v1", false, of_v1)]);
    let old = build_crd(&json!({"versions": versions(&other), "conversion": webhook}));
    let new = build_crd(&json!({"versions": versions(&narrower), "conversion": webhook}));
    let verdict = judge_objects(&old, &new, ObjectSource::Live, &[build_object("v1beta1", &json!({"size": "s"}))]);
    assert_eq!((verdict.evidence.objects_affected, verdict.evidence.unjudged_versions.len()), (0, 1));
    let unjudged = find(&verdict, "objects-not-checked");
    assert_eq!((unjudged.level, unjudged.version.as_deref()), (Level::Warning, Some("v1")));
    let narrowed = find(&verdict, "enum-changed");
    assert_eq!(narrowed.level, Level::Error, "what was not looked at keeps its level");
    assert!(narrowed.message.ends_with("a webhook converts the objects: they are not checked"), "{narrowed:?}");
}

/// <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-ratcheting>
#[test]
fn an_object_that_was_invalid_can_become_more_so() {
    let size = json!({"type": "string", "enum": ["s"]});
    let schema = |required: Value| {
        json!({"type": "object", "required": ["spec"], "properties": {"spec":
        {"type": "object", "required": required, "properties": {"size": size, "color": {"type": "string"}}}}})
    };
    let crd = |required: Value| {
        build_crd(&json!({"versions": [{"name": "v1", "served": true, "storage": true,
        "schema": {"openAPIV3Schema": schema(required)}}]}))
    };
    let (old, new) = (crd(json!(["size"])), crd(json!(["size", "color"])));
    let verdict = judge_objects(&old, &new, ObjectSource::Files, &[build_object("v1", &json!({"size": "xxl"}))]);
    assert_eq!((verdict.decision, verdict.evidence.objects_affected), (CrdDecision::Breaking, 1));
    let errors = &verdict.evidence.objects[0].errors;
    assert_eq!(errors.iter().map(|error| error.path.as_str()).collect::<Vec<_>>(), ["spec.color"]);
}

/// <https://github.com/argoproj/argo-workflows/issues/2696>, <https://github.com/yannh/kubeconform/issues/122>
#[test]
fn objects_without_a_name_are_judged_and_none_is_no_look() {
    let old = crd_with_fields(&json!({"mode": {"type": "string"}}));
    let new = crd_with_fields(&json!({"mode": {"type": "string", "enum": ["a"]}}));
    let mut object = build_object("v1", &json!({"mode": "b"}));
    object["metadata"] = json!({"generateName": "run-"});
    let verdict = judge_objects(&old, &new, ObjectSource::Files, &[object]);
    assert_eq!((verdict.decision, verdict.evidence.objects_affected), (CrdDecision::Breaking, 1));
    assert_eq!(verdict.evidence.objects[0].object, "Hub run-*");
    let unseen = judge_objects(&old, &new, ObjectSource::Files, &[]);
    assert_eq!(unseen.decision, CrdDecision::Breaking, "a folder without the kind says nothing");
    assert!(unseen.findings[0].message.ends_with("the files hold no object of this kind"), "{:?}", unseen.findings);
    assert_eq!(judge_objects(&old, &new, ObjectSource::Live, &[]).decision, CrdDecision::Risky);
}

/// <https://github.com/argoproj/argo-workflows/issues/1538>
#[test]
fn an_object_that_fits_neither_crd_is_reported_and_changes_no_decision() {
    let crd = crd_with_fields(&json!({"mode": {"type": "string", "enum": ["a"]}}));
    let objects = ["b", "a"].map(|mode| build_object("v1", &json!({"mode": mode})));
    let verdict = judge_objects(&crd, &crd, ObjectSource::Files, &objects);
    let told = find(&verdict, "objects-already-invalid");
    assert_eq!((told.level, verdict.decision), (Level::Warning, CrdDecision::Unchanged));
    assert!(told.message.contains("1 of 2") && told.message.contains("spec.mode"), "{told:?}");
}

/// `self == oldSelf`: cloudnative-pg v1.29 → v1.30, longhorn 1.10 → 1.11
/// (<https://kubernetes.io/docs/reference/using-api/cel/#transition-rules>)
#[test]
fn a_transition_rule_breaks_no_object() {
    let with = |rules: Value| crd_with_fields(&json!({"a": {"type": "string", "x-kubernetes-validations": rules}}));
    let none = crd_with_fields(&json!({"a": {"type": "string"}}));
    let transition = with(json!([{"rule": "self == oldSelf", "message": "the region is fixed"}]));
    let verdict = judge_objects(&none, &transition, ObjectSource::Files, &[build_object("v1", &json!({"a": "eu"}))]);
    let added = find(&verdict, "transition-rule-added");
    assert_eq!((added.level, verdict.decision), (Level::Warning, CrdDecision::Risky));
    assert!(added.message.contains("(the region is fixed)"), "{added:?}");
    for rule in
        [json!({"rule": "oldSelf.orValue('x') == self", "optionalOldSelf": true}), json!({"rule": "self != 'oldSelf'"})]
    {
        let verdict = judge_versions(&none, &with(json!([rule])), Evidence::default());
        assert_eq!(find(&verdict, "rule-added").level, Level::Error);
    }
}

/// crossplane compositions v1.20.11 → v2.0.8 (<https://github.com/crossplane/crossplane/releases/tag/v2.0.8>)
#[test]
fn that_rules_were_skipped_is_no_evidence() {
    let schema = |fields: Value| {
        let rules = json!([{"rule": "has(self.mode)"}]);
        let spec = json!({"type": "object", "properties": fields, "x-kubernetes-validations": rules});
        build_crd(&json!({"versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema":
            {"type": "object", "properties": {"spec": spec}}}}]}))
    };
    let old = schema(
        json!({"mode": {"type": "string"}, "gone": {"type": "string"}, "set": {"type": "string", "default": "x"}}),
    );
    let new = schema(json!({"mode": {"type": "string", "enum": ["a"]}, "set": {"type": "string", "default": "y"}}));
    let object = build_object("v1", &json!({"mode": "b", "set": "z"}));
    let verdict = judge_objects(&old, &new, ObjectSource::Files, &[object]);
    let errors = &verdict.evidence.objects[0].errors;
    assert_eq!(errors.iter().map(|error| error.path.as_str()).collect::<Vec<_>>(), ["spec.mode"]);
    let level_of = |check: &str| find(&verdict, check).level;
    assert_eq!((level_of("enum-changed"), level_of("field-removed")), (Level::Error, Level::Warning));
    assert!(!find(&verdict, "default-changed").message.contains("hurt"), "{:?}", verdict.findings);
}

/// <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#defaulting>
#[test]
fn a_new_default_says_how_many_objects_get_it() {
    let old = crd_with_fields(&json!({"purge": {"type": "boolean"}}));
    let new = crd_with_fields(&json!({"purge": {"type": "boolean", "default": true}}));
    let message = |spec: Value| {
        let verdict = judge_objects(&old, &new, ObjectSource::Files, &[build_object("v1", &spec)]);
        find(&verdict, "default-changed").message.clone()
    };
    assert_eq!(message(json!({})), "default added: true; it sets the value in 1 of 1 object");
    assert_eq!(message(json!({"purge": false})), "default added: true; it sets the value in none of 1 object");
}

/// spire-crds 0.4.0 → 0.6.0 (<https://github.com/spiffe/helm-charts-hardened>)
#[test]
fn a_field_that_every_object_has_is_not_a_new_requirement() {
    let crd = |required: Value, embedded: Value| {
        let spec = json!({"type": "object", "x-kubernetes-embedded-resource": true,
            "x-kubernetes-preserve-unknown-fields": true, "required": embedded});
        let schema = json!({"type": "object", "required": required, "properties": {"apiVersion": {"type": "string"},
            "kind": {"type": "string"}, "metadata": {"type": "object"}, "spec": spec}});
        build_crd(
            &json!({"versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]}),
        )
    };
    let old = crd(json!([]), json!([]));
    let new = crd(json!(["metadata", "apiVersion", "kind"]), json!(["apiVersion", "kind"]));
    let verdict = judge_versions(&old, &new, Evidence::default());
    assert_eq!(verdict.decision, CrdDecision::Safe, "{:?}", verdict.findings);
    let stricter = crd(json!(["spec"]), json!(["metadata"]));
    assert_eq!(judge_versions(&old, &stricter, Evidence::default()).findings.len(), 2);
}

/// kserve-crd 0.15.2 → 0.18.1 drops three CRDs (<https://github.com/kserve/kserve>)
#[test]
fn a_crd_that_leaves_is_an_error_unless_helm_keeps_it() {
    let crd = crd_with_fields(&json!({}));
    let mut kept = crd.json().clone();
    kept["metadata"]["annotations"] = json!({"helm.sh/resource-policy": "keep"});
    for (crd, level) in [(crd, Level::Error), (Crd::new(kept).unwrap(), Level::Warning)] {
        let verdict = judge_crd(Some(&crd), None, Evidence::default(), ServerVersion::NEWEST, ServerAnswer::NotAsked);
        assert_eq!((find(&verdict, "crd-removed").level, verdict.decision), (level, CrdDecision::RemovedFromChart));
    }
}

/// A field that is new in one of two served versions was removed from none.
#[test]
fn served_versions_are_compared_without_words_of_change() {
    let text = || json!({"type": "string"});
    let crd = |fields: Value| {
        build_crd(&json!({"versions":
        [build_version("v1", true, &fields), build_version("v1beta1", false, &json!({"a": text()}))]}))
    };
    let (old, new) = (crd(json!({"a": text()})), crd(json!({"a": text(), "b": text()})));
    let verdict = judge_versions(&old, &new, Evidence::default());
    assert_eq!(find(&verdict, "served-versions-differ").message, "v1beta1 does not have this field");
}

/// A `Logging` of <https://github.com/kube-logging/logging-operator> with `podSecurityContext: null`: the API server drops the null.
#[test]
fn a_null_that_the_server_drops_hurts_nothing() {
    let context = json!({"type": "object", "properties": {"user": {"type": "integer"}}});
    let old = crd_with_fields(&json!({"a": {"type": "string"}, "ctx": context}));
    let new = crd_with_fields(&json!({"a": {"type": "string", "maxLength": 9}, "ctx": context}));
    let object = build_object("v1", &json!({"a": "x", "ctx": null}));
    let verdict = judge_objects(&old, &new, ObjectSource::Files, &[object]);
    assert_eq!((verdict.evidence.objects_affected, verdict.evidence.objects_already_invalid), (0, 0));
}

/// <https://github.com/openshift/crd-schema-checker>: CRDs over the cost budget. The API server refuses them.
#[test]
fn a_new_rule_is_never_safe_before_the_server_estimated_it() {
    let list = |rules: Value| json!({"list": {"type": "array", "items": {"type": "string", "x-kubernetes-validations": rules}}});
    let rule = json!([{"rule": "self.matches('^[a-z]+$') && self.contains('a')"}]);
    let inside_a_new_field = crd_with_fields(&list(rule.clone()));
    let answer = |old: &Crd, answer: ServerAnswer<'_>| {
        judge_crd(Some(old), Some(&inside_a_new_field), Evidence::default(), ServerVersion::NEWEST, answer)
    };
    let empty = crd_with_fields(&json!({}));
    let verdict = answer(&empty, ServerAnswer::NotAsked);
    assert_eq!(find(&verdict, "rules-not-estimated").level, Level::Warning);
    assert_eq!(verdict.decision, CrdDecision::Risky);
    assert!(!has(&answer(&empty, ServerAnswer::Accepted), "rules-not-estimated"));
    let same = answer(&inside_a_new_field, ServerAnswer::NotAsked);
    assert!(!has(&same, "rules-not-estimated"));
}

/// The API server refuses both: "undefined field 'b'", "no matching overload for '_>_' applied to '(string, int)'"
/// (<https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules>).
#[test]
fn a_rule_that_does_not_fit_the_schema_is_an_error() {
    let crd = |fields: Value, rule: &str| {
        let spec = json!({"type": "object", "properties": fields, "x-kubernetes-validations": [{"rule": rule}]});
        build_crd(&json!({"versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema":
            {"type": "object", "properties": {"spec": spec}}}}]}))
    };
    let text = || json!({"type": "string"});
    let rule = "!has(self.b) || self.b == 'x'";
    let (both, one) = (crd(json!({"a": text(), "b": text()}), rule), crd(json!({"a": text()}), rule));
    let verdict = judge_versions(&both, &one, Evidence::default());
    let wrong = find(&verdict, "rule-unsupported");
    assert!(wrong.level == Level::Error && wrong.message.ends_with("undefined field 'b'"), "{wrong:?}");
    let mistyped = crd(json!({"a": text()}), "self.a > 5");
    assert!(has(
        &judge_versions(&crd(json!({"a": text()}), "self.a != ''"), &mistyped, Evidence::default()),
        "rule-unsupported"
    ));
    assert!(!has(&judge_versions(&mistyped, &mistyped, Evidence::default()), "rule-unsupported"));
}
