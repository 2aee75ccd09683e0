//! Guards of the charts' CRDs: twice, in both charts, gone, foreign, in the middle of a migration.

use crate::ask::AllowedActions;
use crate::checks::crd_changes::waivers::WaiverNote;
use crate::model::application::ApplyMethod;
use crate::model::cluster_view::ReadFailure;
use crate::model::crd::Crd;
use crate::model::dry_run::CrdDryRunResult;
use crate::model::object::ObjectRef;
use crate::model::release_role::ReleaseRole;
use crate::plan::adoption::{Adoption, FieldConflict};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

use crate::checks::crd_changes as crd_check;
use crate::checks::crd_changes::object_evidence::{EvidenceCollector, ObjectSource};
use crate::guards::tests::scenario::{GuardScenario, build_crd, fires, guard_findings, release_record};
use crate::model::check::{Level, Verdict};
use crate::schema::ServerVersion;

pub(super) const HUBS: &str = "hubs.example.com";
pub(super) const FLUX: &str = "helmreleases.helm.toolkit.fluxcd.io";

pub(super) fn modified_crd(name: &str, modify: impl FnOnce(&mut Value)) -> Crd {
    let mut json = build_crd(name, "v1").json().clone();
    modify(&mut json);
    Crd::new(json).unwrap()
}

pub(super) fn set_cluster_scope(json: &mut Value) {
    json["spec"]["scope"] = "Cluster".into();
}

#[test]
fn a_crd_twice_in_a_chart_is_refused_if_the_copies_differ() {
    let copies = |other: Crd| {
        GuardScenario::with(|scenario| {
            scenario.rendered_crds = vec![build_crd(HUBS, "v1").json().clone(), other.json().clone()];
        })
    };
    assert_eq!(guard_findings(&copies(modified_crd(HUBS, set_cluster_scope)), "crd-duplicated")[0].level, Level::Error);
    assert_eq!(guard_findings(&copies(build_crd(HUBS, "v1")), "crd-duplicated")[0].level, Level::Warning);
    assert_eq!(copies(build_crd("others.example.com", "v1")).run_guard("crd-duplicated"), Verdict::Pass);
}

#[test]
fn two_charts_do_not_fight_over_a_crd() {
    let both = |other: Crd| {
        GuardScenario::with(|scenario| {
            scenario.rendered_crds = vec![build_crd(HUBS, "v1").json().clone()];
            scenario.rendered_app = vec![other.json().clone()];
        })
    };
    assert!(fires(&both(modified_crd(HUBS, set_cluster_scope)), "crd-in-both-charts"));
    assert_eq!(guard_findings(&both(build_crd(HUBS, "v1")), "crd-in-both-charts")[0].level, Level::Info);
    assert_eq!(both(build_crd("others.example.com", "v1")).run_guard("crd-in-both-charts"), Verdict::Pass);
}

#[test]
fn a_crd_that_left_the_chart_is_kept_and_reported() {
    let had = |names: &[&str]| {
        GuardScenario::with(|scenario| {
            let mut record = release_record("mural-crds", "0.7.1", "deployed", "");
            record.crd_names = names.iter().map(ToString::to_string).collect();
            scenario.set_record(record);
            scenario.view.crds.as_mut().unwrap().insert("old.example.com".into(), build_crd("old.example.com", "v1"));
        })
    };
    let reported = guard_findings(&had(&[HUBS, "old.example.com"]), "crds-removed");
    assert_eq!((reported.len(), reported[0].level), (1, Level::Info));
    assert_eq!(
        had(&[HUBS, "deleted.example.com"]).run_guard("crds-removed"),
        Verdict::Pass,
        "what is not live is no news"
    );
}

#[test]
fn no_version_goes_while_its_objects_are_migrated() {
    let migrating = |status: &str, versions: Value| {
        let condition = json!({"type": "StorageMigrating", "status": status});
        GuardScenario::with(|scenario| {
            let live = modified_crd(HUBS, |json| {
                json["spec"]["versions"] = versions;
                json["status"] = json!({"conditions": [condition]});
            });
            scenario.view.crds = Ok(BTreeMap::from([(HUBS.to_owned(), live)]));
        })
    };
    let version = |name: &str| json!({"name": name, "served": true, "storage": name == "v1"});
    assert!(fires(&migrating("True", json!([version("v1"), version("v1beta1")])), "storage-migrating"));
    assert!(!fires(&migrating("False", json!([version("v1"), version("v1beta1")])), "storage-migrating"));
    assert!(!fires(&migrating("True", json!([version("v1")])), "storage-migrating"));
}

