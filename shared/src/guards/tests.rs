//! Every guard has an example that fires it and one that nearly does.

mod application_guards;
mod conversion_guards;
mod crd_files;
mod crd_guards;
mod dry_run_guards;
mod example_states;
mod examples;
mod flux_guards;
mod lists;
mod matrix;
mod public_cases;
mod release_guards;
pub(crate) mod scenario;

use crate::ask::OwnerMode;
use crate::model::cluster_view::Observed;
use crate::model::crd::Crd;
use crate::model::dry_run::CrdDryRunResult;
use crate::model::lease::HeldLock;
use crate::plan::drift::{DriftItem, DriftSubject};
use std::collections::BTreeMap;

use semver::Version;
use serde_json::json;

use crate::guards::*;
use crate::model::chart::DigestKind;
use crate::model::check::Verdict;
use crate::model::cluster_view::ReadFailure;
use crate::model::lease::{LeaseHolder, LeaseRef, Liveness};
use crate::model::metadata_keys::RUN_LABEL;
use crate::model::owner::Owner;
use crate::model::release::ReleaseRecord;
use crate::plan::journal::{JournalSnapshot, UnreadableRun};
use scenario::{GuardScenario, build_crd, fires, guard_findings, release_record};

#[test]
fn a_healthy_world_passes_every_guard() {
    let scenario = GuardScenario::healthy();
    for Guard { card, .. } in &ALL {
        assert_eq!(scenario.run_guard(card.id), Verdict::Pass, "{}", card.id);
    }
}

#[test]
fn old_tools_are_refused_and_unknown_ones_are_undetermined() {
    assert!(fires(
        &GuardScenario::with(|scenario| scenario.helm_version = Ok(Version::new(3, 16, 4))),
        "tool-versions"
    ));
    assert!(!fires(
        &GuardScenario::with(|scenario| scenario.helm_version = Ok(Version::new(3, 17, 0))),
        "tool-versions"
    ));
    let unseen = GuardScenario::with(|scenario| {
        scenario.helm_version = Err(ReadFailure { target: "helm".into(), reason: "no answer".into() });
    });
    assert!(matches!(unseen.run_guard("tool-versions"), Verdict::Undetermined { .. }));
}

#[test]
fn a_saved_plan_holds_or_says_what_moved() {
    let moved = || DriftItem { subject: DriftSubject::Crd("hubs.x".into()), change: "is gone".into(), hint: "" };
    assert!(fires(&GuardScenario::with(|scenario| scenario.drift = Ok(vec![moved()])), "no-drift"));
    let unseen = ReadFailure { target: "CRDs".into(), reason: "forbidden".into() };
    let unseen = GuardScenario::with(|scenario| scenario.drift = Err(unseen));
    assert!(matches!(unseen.run_guard("no-drift"), Verdict::Undetermined { .. }));
}

#[test]
fn a_journal_that_cannot_be_read_is_not_written_over() {
    let unread = |newer| UnreadableRun {
        run: "20261123-0712".into(),
        reason: "it is damaged: no JSON".into(),
        from_newer_version: newer,
    };
    let journal = |newer| Ok(JournalSnapshot { runs: Vec::new(), unreadable_runs: vec![unread(newer)] });
    assert!(fires(&GuardScenario::with(|scenario| scenario.journal = journal(true)), "journal-readable"));
    let damaged =
        guard_findings(&GuardScenario::with(|scenario| scenario.journal = journal(false)), "journal-readable");
    assert!(damaged[0].hint.contains("repair"), "{damaged:?}");
    let unseen = Err(ReadFailure { target: "the journal".into(), reason: "forbidden".into() });
    let unseen = GuardScenario::with(|scenario| scenario.journal = unseen);
    assert!(matches!(unseen.run_guard("journal-readable"), Verdict::Undetermined { .. }));
}

#[test]
fn two_clusters_are_one_too_many() {
    assert!(fires(&GuardScenario::with(|scenario| scenario.helm_cluster_uid = Ok("uid-2".into())), "same-cluster"));
    let unseen = GuardScenario::with(|scenario| {
        scenario.helm_cluster_uid = Err(ReadFailure { target: "kube-system".into(), reason: "forbidden".into() });
    });
    assert!(matches!(unseen.run_guard("same-cluster"), Verdict::Undetermined { .. }));
}

