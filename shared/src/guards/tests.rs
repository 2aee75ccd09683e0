//! Every guard has an example that fires it and one that nearly does.

mod application;
mod crds;
mod flux;
mod matrix;
mod releases;
mod world;

use crate::ask::Mode;
use crate::model::crd::Crd;
use crate::model::lease::LockSeen;
use crate::model::view::Looked;
use crate::plan::drift::Moved;
use std::collections::BTreeMap;

use semver::Version;
use serde_json::json;

use crate::guards::*;
use crate::model::chart::DigestOf;
use crate::model::check::Verdict;
use crate::model::lease::{Holder, Life, Place};
use crate::model::owner::Owner;
use crate::model::release::ReleaseRecord;
use crate::model::view::NotSeen;
use crate::plan::journal::{JournalSeen, Unread};
use world::{World, crd, findings, fires, record};

#[test]
fn a_healthy_world_passes_every_guard() {
    let world = World::healthy();
    for (card, _) in ALL {
        assert_eq!(world.ask(card.id), Verdict::Pass, "{}", card.id);
    }
}

#[test]
fn ids_are_unique() {
    let ids: std::collections::BTreeSet<&str> = ALL.iter().map(|(card, _)| card.id).collect();
    assert_eq!(ids.len(), ALL.len());
}

#[test]
fn old_tools_are_refused_and_unknown_ones_are_undetermined() {
    assert!(fires(&World::bent(|world| world.helm = Ok(Version::new(3, 16, 4))), "tools-versions"));
    assert!(!fires(&World::bent(|world| world.helm = Ok(Version::new(3, 17, 0))), "tools-versions"));
    let unseen = World::bent(|world| world.helm = Err(NotSeen { what: "helm".into(), reason: "no answer".into() }));
    assert!(matches!(unseen.ask("tools-versions"), Verdict::Undetermined { .. }));
}

#[test]
fn a_saved_plan_holds_or_says_what_moved() {
    let moved = || Moved { what: "CRD hubs.x".into(), how: "is gone".into(), hint: "" };
    assert!(fires(&World::bent(|world| world.moved = Ok(vec![moved()])), "saved-plan-holds"));
    let unseen = NotSeen { what: "CRDs".into(), reason: "forbidden".into() };
    let unseen = World::bent(|world| world.moved = Err(unseen));
    assert!(matches!(unseen.ask("saved-plan-holds"), Verdict::Undetermined { .. }));
}

#[test]
fn a_journal_that_cannot_be_read_is_not_written_over() {
    let unread = |newer| Unread { run: "20261123-0712".into(), reason: "it is damaged: no JSON".into(), newer };
    let journal = |newer| Ok(JournalSeen { runs: Vec::new(), unread: vec![unread(newer)] });
    assert!(fires(&World::bent(|world| world.journal = journal(true)), "journal-readable"));
    let damaged = findings(&World::bent(|world| world.journal = journal(false)), "journal-readable");
    assert!(damaged[0].hint.contains("repair"), "{damaged:?}");
    let unseen = Err(NotSeen { what: "the journal".into(), reason: "forbidden".into() });
    let unseen = World::bent(|world| world.journal = unseen);
    assert!(matches!(unseen.ask("journal-readable"), Verdict::Undetermined { .. }));
}

#[test]
fn two_clusters_are_one_too_many() {
    assert!(fires(&World::bent(|world| world.helm_sees = Ok("uid-2".into())), "one-cluster"));
    let unseen =
        World::bent(|world| world.helm_sees = Err(NotSeen { what: "kube-system".into(), reason: "forbidden".into() }));
    assert!(matches!(unseen.ask("one-cluster"), Verdict::Undetermined { .. }));
}

#[test]
fn another_owner_is_named() {
    let flux = Owner::Flux { helm_release: "flux-system/mural".into(), kept_in_git: true };
    let world = World::bent(|world| drop(world.view.owners.insert("mural".into(), flux)));
    assert!(fires(&world, "owner-is-helm"));
    assert!(fires(&World::bent(|world| world.mode = Mode::Flux), "owner-is-helm"));
    assert!(!fires(&World::bent(|world| world.mode = Mode::Helm), "owner-is-helm"));
}

#[test]
fn nothing_installed_is_nothing_to_upgrade() {
    assert!(fires(&World::bent(|world| drop(world.view.releases.insert("mural".into(), Ok(Vec::new())))), "installed"));
    assert!(fires(&World::bent(|world| world.view.hub.namespace_exists = Ok(false)), "installed"));
    assert!(!fires(
        &World::bent(|world| drop(world.view.releases.insert("mural-crds".into(), Ok(Vec::new())))),
        "installed"
    ));
}

