//! Guards of the releases: what failed, which charts belong together, what their manifests still need.

use crate::ask::BackupMode;
use crate::model::crd::Crd;
use crate::model::dry_run::CrdDryRunResult;
use serde_json::json;
use std::collections::BTreeMap;

use crate::guards::tests::scenario::{GuardScenario, build_crd, fires, guard_findings, release_record};
use crate::model::check::{Level, Verdict};
use crate::model::metadata_keys::RUN_LABEL;
use crate::model::release::ReleaseRecord;

pub(super) fn with_history(records: Vec<ReleaseRecord>) -> GuardScenario {
    GuardScenario::with(|scenario| drop(scenario.view.releases.insert("mural".into(), Ok(records))))
}

#[test]
fn a_failed_revision_is_refused_if_none_was_deployed() {
    let good = || ReleaseRecord { revision: 2, ..release_record("mural", "1.0.0", "deployed", "") };
    let failed = || release_record("mural", "1.0.0", "failed", "");
    let reported = guard_findings(&with_history(vec![good(), failed()]), "release-not-failed");
    assert_eq!(reported[0].level, Level::Warning);
    assert!(reported[0].hint.contains("helm rollback mural 2 --namespace mural-system"), "{}", reported[0].hint);
    assert_eq!(guard_findings(&with_history(vec![failed()]), "release-not-failed")[0].level, Level::Error);
    assert!(!fires(&with_history(vec![failed(), good()]), "release-not-failed"), "it went well after that");
}

#[test]
fn our_own_failed_revision_passes() {
    let by = |run: &str, revision, status: &str| {
        let mut record = ReleaseRecord { revision, ..release_record("mural", "1.0.0", status, "") };
        record.labels.insert(RUN_LABEL.into(), run.into());
        record
    };
    assert!(!fires(&with_history(vec![by("1", 1, "deployed"), by("2", 2, "failed")]), "release-not-failed"));
    // helm copies labels: this revision is another client's, after a run of ours.
    assert!(fires(&with_history(vec![by("1", 1, "deployed"), by("1", 2, "failed")]), "release-not-failed"));
}

#[test]
fn our_own_first_record_of_the_crd_chart_is_written_again() {
    let first = |run: Option<&str>| {
        let mut record = ReleaseRecord { revision: 1, ..release_record("mural-crds", "0.7.4", "failed", "") };
        record.labels.extend(run.map(|run| (RUN_LABEL.to_owned(), run.to_owned())));
        GuardScenario::with(|scenario| drop(scenario.view.releases.insert("mural-crds".into(), Ok(vec![record]))))
    };
    assert!(!fires(&first(Some("1")), "release-not-failed"));
    assert_eq!(guard_findings(&first(None), "release-not-failed")[0].level, Level::Error);
}

#[test]
fn an_untested_pair_is_a_warning() {
    let with_annotation = |version: &str| {
        GuardScenario::with(|scenario| {
            scenario.app_chart.annotations.insert("mural.spectrocloud.com/crds-version".into(), version.into());
        })
    };
    let reported = guard_findings(&with_annotation("0.7.5"), "known-pair");
    assert!(reported[0].level == Level::Warning && reported[0].hint.contains("--crds 0.7.5"), "{reported:?}");
    assert!(!fires(&with_annotation("v0.7.4"), "known-pair"), "the chart's own word counts");
    let strange = GuardScenario::with(|scenario| scenario.app_chart.version = "9.0.0".parse().unwrap());
    assert!(fires(&strange, "known-pair"));
}

#[test]
fn a_manifest_in_a_version_that_goes_away_is_refused() {
    let manifest = json!({"apiVersion": "example.com/v1alpha1", "kind": "Hub", "metadata": {"name": "h"}}).to_string();
    let stored =
        |scenario: &mut GuardScenario| scenario.set_record(release_record("mural", "1.0.0", "deployed", &manifest));
    let gone = GuardScenario::with(stored);
    let reported = guard_findings(&gone, "stored-manifest-served");
    assert!(
        reported[0].message.contains("example.com/v1alpha1") && reported[0].hint.contains("example.com/v1"),
        "{reported:?}"
    );
    let both = GuardScenario::with(|scenario| {
        stored(scenario);
        let mut next = build_crd("hubs.example.com", "v1").json().clone();
        next["spec"]["versions"] = json!([{"name": "v1", "served": true, "storage": true}, {"name": "v1alpha1", "served": true, "storage": false}]);
        scenario.forecasts.insert("hubs.example.com".into(), CrdDryRunResult::Accepted(Crd::new(next).unwrap()));
    });
    assert!(!fires(&both, "stored-manifest-served"));
    // What helm compares with is the deployed revision, not a newer one that failed.
    let failed = ReleaseRecord { revision: 4, ..release_record("mural", "1.0.0", "failed", "") };
    let behind = with_history(vec![release_record("mural", "1.0.0", "deployed", &manifest), failed]);
    assert!(fires(&behind, "stored-manifest-served"));
}

