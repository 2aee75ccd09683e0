//! Guards of the releases: what failed, which charts belong together, what their manifests still need.

use crate::model::crd::Crd;
use semver::Version;
use serde_json::json;
use std::collections::BTreeMap;

use crate::guards::tests::world::{World, crd, findings, fires, record};
use crate::model::check::{Level, Verdict};
use crate::model::release::ReleaseRecord;

fn history(records: Vec<ReleaseRecord>) -> World {
    World::bent(|world| drop(world.view.releases.insert("mural".into(), Ok(records))))
}

#[test]
fn a_failed_revision_is_told_and_refused_where_nothing_ever_stood() {
    let good = || ReleaseRecord { revision: 2, ..record("mural", "1.0.0", "deployed", "") };
    let failed = || record("mural", "1.0.0", "failed", "");
    let told = findings(&history(vec![good(), failed()]), "release-not-failed");
    assert_eq!(told[0].level, Level::Warning);
    assert!(told[0].hint.contains("helm rollback mural 2 --namespace mural-system"), "{}", told[0].hint);
    assert_eq!(findings(&history(vec![failed()]), "release-not-failed")[0].level, Level::Error);
    assert!(!fires(&history(vec![failed(), good()]), "release-not-failed"), "it went well after that");
}

#[test]
fn our_own_failed_revision_is_gone_on_from_without_a_word() {
    let by = |run: &str, revision, status: &str| {
        let mut record = ReleaseRecord { revision, ..record("mural", "1.0.0", status, "") };
        record.labels.insert("mural-run".into(), run.into());
        record
    };
    assert!(!fires(&history(vec![by("1", 1, "deployed"), by("2", 2, "failed")]), "release-not-failed"));
    // helm hands labels on: this one is somebody else's, after a run of ours.
    assert!(fires(&history(vec![by("1", 1, "deployed"), by("1", 2, "failed")]), "release-not-failed"));
}

#[test]
fn our_own_first_record_of_the_crd_chart_is_written_again() {
    let first = |run: Option<&str>| {
        let mut record = ReleaseRecord { revision: 1, ..record("mural-crds", "0.7.4", "failed", "") };
        record.labels.extend(run.map(|run| ("mural-run".to_owned(), run.to_owned())));
        World::bent(|world| drop(world.view.releases.insert("mural-crds".into(), Ok(vec![record]))))
    };
    assert!(!fires(&first(Some("1")), "release-not-failed"));
    assert_eq!(findings(&first(None), "release-not-failed")[0].level, Level::Error);
}

#[test]
fn a_pair_that_nobody_ran_is_a_warning_never_a_wall() {
    let named = |version: &str| {
        World::bent(|world| {
            world.chart.annotations.insert("mural.spectrocloud.com/crds-version".into(), version.into());
        })
    };
    let told = findings(&named("0.7.5"), "known-pair");
    assert!(told[0].level == Level::Warning && told[0].hint.contains("--crds 0.7.5"), "{told:?}");
    assert!(!fires(&named("v0.7.4"), "known-pair"), "the chart's own word counts");
    let strange = World::bent(|world| world.chart.version = Version::new(9, 0, 0));
    assert!(fires(&strange, "known-pair"));
}

#[test]
fn a_manifest_in_a_version_that_goes_away_is_refused() {
    let manifest = json!({"apiVersion": "example.com/v1alpha1", "kind": "Hub", "metadata": {"name": "h"}}).to_string();
    let stored = |world: &mut World| world.store(record("mural", "1.0.0", "deployed", &manifest));
    let gone = World::bent(stored);
    let told = findings(&gone, "stored-manifest-served");
    assert!(told[0].message.contains("example.com/v1alpha1") && told[0].hint.contains("example.com/v1"), "{told:?}");
    let both = World::bent(|world| {
        stored(world);
        let mut next = crd("hubs.example.com", "v1").json().clone();
        next["spec"]["versions"] = json!([{"name": "v1", "served": true, "storage": true}, {"name": "v1alpha1", "served": true, "storage": false}]);
        world.forecasts.insert("hubs.example.com".into(), Ok(Crd::new(next).unwrap()));
    });
    assert!(!fires(&both, "stored-manifest-served"));
    // What helm compares with is the deployed revision, not a newer one that failed.
    let failed = ReleaseRecord { revision: 4, ..record("mural", "1.0.0", "failed", "") };
    let behind = history(vec![record("mural", "1.0.0", "deployed", &manifest), failed]);
    assert!(fires(&behind, "stored-manifest-served"));
}

#[test]
fn crds_as_templates_need_helms_marks() {
    let template = |world: &mut World| world.rendered = vec![crd("hubs.example.com", "v1").json().clone()];
    let told = findings(&World::bent(template), "crd-ownership-metadata");
    assert!(told[0].hint.contains("meta.helm.sh/release-name=mural"), "{}", told[0].hint);
    let marked = |release: &str| {
        World::bent(|world| {
            template(world);
            let mut live = crd("hubs.example.com", "v1").json().clone();
            live["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "Helm"});
            live["metadata"]["annotations"] =
                json!({"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": "mural-system"});
            world.view.crds = Ok(BTreeMap::from([("hubs.example.com".to_owned(), Crd::new(live).unwrap())]));
        })
    };
    assert!(!fires(&marked("mural"), "crd-ownership-metadata"));
    assert!(fires(&marked("other"), "crd-ownership-metadata"));
    let taken = World::bent(|world| (template(world), world.allowed.take_ownership = true).1);
    assert!(matches!(taken.ask("crd-ownership-metadata"), Verdict::Skipped { .. }));
    let in_folder = World::bent(|world| {
        template(world);
        world.chart.crds_folder = vec!["hubs.example.com".into()];
    });
    assert!(!fires(&in_folder, "crd-ownership-metadata"), "what we apply needs no mark of helm's");
}

#[test]
fn the_next_record_has_to_fit_into_a_secret() {
    let takes = |size| World::bent(|world| world.record_sizes = vec![("mural".into(), Some(size))]);
    assert_eq!(findings(&takes(1_048_577), "record-size")[0].level, Level::Error);
    assert_eq!(findings(&takes(1_000_000), "record-size")[0].level, Level::Warning);
    assert_eq!(takes(900_000).ask("record-size"), Verdict::Pass);
}
