//! Locks against the fake API server: who wins, what is deleted, and when a lock is lost.

use serde_json::{Value, json};

use super::{Locks, acquire, lease_path, release, release_all};
use crate::cluster::fake_api_server::{Answer, FakeApiServer};
use crate::model::lease::{HolderIdentity, LeaseRef};

const OURS: &str = "ann@desk 7 run-1";
const THEIRS: &str = "ben@laptop 9 run-2";

fn lease(holder: &str, version: &str) -> Value {
    let LeaseRef { namespace, name } = LeaseRef::installation("hub");
    json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": {"holderIdentity": holder},
        "metadata": {"namespace": namespace, "name": name, "uid": "u", "resourceVersion": version}})
}

fn identity() -> HolderIdentity {
    HolderIdentity {
        user: "ann".into(),
        host: "desk".into(),
        pid: 7,
        run: "run-1".into(),
        version: "0.1.0".into(),
        installation: "hub/mural".into(),
        server_user: "ann".into(),
        workstation: String::new(),
    }
}

fn path() -> String {
    LeaseRef::installation("hub").path()
}

#[tokio::test(start_paused = true)]
async fn the_faster_run_gets_the_lock_and_the_slower_one_an_answer() {
    let collection = LeaseRef::installation("hub").collection_path();
    let created = FakeApiServer::new().answer("POST", &collection, [Answer::conflict("it exists")]);
    let taken = acquire(&created.start(), &LeaseRef::installation("hub"), &identity(), None).await;
    assert_eq!(taken.unwrap(), None);
    // Taken over from a dead run: changed by another one, or deleted.
    for answer in [Answer::conflict("it changed"), Answer::status(404, "gone")] {
        let server = FakeApiServer::new().answer("PUT", &path(), [answer]);
        let before = lease(THEIRS, "1");
        let taken = acquire(&server.start(), &LeaseRef::installation("hub"), &identity(), Some(&before)).await;
        assert_eq!((taken.unwrap(), server.requests().len()), (None, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejection_is_an_error_and_not_a_lost_race() {
    let collection = LeaseRef::installation("hub").collection_path();
    let server = FakeApiServer::new().answer("POST", &collection, [Answer::status(403, "leases is forbidden")]);
    let error = acquire(&server.start(), &LeaseRef::installation("hub"), &identity(), None).await.unwrap_err();
    assert!(error.is_forbidden() && error.to_string().contains("leases is forbidden"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_release_deletes_a_newer_version_of_our_own_lease_only() {
    let deletes = |server: &FakeApiServer| server.requests().iter().filter(|one| one.starts_with("DELETE")).count();
    for (holder, expected) in [(OURS, 2), (THEIRS, 1)] {
        let server = FakeApiServer::new()
            .answer("DELETE", &path(), [Answer::conflict("another version"), Answer::json(&json!({}))])
            .answer("GET", &path(), [Answer::json(&lease(holder, "2"))]);
        release(&server.start(), &lease(OURS, "1")).await.unwrap();
        assert_eq!(deletes(&server), expected, "{holder}");
    }
}

#[tokio::test(start_paused = true)]
async fn locks_are_released_in_reverse_order() {
    let mut crds = lease(OURS, "1");
    crds["metadata"]["name"] = "mural-crds".into();
    let all = [crds, lease(OURS, "1")];
    let server = all.iter().fold(FakeApiServer::new(), |server, one| {
        server.answer("DELETE", &lease_path(one), [Answer::json(&json!({}))])
    });
    release_all(&server.start(), &all).await.unwrap();
    let expected: Vec<String> = all.iter().rev().map(|one| format!("DELETE {}", lease_path(one))).collect();
    assert_eq!(server.requests(), expected);
}

#[tokio::test(start_paused = true)]
async fn no_step_begins_with_a_lock_that_another_run_holds() {
    let server = FakeApiServer::new().answer("PUT", &path(), [Answer::conflict("it changed")]).answer(
        "GET",
        &path(),
        [Answer::json(&lease(THEIRS, "2"))],
    );
    let locks = Locks::start_renewal(&server.start(), vec![lease(OURS, "1")], || {});
    let error = locks.begin_step("crds").await.unwrap_err();
    assert!(error.to_string().contains("is now held by"), "{error}");
}

/// The answer to a renewal was lost: the Lease has a newer version and still names us.
#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_no_lost_lock() {
    let server = FakeApiServer::new()
        .answer("PUT", &path(), [Answer::conflict("it changed"), Answer::json(&lease(OURS, "3"))])
        .answer("GET", &path(), [Answer::json(&lease(OURS, "2"))]);
    let locks = Locks::start_renewal(&server.start(), vec![lease(OURS, "1")], || {});
    locks.begin_step("crds").await.unwrap();
    assert_eq!(server.requests().len(), 3, "{:?}", server.requests());
}