#[test]
fn crds_as_templates_need_helms_marks() {
    let template =
        |scenario: &mut GuardScenario| scenario.rendered_app = vec![build_crd("hubs.example.com", "v1").json().clone()];
    let reported = guard_findings(&GuardScenario::with(template), "crd-ownership-metadata");
    assert!(reported[0].hint.contains("meta.helm.sh/release-name=mural"), "{}", reported[0].hint);
    let marked = |release: &str| {
        GuardScenario::with(|scenario| {
            template(scenario);
            let mut live = build_crd("hubs.example.com", "v1").json().clone();
            live["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "Helm"});
            live["metadata"]["annotations"] =
                json!({"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": "mural-system"});
            scenario.view.crds = Ok(BTreeMap::from([("hubs.example.com".to_owned(), Crd::new(live).unwrap())]));
        })
    };
    assert!(!fires(&marked("mural"), "crd-ownership-metadata"));
    assert!(fires(&marked("other"), "crd-ownership-metadata"));
    let taken = GuardScenario::with(|scenario| (template(scenario), scenario.allowed.take_ownership = true).1);
    assert!(matches!(taken.run_guard("crd-ownership-metadata"), Verdict::Skipped { .. }));
    let in_folder = GuardScenario::with(|scenario| {
        template(scenario);
        scenario.app_chart.folder_crds = vec!["hubs.example.com".into()];
    });
    assert!(!fires(&in_folder, "crd-ownership-metadata"), "what we apply needs no mark of helm's");
}

#[test]
fn the_next_record_has_to_fit_into_a_secret() {
    let takes = |size| GuardScenario::with(|scenario| scenario.record_sizes = vec![("mural".into(), Some(size))]);
    assert_eq!(guard_findings(&takes(1_100_000), "record-size")[0].level, Level::Error);
    // The prediction is not exact: 98 % may not fit.
    let near = takes(1_030_000).run_guard("record-size");
    assert!(matches!(&near, Verdict::Undetermined { reason } if reason.contains("98 %")), "{near:?}");
    assert_eq!(guard_findings(&takes(1_000_000), "record-size")[0].level, Level::Warning);
    assert_eq!(takes(900_000).run_guard("record-size"), Verdict::Pass);
}

#[test]
fn a_release_keeps_its_product() {
    let deployments = |count: usize| -> String {
        (0..count).map(|n| format!("---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: d{n}}}\n")).collect()
    };
    let removed = |manifest: String, next: usize, allowed: bool| {
        let scenario = GuardScenario::with(|scenario| {
            scenario.set_record(release_record("mural", "1.1.0-rc.0", "deployed", &manifest));
            scenario.rendered_app =
                crate::model::yaml::parse_documents(&deployments(next), crate::model::yaml::ErrorDetail::Snippet)
                    .unwrap();
            scenario.allowed.removals = allowed;
        });
        match scenario.run_guard("objects-removed") {
            Verdict::Fail { findings } => findings.into_iter().map(|finding| finding.message).collect::<Vec<_>>(),
            Verdict::Pass | Verdict::Skipped { .. } | Verdict::Undetermined { .. } => Vec::new(),
        }
    };
    assert_eq!(removed(deployments(2), 0, false), ["would lose all of its 2 workloads"]);
    assert_eq!(removed(deployments(8), 2, false), ["would lose 6 of its 8 objects"]);
    assert_eq!(removed(deployments(8), 4, false), [""; 0]);
    assert_eq!(removed(deployments(2), 0, true), [""; 0]);
    let without_backup = GuardScenario::with(|scenario| {
        scenario.set_record(release_record("mural", "1.1.0-rc.0", "deployed", &deployments(2)));
        (scenario.allowed.removals, scenario.backup) = (true, BackupMode::Declined);
    });
    let refused = guard_findings(&without_backup, "objects-removed");
    assert_eq!(refused[0].level, Level::Error);
    assert!(refused[0].hint.starts_with("remove --no-save"), "{refused:?}");
    // A custom resource of a CRD that is on the cluster holds data.
    let hub = "apiVersion: example.com/v1\nkind: Hub\nmetadata: {name: h}\n".to_owned();
    assert_eq!(removed(hub, 0, false), ["would be deleted with its data: it leaves the manifest of the release mural"]);
}