#[test]
fn another_owner_is_named() {
    let flux = Owner::Flux { helm_release: "flux-system/mural".into(), managed_in_git: true };
    let scenario = GuardScenario::with(|scenario| drop(scenario.view.owners.insert("mural".into(), flux)));
    assert!(fires(&scenario, "owner-supported"));
    assert!(fires(&GuardScenario::with(|scenario| scenario.mode = OwnerMode::Flux), "owner-supported"));
    assert!(!fires(&GuardScenario::with(|scenario| scenario.mode = OwnerMode::Helm), "owner-supported"));
}

#[test]
fn nothing_installed_is_nothing_to_upgrade() {
    assert!(fires(
        &GuardScenario::with(|scenario| drop(scenario.view.releases.insert("mural".into(), Ok(Vec::new())))),
        "installed"
    ));
    assert!(fires(&GuardScenario::with(|scenario| scenario.view.cluster.namespace_exists = Ok(false)), "installed"));
    assert!(!fires(
        &GuardScenario::with(|scenario| drop(scenario.view.releases.insert("mural-crds".into(), Ok(Vec::new())))),
        "installed"
    ));
}

#[test]
fn a_pending_release_is_refused_and_a_failed_one_is_not() {
    assert!(fires(
        &GuardScenario::with(|scenario| scenario.set_record(release_record("mural", "1.0.0", "pending-upgrade", ""))),
        "release-not-pending"
    ));
    assert!(!fires(
        &GuardScenario::with(|scenario| scenario.set_record(release_record("mural", "1.0.0", "failed", ""))),
        "release-not-pending"
    ));
}

#[test]
fn a_pending_release_of_a_dead_run_is_ours() {
    let ours = |locks: Observed<Vec<HeldLock>>| {
        GuardScenario::with(|scenario| {
            let mut pending = release_record("mural", "1.0.0", "pending-upgrade", "");
            pending.labels.insert(RUN_LABEL.into(), "7".into());
            scenario.set_record(pending);
            scenario.locks = locks;
        })
    };
    let held = |life| {
        let holder = LeaseHolder::from_lease(&json!({"spec": {"holderIdentity": "ann"}})).unwrap();
        vec![HeldLock { lease: LeaseRef::crds(), holder, liveness: life }]
    };
    assert_eq!(ours(Ok(Vec::new())).run_guard("release-not-pending"), Verdict::Pass);
    assert_eq!(ours(Ok(held(Liveness::Dead))).run_guard("release-not-pending"), Verdict::Pass);
    for doubt in [
        Ok(held(Liveness::Undetermined)),
        Ok(held(Liveness::Alive)),
        Err(ReadFailure { target: "locks".into(), reason: "no".into() }),
    ] {
        assert!(matches!(ours(doubt).run_guard("release-not-pending"), Verdict::Undetermined { .. }));
    }
}

#[test]
fn the_repair_of_a_pending_release_is_named() {
    let hint = |records: Vec<ReleaseRecord>| {
        let scenario = GuardScenario::with(|scenario| drop(scenario.view.releases.insert("mural".into(), Ok(records))));
        guard_findings(&scenario, "release-not-pending")[0].hint.clone()
    };
    let good = ReleaseRecord { revision: 2, ..release_record("mural", "1.0.0", "deployed", "") };
    let pending = || release_record("mural", "1.0.0", "pending-upgrade", "");
    assert!(hint(vec![good, pending()]).contains("helm rollback mural 2 --namespace mural-system"));
    assert!(hint(vec![pending()]).contains("no revision was ever deployed"));
}

#[test]
fn a_chart_without_the_registrys_digest_is_a_warning() {
    assert!(fires(&GuardScenario::with(|scenario| scenario.digest.kind = DigestKind::Archive), "chart-digest"));
}

#[test]
fn going_back_needs_a_word() {
    let newer = |scenario: &mut GuardScenario| scenario.set_record(release_record("mural", "1.1.0", "deployed", ""));
    assert!(fires(&GuardScenario::with(newer), "no-downgrade"));
    let same = |scenario: &mut GuardScenario| {
        scenario.set_record(release_record("mural", "1.1.0-rc.3+05094f", "deployed", ""));
    };
    assert!(!fires(&GuardScenario::with(same), "no-downgrade"));
    let allowed = GuardScenario::with(|scenario| (newer(scenario), scenario.allowed.downgrade = true).1);
    assert!(matches!(allowed.run_guard("no-downgrade"), Verdict::Skipped { .. }));
}

