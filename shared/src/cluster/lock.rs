//! The locks: Leases that are read, taken, renewed while we live, and let go. Every write lets the server compare versions.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::patience::{AGAIN_AFTER, PATIENT_FOR};
use super::{ApiError, Cluster};
use crate::model::lease::{self, Claim, GIVE_UP_AFTER, Holder, Place, RENEW_EVERY};

/// Between a renewal that failed and the next.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Reads a lock; none where the Lease is not there.
///
/// # Errors
/// The server refuses or does not answer.
pub async fn read(cluster: &Cluster, place: &Place) -> Result<Option<Value>, ApiError> {
    match cluster.get(&place.path()).await {
        Ok(lease) => Ok(Some(lease)),
        Err(error) if error.not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Takes a lock as it was `before`; none where somebody was quicker.
///
/// # Errors
/// The server refuses for another reason, or does not answer.
pub async fn take(
    cluster: &Cluster,
    place: &Place,
    claim: &Claim,
    before: Option<&Value>,
) -> Result<Option<Value>, ApiError> {
    let wanted = lease::taken(place, claim, "lock", Timestamp::now(), before);
    let (method, path) = match before {
        Some(_) => (Method::PUT, place.path()),
        None => (Method::POST, place.collection()),
    };
    match cluster.request(method, &path, Some(("application/json", &wanted))).await {
        Ok(lease) => Ok(Some(lease)),
        Err(error) if error.conflict() || (before.is_some() && error.not_found()) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Lets a lock go; one that somebody else has taken meanwhile stays theirs.
///
/// # Errors
/// The server refuses or does not answer.
pub async fn let_go(cluster: &Cluster, lease: &Value) -> Result<(), ApiError> {
    let mut result = delete(cluster, lease).await;
    if result.as_ref().is_err_and(ApiError::conflict) {
        // An answer to a renewal may have been lost on its way to us.
        let now = cluster.get(&path(lease)).await;
        result = match now {
            Ok(now) if now["spec"]["holderIdentity"] == lease["spec"]["holderIdentity"] => delete(cluster, &now).await,
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
    }
    match result {
        Err(error) if !error.not_found() => Err(error),
        _ => Ok(()),
    }
}

/// Lets several go, the last taken first; each is tried, whatever became of the others.
///
/// # Errors
/// The first that could not be.
pub async fn let_all_go(cluster: &Cluster, leases: &[Value]) -> Result<(), ApiError> {
    let mut result = Ok(());
    for lease in leases.iter().rev() {
        result = result.and(let_go(cluster, lease).await);
    }
    result
}

async fn delete(cluster: &Cluster, lease: &Value) -> Result<(), ApiError> {
    let only_this = json!({"apiVersion": "v1", "kind": "DeleteOptions",
        "preconditions": {"uid": lease["metadata"]["uid"], "resourceVersion": lease["metadata"]["resourceVersion"]}});
    cluster.request(Method::DELETE, &path(lease), Some(("application/json", &only_this))).await.map(drop)
}

/// Locks that are ours, renewed in the background until they are let go or lost.
pub struct Locks {
    held: Arc<Held>,
    renewing: JoinHandle<()>,
}

struct Held {
    cluster: Cluster,
    /// As the server last gave them. Taken by one writer at a time: two renewals side by side would refuse each other.
    leases: tokio::sync::Mutex<Vec<Value>>,
    step: Mutex<String>,
    /// When the last renewal was asked for that the server did.
    renewed: Mutex<Instant>,
    lost: OnceLock<String>,
}

impl Locks {
    /// Holds what was taken. `on_loss` is called once, when a lock is lost.
    #[must_use]
    pub fn hold(cluster: &Cluster, leases: Vec<Value>, on_loss: impl Fn() + Send + 'static) -> Self {
        let held = Arc::new(Held {
            cluster: cluster.clone(),
            leases: tokio::sync::Mutex::new(leases),
            step: Mutex::new("lock".to_owned()),
            renewed: Mutex::new(Instant::now()),
            lost: OnceLock::new(),
        });
        let renewing = tokio::spawn(renew_on(Arc::clone(&held), on_loss));
        Self { held, renewing }
    }

    /// Renews at once and says which step begins: who begins a step certainly holds the locks.
    ///
    /// # Errors
    /// A lock is no longer ours, or could not be renewed.
    pub async fn at(&self, step: &str) -> Result<(), NotHeld> {
        step.clone_into(&mut self.held.step.lock().unwrap_or_else(PoisonError::into_inner));
        let began = Instant::now();
        loop {
            match self.held.renew().await {
                Ok(()) => break,
                // A server that is away for a moment: the lock lasts longer than that.
                Err(Loss::Failed { passing: true, .. }) if began.elapsed() < PATIENT_FOR && self.lost().is_none() => {
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
                Err(Loss::Failed { reason, .. }) => return Err(NotHeld::Unrenewed(reason)),
                Err(Loss::Lost(reason)) => return Err(NotHeld::Lost(reason)),
            }
        }
        match self.lost() {
            Some(reason) => Err(NotHeld::Lost(reason.to_owned())),
            None => Ok(()),
        }
    }

    /// Why a lock is no longer ours; none while they all are.
    #[must_use]
    pub fn lost(&self) -> Option<&str> {
        self.held.lost.get().map(String::as_str)
    }

    /// Lets them go, the last taken first.
    ///
    /// # Errors
    /// The first that could not be: it goes by itself when its time is over.
    pub async fn let_go(self) -> Result<(), ApiError> {
        // A renewal that is under way holds them: cut off in the middle, it would leave us with a version that is no more.
        let leases = self.held.leases.lock().await;
        self.renewing.abort();
        let_all_go(&self.held.cluster, &leases).await
    }
}

/// Why a step must not begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotHeld {
    /// A lock is no longer ours.
    Lost(String),
    /// It may still be, and the server does not renew it.
    Unrenewed(String),
}

/// Why a renewal failed.
enum Loss {
    /// It is somebody else's now, or gone.
    Lost(String),
    /// The server did not do it this time.
    Failed {
        reason: String,
        /// Whether it may do it the next time.
        passing: bool,
    },
}

async fn renew_on(held: Arc<Held>, on_loss: impl Fn() + Send) {
    let mut pause = RENEW_EVERY;
    loop {
        tokio::time::sleep(pause).await;
        // Never waits for an answer beyond the time in which it is still of use.
        let left = GIVE_UP_AFTER.saturating_sub(held.unrenewed_for());
        let lost = match tokio::time::timeout(left, held.renew()).await {
            Ok(Ok(())) => {
                // Counted from when it was asked for: the time that the answer took is not to spare.
                pause = RENEW_EVERY.saturating_sub(held.unrenewed_for());
                continue;
            }
            Ok(Err(Loss::Lost(reason))) => reason,
            // Tried again soon: one bad moment of the server is no lost lock.
            Ok(Err(Loss::Failed { .. })) if held.unrenewed_for() + TRY_AGAIN_AFTER < GIVE_UP_AFTER => {
                pause = TRY_AGAIN_AFTER;
                continue;
            }
            Ok(Err(Loss::Failed { reason, .. })) => reason,
            Err(_) => format!("it could not be renewed for {}s", GIVE_UP_AFTER.as_secs()),
        };
        let _ = held.lost.set(lost);
        on_loss();
        return;
    }
}

impl Held {
    /// For how long no renewal of all of them has been asked for that the server did.
    fn unrenewed_for(&self) -> Duration {
        self.renewed.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    async fn renew(&self) -> Result<(), Loss> {
        let mut leases = self.leases.lock().await;
        let asked = Instant::now();
        let step = self.step.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Side by side: over a slow line, one after the other takes too long.
        let all = futures::future::join_all(leases.iter().map(|lease| self.again(lease, &step))).await;
        let mut came = Ok(());
        for (lease, again) in leases.iter_mut().zip(all) {
            match again {
                Ok(renewed) => *lease = renewed,
                Err(loss) => came = came.and(Err(loss)),
            }
        }
        came?;
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = asked;
        Ok(())
    }

    async fn again(&self, ours: &Value, step: &str) -> Result<Value, Loss> {
        match self.put(&lease::renewed(ours, step, Timestamp::now())).await {
            // Somebody touched it, or an answer to us was lost: it is still ours if it says so.
            Err(error) if error.conflict() => {
                let now = self.cluster.get(&path(ours)).await.map_err(|error| loss(ours, &error))?;
                if now["spec"]["holderIdentity"] != ours["spec"]["holderIdentity"] {
                    let by = Holder::of(&now).map_or_else(|| "nobody".to_owned(), |holder| holder.to_string());
                    return Err(Loss::Lost(format!("{} is now held by {by}", named(ours))));
                }
                self.put(&lease::renewed(&now, step, Timestamp::now())).await.map_err(|error| loss(ours, &error))
            }
            other => other.map_err(|error| loss(ours, &error)),
        }
    }

    async fn put(&self, lease: &Value) -> Result<Value, ApiError> {
        self.cluster.request(Method::PUT, &path(lease), Some(("application/json", lease))).await
    }
}

fn loss(lease: &Value, error: &ApiError) -> Loss {
    if error.not_found() {
        return Loss::Lost(format!("{} was deleted", named(lease)));
    }
    // We were allowed to a moment ago: a server that has just started knows no roles yet, and says forbidden.
    let passing = error.passing() || error.forbidden();
    Loss::Failed { reason: format!("{} could not be renewed: {error}", named(lease)), passing }
}

fn path(lease: &Value) -> String {
    let (namespace, name) = names(lease);
    format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{name}")
}

fn named(lease: &Value) -> String {
    let (namespace, name) = names(lease);
    format!("the lock (Lease {namespace}/{name})")
}

fn names(lease: &Value) -> (&str, &str) {
    let text = |pointer: &str| lease.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    (text("/metadata/namespace"), text("/metadata/name"))
}