/// A chart that drops v1beta1, with what the CRD's list says and so many objects.
pub(super) fn with_dropped_version(stored: &[&str], objects: usize) -> GuardScenario {
    let version = |name: &&str| json!({"name": name, "served": true, "storage": *name == "v1", "schema": {"openAPIV3Schema": {"type": "object"}}});
    let hubs = |names: &[&str]| {
        modified_crd(HUBS, |json| {
            json["spec"]["versions"] = names.iter().map(version).collect();
            json["status"] = json!({"storedVersions": stored});
        })
    };
    let (live, next) = (hubs(&["v1", "v1beta1"]), hubs(&["v1"]));
    let mut judge = EvidenceCollector::new(&live, &next, ServerVersion::NEWEST, ObjectSource::Live);
    (0..objects).for_each(|_| judge.add_live_object(&json!({"kind": "Hub", "metadata": {"name": "a"}})));
    let server_answer = crd_check::ServerAnswer::NotAsked;
    let verdict = crd_check::judge_crd(Some(&live), Some(&next), judge.finish(), ServerVersion::NEWEST, server_answer);
    GuardScenario::with(|scenario| {
        scenario.verdicts = BTreeMap::from([(HUBS.to_owned(), verdict)]);
        scenario.view.crds = Ok(BTreeMap::from([(HUBS.to_owned(), live)]));
        scenario.forecasts = BTreeMap::from([(HUBS.to_owned(), CrdDryRunResult::Accepted(next))]);
    })
}

#[test]
fn a_version_that_goes_is_proved_and_not_believed() {
    const ID: &str = "dropped-version-unused";
    let reported = guard_findings(&with_dropped_version(&["v1"], 3), ID);
    assert!(reported[0].message.contains("v1beta1") && reported[0].message.contains("3 objects"), "{reported:?}");
    assert!(reported[0].hint.contains("--migrate"), "{reported:?}");
    assert_eq!(with_dropped_version(&["v1"], 0).run_guard(ID), Verdict::Pass, "nothing can be lost");
    assert_eq!(
        with_dropped_version(&["v1", "v1beta1"], 3).run_guard(ID),
        Verdict::Pass,
        "the server refuses that by itself"
    );
    let mut agreed = with_dropped_version(&["v1"], 3);
    agreed.allowed.migrate = true;
    assert!(matches!(agreed.run_guard(ID), Verdict::Skipped { .. }));
    let mut untouched = with_dropped_version(&["v1"], 3);
    let live = untouched.view.crds.as_mut().unwrap().get_mut(HUBS).unwrap();
    let mut json = live.json().clone();
    json["metadata"]["managedFields"] = json!([{"manager": "kube-apiserver", "fieldsV1": {"f:status": {}}}]);
    *live = Crd::new(json).unwrap();
    assert_eq!(untouched.run_guard(ID), Verdict::Pass, "no version was ever removed from the list");
    let mut unseen = with_dropped_version(&["v1"], 0);
    unseen.verdicts.get_mut(HUBS).unwrap().evidence.undetermined = Some("forbidden".into());
    assert!(matches!(unseen.run_guard(ID), Verdict::Undetermined { .. }));
}

#[test]
fn an_unused_waiver_is_reported() {
    let note = WaiverNote {
        check: "waiver-unused",
        subject: "waiver of enum-changed for hubs.*".into(),
        message: "remove it".into(),
    };
    let reported =
        guard_findings(&GuardScenario::with(|scenario| scenario.waiver_notes = vec![note]), "waivers-current");
    assert_eq!(
        (reported[0].level, reported[0].subject.as_str()),
        (Level::Warning, "waiver of enum-changed for hubs.*")
    );
}

#[test]
fn a_foreign_crd_never_goes_back() {
    let labelled = |version: &str| {
        let label = json!({"app.kubernetes.io/version": version});
        modified_crd(FLUX, |json| json["metadata"]["labels"] = label)
    };
    let meet = |live: Crd, next: Crd| {
        GuardScenario::with(|scenario| {
            scenario.view.crds = Ok(BTreeMap::from([(FLUX.to_owned(), live)]));
            scenario.rendered_crds = vec![next.json().clone()];
            scenario.forecasts = BTreeMap::from([(FLUX.to_owned(), CrdDryRunResult::Accepted(next))]);
        })
    };
    let back = meet(labelled("v2.7.0"), labelled("v2.6.4"));
    assert!(guard_findings(&back, "foreign-downgrade")[0].message.contains("2.7.0 to 2.6.4"));
    assert!(!fires(&meet(labelled("v2.6.4"), labelled("v2.7.0")), "foreign-downgrade"));
    let allowed =
        GuardScenario { allowed: AllowedActions { foreign_downgrade: true, ..AllowedActions::default() }, ..back };
    assert!(matches!(allowed.run_guard("foreign-downgrade"), Verdict::Skipped { .. }));

    let two = modified_crd(FLUX, |json| {
        json["spec"]["versions"] =
            json!([{"name": "v2", "served": true, "storage": false}, {"name": "v1", "served": true, "storage": true}]);
    });
    assert!(
        fires(&meet(two, build_crd(FLUX, "v1")), "foreign-downgrade"),
        "without labels, a newer version that goes says it"
    );
    let old = modified_crd(FLUX, |json| {
        json["spec"]["versions"] = json!([{"name": "v1beta1", "served": true, "storage": false}, {"name": "v1", "served": true, "storage": true}]);
    });
    assert!(!fires(&meet(old, build_crd(FLUX, "v1")), "foreign-downgrade"), "an old version goes as projects move on");
}

