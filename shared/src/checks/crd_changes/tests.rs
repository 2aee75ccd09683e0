//! Every check of changes fires where it should, and is silent where nothing changes.

mod crd_corpus;
mod public_cases;

use serde_json::{Value, json};

use crate::ask::waivers::Waivers;
use crate::checks::crd_changes::decision::CrdDecision;
use crate::checks::crd_changes::object_evidence::{Evidence, EvidenceCollector, ObjectSource};
use crate::checks::crd_changes::*;
use crate::model::check::Level;
use crate::model::crd::Crd;
use crate::schema::ServerVersion;

fn build_crd(spec: &Value) -> Crd {
    let mut spec = spec.clone();
    spec["group"] = "example.com".into();
    spec["scope"] = spec.get("scope").cloned().unwrap_or_else(|| "Namespaced".into());
    spec["names"] = spec.get("names").cloned().unwrap_or_else(|| json!({"kind": "Hub", "plural": "hubs"}));
    Crd::new(json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "hubs.example.com"}, "spec": spec}))
    .unwrap()
}

/// One version whose `spec` has these fields.
fn crd_with_fields(fields: &Value) -> Crd {
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": fields}}});
    build_crd(
        &json!({"versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]}),
    )
}

fn judge_versions(old: &Crd, new: &Crd, evidence: Evidence) -> CrdVerdict {
    judge_crd(Some(old), Some(new), evidence, ServerVersion::NEWEST, ServerAnswer::NotAsked)
}

fn find_checks(old: &Value, new: &Value) -> Vec<(&'static str, Level)> {
    let verdict = judge_versions(&crd_with_fields(old), &crd_with_fields(new), Evidence::default());
    verdict.findings.iter().map(|finding| (finding.check, finding.level)).collect()
}

fn check_ids() -> Vec<&'static str> {
    checks().map(|check| check.card.id).collect()
}

#[test]
fn changes_of_a_field_are_claimed_and_graded() {
    let text = |extra: Value| {
        let mut field = json!({"type": "string"});
        field.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        json!({"a": field})
    };
    let plain = text(json!({}));
    let cases = [
        (plain.clone(), json!({}), "field-removed", Level::Error),
        (json!({}), plain.clone(), "field-added", Level::Info),
        (plain.clone(), json!({"a": {"type": "integer"}}), "type-changed", Level::Error),
        (plain.clone(), text(json!({"nullable": true})), "nullable-changed", Level::Info),
        (plain.clone(), text(json!({"default": "x"})), "default-changed", Level::Warning),
        (text(json!({"enum": ["x", "y"]})), text(json!({"enum": ["x"]})), "enum-changed", Level::Error),
        (text(json!({"enum": ["x"]})), text(json!({"enum": ["x", "y"]})), "enum-changed", Level::Info),
        (plain.clone(), text(json!({"maxLength": 3})), "limit-changed", Level::Error),
        (text(json!({"maxLength": 3})), text(json!({"maxLength": 4})), "limit-changed", Level::Info),
        (plain.clone(), text(json!({"pattern": "^a"})), "pattern-changed", Level::Error),
        (plain.clone(), text(json!({"format": "ipv4"})), "format-changed", Level::Error),
        (
            plain.clone(),
            text(json!({"x-kubernetes-validations": [{"rule": "self != ''"}]})),
            "rule-added",
            Level::Error,
        ),
        (plain.clone(), text(json!({"x-kubernetes-new": 1})), "unclassified-change", Level::Error),
        (plain.clone(), text(json!({"anyOf": [{"minLength": 1}]})), "composition-changed", Level::Error),
    ];
    for (old, new, check, level) in cases {
        let mut found = find_checks(&old, &new);
        // Every new rule has it; it has a test of its own.
        found.retain(|(id, _)| *id != "rules-not-estimated");
        assert_eq!(found, [(check, level)], "{old} → {new}");
        assert_eq!(find_checks(&new, &new), [], "{new}");
    }
    assert_eq!(find_checks(&plain, &text(json!({"description": "words"}))), []);
}

#[test]
fn a_rejection_has_the_words_of_the_server() {
    let old = crd_with_fields(&json!({}));
    let mut other = old.json().clone();
    other["spec"]["scope"] = "Cluster".into();
    let verdict = judge_versions(&old, &Crd::new(other).unwrap(), Evidence::default());
    assert_eq!(verdict.decision, CrdDecision::Rejected);
    assert!(verdict.server_errors[0].contains("field is immutable"), "{:?}", verdict.server_errors);
    assert_eq!(verdict.findings[0].check, "identity-changed");
}

fn hub_object(size: &str) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Hub", "metadata": {"name": size}, "spec": {"size": size}})
}

