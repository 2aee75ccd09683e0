//! Guards of the charts' CRDs: twice, in both charts, gone, foreign, in the middle of a migration.

use crate::ask::Allowed;
use crate::checks::crd_changes::waivers::Note;
use crate::model::crd::Crd;
use serde_json::{Value, json};
use std::collections::BTreeMap;

use crate::checks::crd_changes as crd_check;
use crate::checks::crd_changes::evidence::{Judge, Source};
use crate::guards::tests::world::{World, crd, findings, fires, record};
use crate::model::check::{Level, Verdict};
use crate::schema::ServerVersion;

const HUBS: &str = "hubs.example.com";
const FLUX: &str = "helmreleases.helm.toolkit.fluxcd.io";

fn with(name: &str, bend: impl FnOnce(&mut Value)) -> Crd {
    let mut json = crd(name, "v1").json().clone();
    bend(&mut json);
    Crd::new(json).unwrap()
}

fn cluster_scoped(json: &mut Value) {
    json["spec"]["scope"] = "Cluster".into();
}

#[test]
fn a_crd_that_stands_twice_in_a_chart_is_refused_where_the_copies_differ() {
    let copies = |other: Crd| {
        World::bent(|world| world.rendered_crds = vec![crd(HUBS, "v1").json().clone(), other.json().clone()])
    };
    assert_eq!(findings(&copies(with(HUBS, cluster_scoped)), "crd-twice")[0].level, Level::Error);
    assert_eq!(findings(&copies(crd(HUBS, "v1")), "crd-twice")[0].level, Level::Warning);
    assert_eq!(copies(crd("others.example.com", "v1")).ask("crd-twice"), Verdict::Pass);
}

#[test]
fn two_charts_do_not_fight_over_a_crd() {
    let both = |other: Crd| {
        World::bent(|world| {
            world.rendered_crds = vec![crd(HUBS, "v1").json().clone()];
            world.rendered = vec![other.json().clone()];
        })
    };
    assert!(fires(&both(with(HUBS, cluster_scoped)), "crd-in-both-charts"));
    assert_eq!(findings(&both(crd(HUBS, "v1")), "crd-in-both-charts")[0].level, Level::Info);
    assert_eq!(both(crd("others.example.com", "v1")).ask("crd-in-both-charts"), Verdict::Pass);
}

#[test]
fn what_vanished_from_the_chart_is_kept_and_said() {
    let had = |names: &[&str]| {
        World::bent(|world| {
            let mut record = record("mural-crds", "0.7.1", "deployed", "");
            record.crds = names.iter().map(ToString::to_string).collect();
            world.store(record);
            world.view.crds.as_mut().unwrap().insert("old.example.com".into(), crd("old.example.com", "v1"));
        })
    };
    let told = findings(&had(&[HUBS, "old.example.com"]), "crds-gone");
    assert_eq!((told.len(), told[0].level), (1, Level::Info));
    assert_eq!(had(&[HUBS, "deleted.example.com"]).ask("crds-gone"), Verdict::Pass, "what is not live is no news");
}

#[test]
fn no_version_goes_while_its_objects_are_migrated() {
    let migrating = |status: &str, versions: Value| {
        let condition = json!({"type": "StorageMigrating", "status": status});
        World::bent(|world| {
            let live = with(HUBS, |json| {
                json["spec"]["versions"] = versions;
                json["status"] = json!({"conditions": [condition]});
            });
            world.view.crds = Ok(BTreeMap::from([(HUBS.to_owned(), live)]));
        })
    };
    let version = |name: &str| json!({"name": name, "served": true, "storage": name == "v1"});
    assert!(fires(&migrating("True", json!([version("v1"), version("v1beta1")])), "storage-migrating"));
    assert!(!fires(&migrating("False", json!([version("v1"), version("v1beta1")])), "storage-migrating"));
    assert!(!fires(&migrating("True", json!([version("v1")])), "storage-migrating"));
}

/// A chart that drops v1beta1, with what the CRD's list says and so many objects.
fn dropping(stored: &[&str], objects: usize) -> World {
    let version = |name: &&str| json!({"name": name, "served": true, "storage": *name == "v1", "schema": {"openAPIV3Schema": {"type": "object"}}});
    let hubs = |names: &[&str]| {
        with(HUBS, |json| {
            json["spec"]["versions"] = names.iter().map(version).collect();
            json["status"] = json!({"storedVersions": stored});
        })
    };
    let (live, next) = (hubs(&["v1", "v1beta1"]), hubs(&["v1"]));
    let mut judge = Judge::new(&live, &next, ServerVersion::NEWEST, Source::Live);
    (0..objects).for_each(|_| judge.look(&json!({"kind": "Hub", "metadata": {"name": "a"}})));
    let asked = crd_check::Asked::Nobody;
    let verdict = crd_check::judge(Some(&live), Some(&next), judge.done(), ServerVersion::NEWEST, asked);
    World::bent(|world| {
        world.verdicts = BTreeMap::from([(HUBS.to_owned(), verdict)]);
        world.view.crds = Ok(BTreeMap::from([(HUBS.to_owned(), live)]));
        world.forecasts = BTreeMap::from([(HUBS.to_owned(), Ok(next))]);
    })
}