#[test]
fn a_pending_release_is_refused_and_a_failed_one_is_not() {
    assert!(fires(
        &World::bent(|world| world.store(record("mural", "1.0.0", "pending-upgrade", ""))),
        "release-not-pending"
    ));
    assert!(!fires(&World::bent(|world| world.store(record("mural", "1.0.0", "failed", ""))), "release-not-pending"));
}

#[test]
fn what_our_own_run_left_pending_is_ours_where_nobody_lives() {
    let ours = |locks: Looked<Vec<LockSeen>>| {
        World::bent(|world| {
            let mut pending = record("mural", "1.0.0", "pending-upgrade", "");
            pending.labels.insert("mural-run".into(), "7".into());
            world.store(pending);
            world.locks = locks;
        })
    };
    let held = |life| {
        let holder = Holder::of(&json!({"spec": {"holderIdentity": "ann"}})).unwrap();
        vec![LockSeen { place: Place::crds(), holder, life }]
    };
    assert_eq!(ours(Ok(Vec::new())).ask("release-not-pending"), Verdict::Pass);
    assert_eq!(ours(Ok(held(Life::Dead))).ask("release-not-pending"), Verdict::Pass);
    for doubt in
        [Ok(held(Life::Unsure)), Ok(held(Life::Alive)), Err(NotSeen { what: "locks".into(), reason: "no".into() })]
    {
        assert!(matches!(ours(doubt).ask("release-not-pending"), Verdict::Undetermined { .. }));
    }
}

#[test]
fn the_repair_of_a_pending_release_is_named() {
    let hint = |records: Vec<ReleaseRecord>| {
        let world = World::bent(|world| drop(world.view.releases.insert("mural".into(), Ok(records))));
        findings(&world, "release-not-pending")[0].hint.clone()
    };
    let good = ReleaseRecord { revision: 2, ..record("mural", "1.0.0", "deployed", "") };
    let pending = || record("mural", "1.0.0", "pending-upgrade", "");
    assert!(hint(vec![good, pending()]).contains("helm rollback mural 2 --namespace mural-system"));
    assert!(hint(vec![pending()]).contains("no revision of it ever stood"));
}

#[test]
fn a_chart_without_the_registrys_digest_is_a_warning() {
    assert!(fires(&World::bent(|world| world.digest.of = DigestOf::Archive), "chart-digest"));
}

#[test]
fn going_back_needs_a_word() {
    let newer = |world: &mut World| world.store(record("mural", "1.1.0", "deployed", ""));
    assert!(fires(&World::bent(newer), "no-downgrade"));
    let same = |world: &mut World| world.store(record("mural", "1.1.0-rc.3+05094f", "deployed", ""));
    assert!(!fires(&World::bent(same), "no-downgrade"));
    let allowed = World::bent(|world| (newer(world), world.allowed.downgrade = true).1);
    assert!(matches!(allowed.ask("no-downgrade"), Verdict::Skipped { .. }));
}

#[test]
fn the_servers_refusal_is_told_in_its_own_words() {
    let refusal = "spec.scope: Invalid value: \"Cluster\": field is immutable";
    let world = World::bent(|world| drop(world.forecasts.insert("hubs.example.com".into(), Err(refusal.into()))));
    assert!(findings(&world, "crds-dry-run")[0].message.contains(refusal));
}

#[test]
fn an_object_whose_version_no_crd_serves_is_refused() {
    let hub = |version: &str| json!({"apiVersion": format!("example.com/{version}"), "kind": "Hub", "metadata": {"name": "h"}});
    assert!(fires(&World::bent(|world| world.rendered = vec![hub("v2")]), "crds-before-application"));
    assert!(!fires(&World::bent(|world| world.rendered = vec![hub("v1")]), "crds-before-application"));
}

#[test]
fn a_crd_that_leaves_the_manifest_is_refused_unless_it_is_kept() {
    let manifest = crd("hubs.example.com", "v1").json().to_string();
    let leaving = |world: &mut World| world.store(record("mural", "1.1.0-rc.0", "deployed", &manifest));
    assert!(fires(&World::bent(leaving), "helm-would-delete-crds"));
    let stays =
        World::bent(|world| (leaving(world), world.rendered = vec![crd("hubs.example.com", "v1").json().clone()]).1);
    assert!(!fires(&stays, "helm-would-delete-crds"));
    let moved = World::bent(|world| {
        leaving(world);
        world.rendered = vec![crd("hubs.example.com", "v1").json().clone()];
        world.chart.crds_folder = vec!["hubs.example.com".into()];
    });
    assert!(fires(&moved, "helm-would-delete-crds"));
    let kept = World::bent(|world| {
        leaving(world);
        let mut live = crd("hubs.example.com", "v1").json().clone();
        live["metadata"]["annotations"] = json!({"helm.sh/resource-policy": "keep"});
        world.view.crds = Ok(BTreeMap::from([("hubs.example.com".to_owned(), Crd::new(live).unwrap())]));
    });
    assert!(!fires(&kept, "helm-would-delete-crds"));
}