#[test]
fn a_refusal_of_the_server_has_its_own_words() {
    let refusal = "spec.scope: Invalid value: \"Cluster\": field is immutable";
    let scenario = GuardScenario::with(|scenario| {
        drop(scenario.forecasts.insert("hubs.example.com".into(), scenario::rejected_crd(refusal)));
    });
    assert!(guard_findings(&scenario, "crds-dry-run")[0].message.contains(refusal));
}

/// A busy hub is no refusal: the run stops because nothing is known, and the reason is the real one.
#[test]
fn a_server_that_does_not_answer_has_refused_nothing() {
    let reason = "https://hub did not answer within 60 s";
    let no_answer = |scenario: &mut GuardScenario| {
        scenario.forecasts.insert("hubs.example.com".into(), CrdDryRunResult::NoAnswer(reason.into()));
    };
    let verdict = GuardScenario::with(no_answer).run_guard("crds-dry-run");
    let Verdict::Undetermined { reason: told } = verdict else { panic!("{verdict:?}") };
    assert!(told.contains("hubs.example.com") && told.contains(reason) && !told.contains("reject"), "{told}");
    // Its objects are no second finding, although another CRD of the group has an answer.
    let with_object = GuardScenario::with(|scenario| {
        no_answer(scenario);
        let other = CrdDryRunResult::Accepted(scenario::build_crd("others.example.com", "v1"));
        scenario.forecasts.insert("others.example.com".into(), other);
        scenario.rendered_app =
            vec![json!({"apiVersion": "example.com/v2", "kind": "Pool", "metadata": {"name": "p"}})];
    });
    assert!(!fires(&with_object, "application-crds-served"));
    let both = GuardScenario::with(|scenario| {
        no_answer(scenario);
        scenario.forecasts.insert("pools.example.com".into(), scenario::rejected_crd("spec.scope: immutable"));
    });
    assert!(fires(&both, "crds-dry-run"), "a rejection counts, whatever else is unknown");
}

#[test]
fn an_object_whose_version_no_crd_serves_is_refused() {
    let hub = |version: &str| json!({"apiVersion": format!("example.com/{version}"), "kind": "Hub", "metadata": {"name": "h"}});
    assert!(fires(&GuardScenario::with(|scenario| scenario.rendered_app = vec![hub("v2")]), "application-crds-served"));
    assert!(!fires(
        &GuardScenario::with(|scenario| scenario.rendered_app = vec![hub("v1")]),
        "application-crds-served"
    ));
}

#[test]
fn a_crd_that_leaves_the_manifest_is_refused_unless_it_is_kept() {
    let manifest = build_crd("hubs.example.com", "v1").json().to_string();
    let leaving = |scenario: &mut GuardScenario| {
        scenario.set_record(release_record("mural", "1.1.0-rc.0", "deployed", &manifest));
    };
    assert!(fires(&GuardScenario::with(leaving), "helm-would-delete-crds"));
    let stays = GuardScenario::with(|scenario| {
        leaving(scenario);
        scenario.rendered_app = vec![build_crd("hubs.example.com", "v1").json().clone()];
    });
    assert!(!fires(&stays, "helm-would-delete-crds"));
    let moved_to_folder = GuardScenario::with(|scenario| {
        leaving(scenario);
        scenario.rendered_app = vec![build_crd("hubs.example.com", "v1").json().clone()];
        scenario.app_chart.folder_crds = vec!["hubs.example.com".into()];
    });
    assert!(fires(&moved_to_folder, "helm-would-delete-crds"));
    let annotated = GuardScenario::with(|scenario| {
        leaving(scenario);
        let mut live = build_crd("hubs.example.com", "v1").json().clone();
        live["metadata"]["annotations"] = json!({"helm.sh/resource-policy": "keep"});
        scenario.view.crds = Ok(BTreeMap::from([("hubs.example.com".to_owned(), Crd::new(live).unwrap())]));
    });
    assert!(!fires(&annotated, "helm-would-delete-crds"));
}