fn collect_evidence(old: &Crd, new: &Crd, sizes: &[&str]) -> Evidence {
    let mut judge = EvidenceCollector::new(old, new, ServerVersion::NEWEST, ObjectSource::Live);
    sizes.iter().for_each(|size| judge.add_live_object(&hub_object(size)));
    judge.finish()
}

#[test]
fn objects_decide_how_grave_it_is() {
    let old = crd_with_fields(&json!({"size": {"type": "string", "enum": ["s", "m", "xl"]}}));
    let new = crd_with_fields(&json!({"size": {"type": "string", "enum": ["s", "m"]}}));
    let verdict = |sizes: &[&str]| judge_versions(&old, &new, collect_evidence(&old, &new, sizes));
    let hurt = verdict(&["s", "xl", "m"]);
    assert_eq!((hurt.decision, hurt.evidence.objects_affected), (CrdDecision::Breaking, 1));
    assert!(
        hurt.findings[0].message.contains("it affects 1 of 3 objects") && hurt.evidence.objects[0].object == "Hub xl",
        "{:?}",
        hurt.findings
    );
    let fine = verdict(&["s", "m"]);
    assert_eq!(fine.decision, CrdDecision::Risky);
    assert!(fine.findings[0].message.contains("it affects none of 2 objects"));
    let mut unseen = collect_evidence(&old, &new, &["s"]);
    unseen.undetermined = Some("forbidden".into());
    assert_eq!(judge_versions(&old, &new, unseen).decision, CrdDecision::Breaking, "could not look is never safe");
}

#[test]
fn a_limit_outside_its_format_is_reported_once() {
    let port = |maximum: u64| json!({"port": {"type": "integer", "format": "int32", "maximum": maximum}});
    let wide = port(4_294_967_295);
    let checks: Vec<&str> = find_checks(&port(65_535), &wide).iter().map(|(check, _)| *check).collect();
    assert!(checks.contains(&"limit-outside-format"), "{checks:?}");
    assert_eq!(find_checks(&wide, &wide), []);
}

#[test]
fn served_versions_that_start_to_differ_are_reported() {
    let two = |extra: Value| {
        let version = |name: &str, storage: bool, fields: Value| {
            json!({"name": name, "served": true, "storage": storage, "schema": {"openAPIV3Schema":
                {"type": "object", "properties": {"spec": {"type": "object", "properties": fields}}}}})
        };
        build_crd(
            &json!({"versions": [version("v1", true, extra), version("v1beta1", false, json!({"a": {"type": "string"}}))]}),
        )
    };
    let (same, extended) =
        (two(json!({"a": {"type": "string"}})), two(json!({"a": {"type": "string"}, "b": {"type": "string"}})));
    let verdict = judge_versions(&same, &extended, Evidence::default());
    let differ = verdict.findings.iter().find(|finding| finding.check == "served-versions-differ").unwrap();
    let path = differ.path.as_ref().map(ToString::to_string);
    assert_eq!((differ.affected_version(), path.as_deref()), (Some("v1beta1"), Some("^.spec.b")), "{differ:?}");
    assert!(judge_versions(&extended, &extended, Evidence::default()).findings.is_empty());
}

#[test]
fn a_waiver_names_its_person_until_it_expires() {
    let (old, new) = (crd_with_fields(&json!({"a": {"type": "string"}})), crd_with_fields(&json!({})));
    let text =
        "waivers: [{check: field-removed, subject: 'hubs.* ^.spec.a', reason: nobody uses it, expires: 2026-12-31}]";
    let accepted = Waivers::read(text, &check_ids()).unwrap();
    let mut verdicts = [judge_versions(&old, &new, Evidence::default())];
    let day = |text: &str| text.parse().unwrap();
    assert!(waivers::apply(&accepted, &mut verdicts, day("2026-12-31")).is_empty());
    assert_eq!(verdicts[0].findings[0].waiver_reason.as_deref(), Some("nobody uses it"));
    assert_eq!((verdicts[0].findings[0].level, verdicts[0].decision), (Level::Error, CrdDecision::Breaking));
    let mut late = [judge_versions(&old, &new, Evidence::default())];
    assert_eq!(waivers::apply(&accepted, &mut late, day("2027-01-01"))[0].check, "waiver-expired");
    assert_eq!(late[0].findings[0].waiver_reason, None);
    assert_eq!(waivers::apply(&accepted, &mut [], day("2026-12-31"))[0].check, "waiver-unused");
}