#[test]
fn the_flux_that_the_application_brings_finds_its_crds() {
    let controller = |image: &str| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "helm-controller"},
            "spec": {"template": {"spec": {"containers": [{"image": image}]}}}})
    };
    let flux = |image: &str| {
        GuardScenario::with(|scenario| {
            scenario.rendered_app = vec![controller(image)];
            for (name, version) in [(FLUX, "v2"), ("helmcharts.source.toolkit.fluxcd.io", "v1")] {
                scenario.forecasts.insert(name.into(), CrdDryRunResult::Accepted(build_crd(name, version)));
            }
        })
    };
    let reported = guard_findings(&flux("ghcr.io/fluxcd/helm-controller:v1.4.2"), "bundled-flux-crds");
    assert!(reported[0].message.contains("ocirepositories.source.toolkit.fluxcd.io in v1"), "{reported:?}");
    assert!(!fires(&flux("ghcr.io/fluxcd/helm-controller:v1.2.0@sha256:00"), "bundled-flux-crds"));
    assert!(!fires(&flux("ghcr.io/others/controller:v1.4.2"), "bundled-flux-crds"));
}

#[test]
fn the_mark_is_part_of_the_plan_where_it_is_asked_for() {
    let manifest = build_crd(HUBS, "v1").json().to_string();
    let scenario = GuardScenario::with(|scenario| {
        scenario.set_record(release_record("mural", "1.1.0-rc.0", "deployed", &manifest));
        scenario.allowed.keep_crds = true;
    });
    assert_eq!(scenario.run_guard("helm-would-delete-crds"), Verdict::Pass);
}

#[test]
fn without_a_dry_run_what_is_known_of_the_servers_rules_still_refuses() {
    let unasked = |next: Crd| {
        GuardScenario::with(|scenario| {
            scenario.server_dry_run = false;
            scenario.forecasts.insert(HUBS.into(), CrdDryRunResult::Accepted(next));
        })
    };
    let changed = modified_crd(HUBS, set_cluster_scope);
    assert!(guard_findings(&unasked(changed), "crds-dry-run")[0].message.contains("immutable"));
    assert!(matches!(unasked(build_crd(HUBS, "v1")).run_guard("crds-dry-run"), Verdict::Undetermined { .. }));
}

/// A CRD of the CRD chart, whose versions this manager owns.
pub(super) fn with_field_owner(manager: &str) -> GuardScenario {
    let object = ObjectRef::from_manifest(build_crd(HUBS, "v1").json()).unwrap();
    let fields = BTreeMap::from([(manager.to_owned(), vec!["spec.versions".to_owned()])]);
    let conflict = FieldConflict { release: "mural-crds".into(), object, fields };
    GuardScenario::with(|scenario| scenario.field_conflicts = Ok(vec![conflict]))
}

#[test]
fn a_foreign_field_manager_is_named_with_its_fields() {
    const ID: &str = "helm-field-conflicts";
    let reported = guard_findings(&with_field_owner("gitops"), ID);
    assert!(reported[0].message.contains("gitops owns spec.versions"), "{reported:?}");
    assert!(reported[0].hint.contains("--force-conflicts"), "{reported:?}");
    let failure = ReadFailure { target: "a dry-run of CRD hubs".into(), reason: "no answer".into() };
    let unread = GuardScenario::with(|scenario| scenario.field_conflicts = Err(failure));
    assert!(matches!(unread.run_guard(ID), Verdict::Undetermined { .. }));
}

/// A CRD that the vendor's upgrade guide created, and that is now a template: the plan gives it helm's metadata.
#[test]
fn a_crd_that_the_plan_adopts_needs_no_metadata() {
    const ID: &str = "crd-ownership-metadata";
    let crd = build_crd(HUBS, "v1");
    let mut scenario = GuardScenario::with(|scenario| scenario.rendered_crds = vec![crd.json().clone()]);
    assert!(fires(&scenario, ID));
    scenario.adoptions = vec![Adoption {
        role: ReleaseRole::Crds,
        release: "mural-crds".into(),
        apply_method: ApplyMethod::ServerSide,
        objects: vec![ObjectRef::from_manifest(crd.json()).unwrap()],
        crds_to_apply: BTreeSet::new(),
    }];
    assert_eq!(scenario.run_guard(ID), Verdict::Pass);
}