#[test]
fn a_version_that_goes_is_proved_and_not_believed() {
    const ID: &str = "dropped-version-proved";
    let told = findings(&dropping(&["v1"], 3), ID);
    assert!(told[0].message.contains("v1beta1") && told[0].message.contains("3 objects"), "{told:?}");
    assert!(told[0].hint.contains("--migrate"), "{told:?}");
    assert_eq!(dropping(&["v1"], 0).ask(ID), Verdict::Pass, "nothing can be lost");
    assert_eq!(dropping(&["v1", "v1beta1"], 3).ask(ID), Verdict::Pass, "the server refuses that by itself");
    let mut agreed = dropping(&["v1"], 3);
    agreed.allowed.migrate = true;
    assert!(matches!(agreed.ask(ID), Verdict::Skipped { .. }));
    let mut untouched = dropping(&["v1"], 3);
    let live = untouched.view.crds.as_mut().unwrap().get_mut(HUBS).unwrap();
    let mut json = live.json().clone();
    json["metadata"]["managedFields"] = json!([{"manager": "kube-apiserver", "fieldsV1": {"f:status": {}}}]);
    *live = Crd::new(json).unwrap();
    assert_eq!(untouched.ask(ID), Verdict::Pass, "nobody ever took a version from the list");
    let mut unseen = dropping(&["v1"], 0);
    unseen.verdicts.get_mut(HUBS).unwrap().evidence.undetermined = Some("forbidden".into());
    assert!(matches!(unseen.ask(ID), Verdict::Undetermined { .. }));
}

#[test]
fn a_waiver_that_nobody_needs_is_told() {
    let note = Note {
        check: "waiver-unused",
        subject: "waiver of enum-changed for hubs.*".into(),
        message: "take it out".into(),
    };
    let told = findings(&World::bent(|world| world.waiver_notes = vec![note]), "waivers-current");
    assert_eq!((told[0].level, told[0].subject.as_str()), (Level::Warning, "waiver of enum-changed for hubs.*"));
}

#[test]
fn a_foreign_crd_never_goes_back() {
    let labelled = |version: &str| {
        let label = json!({"app.kubernetes.io/version": version});
        with(FLUX, |json| json["metadata"]["labels"] = label)
    };
    let meet = |live: Crd, next: Crd| {
        World::bent(|world| {
            world.view.crds = Ok(BTreeMap::from([(FLUX.to_owned(), live)]));
            world.rendered_crds = vec![next.json().clone()];
            world.forecasts = BTreeMap::from([(FLUX.to_owned(), Ok(next))]);
        })
    };
    let back = meet(labelled("v2.7.0"), labelled("v2.6.4"));
    assert!(findings(&back, "foreign-downgrade")[0].message.contains("2.7.0 to 2.6.4"));
    assert!(!fires(&meet(labelled("v2.6.4"), labelled("v2.7.0")), "foreign-downgrade"));
    let allowed = World { allowed: Allowed { foreign_downgrade: true, ..Allowed::default() }, ..back };
    assert!(matches!(allowed.ask("foreign-downgrade"), Verdict::Skipped { .. }));

    let two = with(FLUX, |json| {
        json["spec"]["versions"] =
            json!([{"name": "v2", "served": true, "storage": false}, {"name": "v1", "served": true, "storage": true}]);
    });
    assert!(
        fires(&meet(two, crd(FLUX, "v1")), "foreign-downgrade"),
        "without labels, a newer version that goes says it"
    );
    let old = with(FLUX, |json| {
        json["spec"]["versions"] = json!([{"name": "v1beta1", "served": true, "storage": false}, {"name": "v1", "served": true, "storage": true}]);
    });
    assert!(!fires(&meet(old, crd(FLUX, "v1")), "foreign-downgrade"), "an old version goes as projects move on");
}

#[test]
fn the_flux_that_the_application_brings_finds_its_crds() {
    let controller = |image: &str| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "helm-controller"},
            "spec": {"template": {"spec": {"containers": [{"image": image}]}}}})
    };
    let flux = |image: &str| {
        World::bent(|world| {
            world.rendered = vec![controller(image)];
            for (name, version) in [(FLUX, "v2"), ("helmcharts.source.toolkit.fluxcd.io", "v1")] {
                world.forecasts.insert(name.into(), Ok(crd(name, version)));
            }
        })
    };
    let told = findings(&flux("ghcr.io/fluxcd/helm-controller:v1.4.2"), "bundled-flux-fits");
    assert!(told[0].message.contains("ocirepositories.source.toolkit.fluxcd.io in v1"), "{told:?}");
    assert!(!fires(&flux("ghcr.io/fluxcd/helm-controller:v1.2.0@sha256:00"), "bundled-flux-fits"));
    assert!(!fires(&flux("ghcr.io/others/controller:v1.4.2"), "bundled-flux-fits"));
}

#[test]
fn the_mark_is_part_of_the_plan_where_it_is_asked_for() {
    let manifest = crd(HUBS, "v1").json().to_string();
    let world = World::bent(|world| {
        world.store(record("mural", "1.1.0-rc.0", "deployed", &manifest));
        world.allowed.keep_crds = true;
    });
    assert_eq!(world.ask("helm-would-delete-crds"), Verdict::Pass);
}

#[test]
fn without_a_dry_run_what_is_known_of_the_servers_rules_still_refuses() {
    let unasked = |next: Crd| {
        World::bent(|world| {
            world.server_asked = false;
            world.forecasts.insert(HUBS.into(), Ok(next));
        })
    };
    let changed = with(HUBS, cluster_scoped);
    assert!(findings(&unasked(changed), "crds-dry-run")[0].message.contains("immutable"));
    assert!(matches!(unasked(crd(HUBS, "v1")).ask("crds-dry-run"), Verdict::Undetermined { .. }));
}