#[test]
fn a_level_of_ones_own_decides() {
    let (old, new) = (crd_with_fields(&json!({"a": {"type": "string"}})), crd_with_fields(&json!({})));
    let with = |text: &str| {
        let mut verdicts = [judge_versions(&old, &new, Evidence::default())];
        waivers::apply(&Waivers::read(text, &check_ids()).unwrap(), &mut verdicts, "2026-01-01".parse().unwrap());
        let [verdict] = verdicts;
        (verdict.decision, verdict.findings[0].level)
    };
    assert_eq!(with(""), (CrdDecision::Breaking, Level::Error));
    assert_eq!(with("levels: {field-removed: warning}"), (CrdDecision::Risky, Level::Warning));
    assert_eq!(with("levels: {field-removed: info}"), (CrdDecision::Safe, Level::Info));
}

#[test]
fn objects_that_cannot_be_read_are_a_separate_error() {
    let (old, new) = (crd_with_fields(&json!({"a": {"type": "string"}})), crd_with_fields(&json!({})));
    let mut unseen = collect_evidence(&old, &new, &[]);
    unseen.undetermined = Some("hubs.example.com cannot be listed: forbidden".into());
    let verdict = judge_versions(&old, &new, unseen);
    let told = verdict.findings.iter().find(|finding| finding.check == "objects-not-checked").unwrap();
    assert!(told.level == Level::Error && told.message.contains("forbidden"), "{told:?}");
}

#[test]
fn a_new_rule_fits_the_server_that_shall_take_it() {
    let with =
        |rule: &str| crd_with_fields(&json!({"a": {"type": "string", "x-kubernetes-validations": [{"rule": rule}]}}));
    let rule_level = |old: &Crd, new: &Crd, minor: u32| {
        let verdict =
            judge_crd(Some(old), Some(new), Evidence::default(), ServerVersion::new(1, minor), ServerAnswer::NotAsked);
        verdict.findings.iter().find(|finding| finding.check == "rule-unsupported").map(|finding| finding.level)
    };
    let (plain, ip) = (with("self != ''"), with("isIP(self)"));
    assert_eq!(
        (rule_level(&plain, &ip, 30), rule_level(&plain, &ip, 31)),
        (Some(Level::Error), None),
        "one version later"
    );
    assert_eq!(rule_level(&ip, &ip, 30), None, "what is there already may stay");
    assert_eq!(rule_level(&plain, &with("self ==== 1"), 37), Some(Level::Warning), "only the server can say");
}

#[test]
fn loops_without_bounds_are_reported() {
    let with = |list: Value, rule: &str| {
        let mut list = list;
        list["x-kubernetes-validations"] = json!([{"rule": rule}]);
        crd_with_fields(&json!({"a": {"type": "array", "items": list}}))
    };
    let is_costly = |new: &Crd| {
        let verdict = judge_crd(
            Some(&crd_with_fields(&json!({}))),
            Some(new),
            Evidence::default(),
            ServerVersion::NEWEST,
            ServerAnswer::NotAsked,
        );
        verdict.findings.iter().any(|finding| finding.check == "rule-costly")
    };
    let open = || json!({"type": "array", "items": {"type": "string"}});
    assert!(is_costly(&with(open(), "self.all(x, x != '')")));
    assert!(!is_costly(&with(open(), "self.size() < 9")));
    let mut bounded = open();
    bounded["maxItems"] = json!(9);
    assert!(!is_costly(&with(bounded, "self.all(x, x != '')")));
}

#[test]
fn a_webhook_without_endpoints_is_reported_where_it_is_called() {
    let version = |name: &str| json!({"name": name, "served": true, "storage": name == "v1", "schema": {"openAPIV3Schema": {"type": "object"}}});
    let is_reported = |versions: Value| {
        let crd = build_crd(&json!({"versions": versions}));
        let mut evidence = collect_evidence(&crd, &crd, &[]);
        evidence.webhook_failure = Some("no ready endpoint".into());
        judge_versions(&crd, &crd, evidence)
            .findings
            .iter()
            .any(|finding| finding.check == "conversion-webhook-unavailable")
    };
    assert!(is_reported(json!([version("v1"), version("v1beta1")])));
    assert!(!is_reported(json!([version("v1")])), "one version is never converted");
}

#[test]
fn every_rule_links_its_source() {
    for check in checks() {
        assert!(check.source.starts_with("https://"), "{}: {}", check.card.id, check.source);
    }
}
