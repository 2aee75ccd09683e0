//! The locks of a run: Leases that are acquired, renewed while we live, and released.
//!
//! Every write carries the `resourceVersion` that was read, so two holders never both succeed. What a Lease contains and when it
//! counts as expired is in `model/lease.rs`; whom to wait for is decided by `prepare/lease_watcher.rs`. The background renewal ends
//! with [`Locks`], and calls back once if a lock is lost.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::outage_retry::{MAX_OUTAGE_DURATION, RETRY_INTERVAL};
use super::{ApiError, Cluster};
use crate::model::lease::{self, HolderIdentity, LeaseHolder, LeaseRef, RENEW_DEADLINE, RENEW_INTERVAL};
use crate::problem::{Cause, Explain};

/// Interval between a failed renewal and the next one.
const RENEW_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Reads a lock. `None`: the Lease does not exist.
///
/// # Errors
/// The API server rejects the request or does not answer.
pub async fn read_lease(cluster: &Cluster, lease_ref: &LeaseRef) -> Result<Option<Value>, ApiError> {
    match cluster.get(&lease_ref.path()).await {
        Ok(lease) => Ok(Some(lease)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Acquires a lock that still has the state `before`. `None`: another holder was faster.
///
/// # Errors
/// The API server rejects the request for another reason, or does not answer.
pub async fn acquire(
    cluster: &Cluster,
    lease_ref: &LeaseRef,
    identity: &HolderIdentity,
    before: Option<&Value>,
) -> Result<Option<Value>, ApiError> {
    let acquired = lease::build_acquired_lease(lease_ref, identity, "lock", Timestamp::now(), before);
    let (method, path) = match before {
        Some(_) => (Method::PUT, lease_ref.path()),
        None => (Method::POST, lease_ref.collection_path()),
    };
    match cluster.request(method, &path, Some(("application/json", &acquired))).await {
        Ok(lease) => Ok(Some(lease)),
        Err(error) if error.is_conflict() || (before.is_some() && error.is_not_found()) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Releases a lock. A lock that another holder acquired meanwhile stays with that holder.
///
/// # Errors
/// The API server rejects the request or does not answer.
pub async fn release(cluster: &Cluster, lease: &Value) -> Result<(), ApiError> {
    let mut result = delete_lease(cluster, lease).await;
    if result.as_ref().is_err_and(ApiError::is_conflict) {
        // The answer to a renewal may have been lost: the lock is still ours with a newer version.
        let now = cluster.get(&lease_path(lease)).await;
        result = match now {
            Ok(now) if now["spec"]["holderIdentity"] == lease["spec"]["holderIdentity"] => {
                delete_lease(cluster, &now).await
            }
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
    }
    match result {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

/// Releases several locks, the last acquired first. A failure does not stop the others.
///
/// # Errors
/// The first failure.
pub async fn release_all(cluster: &Cluster, leases: &[Value]) -> Result<(), ApiError> {
    let mut result = Ok(());
    for lease in leases.iter().rev() {
        result = result.and(release(cluster, lease).await);
    }
    result
}

async fn delete_lease(cluster: &Cluster, lease: &Value) -> Result<(), ApiError> {
    let only_this = json!({"apiVersion": "v1", "kind": "DeleteOptions",
        "preconditions": {"uid": lease["metadata"]["uid"], "resourceVersion": lease["metadata"]["resourceVersion"]}});
    cluster.request(Method::DELETE, &lease_path(lease), Some(("application/json", &only_this))).await.map(drop)
}

/// The locks that we hold, renewed in the background until they are released or lost.
pub struct Locks {
    state: Arc<LockState>,
    renewal: JoinHandle<()>,
}

struct LockState {
    cluster: Cluster,
    /// The Leases as last stored. One writer at a time: two concurrent renewals would conflict with each other.
    leases: tokio::sync::Mutex<Vec<Value>>,
    step: Mutex<String>,
    /// When the last successful renewal was requested.
    last_renewal: Mutex<Instant>,
    loss_reason: OnceLock<String>,
}

impl Locks {
    /// Starts to renew the acquired Leases. `on_loss` is called at most once.
    #[must_use]
    pub fn start_renewal(cluster: &Cluster, leases: Vec<Value>, on_loss: impl Fn() + Send + 'static) -> Self {
        let state = Arc::new(LockState {
            cluster: cluster.clone(),
            leases: tokio::sync::Mutex::new(leases),
            step: Mutex::new("lock".to_owned()),
            last_renewal: Mutex::new(Instant::now()),
            loss_reason: OnceLock::new(),
        });
        let renewal = tokio::spawn(run_renewal(Arc::clone(&state), on_loss));
        Self { state, renewal }
    }

    /// Renews now and records the step that begins, so that no step begins without the locks.
    ///
    /// # Errors
    /// A lock is lost, or cannot be renewed.
    pub async fn begin_step(&self, step: &str) -> Result<(), LockError> {
        step.clone_into(&mut self.state.step.lock().unwrap_or_else(PoisonError::into_inner));
        let began = Instant::now();
        loop {
            match self.state.renew().await {
                Ok(()) => break,
                // A short outage: the lease duration is longer.
                Err(RenewError::Failed { transient: true, .. })
                    if began.elapsed() < MAX_OUTAGE_DURATION && self.loss_reason().is_none() =>
                {
                    tokio::time::sleep(RETRY_INTERVAL).await;
                }
                Err(RenewError::Failed { reason, .. }) => return Err(LockError::NotRenewed(Cause::new(reason))),
                Err(RenewError::Lost(reason)) => return Err(LockError::Lost(reason)),
            }
        }
        match self.loss_reason() {
            Some(reason) => Err(LockError::Lost(reason.to_owned())),
            None => Ok(()),
        }
    }

    /// Why a lock was lost. `None`: we hold all of them.
    #[must_use]
    pub fn loss_reason(&self) -> Option<&str> {
        self.state.loss_reason.get().map(String::as_str)
    }

    /// Releases all locks, the last acquired first.
    ///
    /// # Errors
    /// The first failure: that Lease expires by itself.
    pub async fn release(self) -> Result<(), ApiError> {
        // Wait for a renewal in progress: aborted, it would leave us with an outdated version.
        let leases = self.state.leases.lock().await;
        self.renewal.abort();
        release_all(&self.state.cluster, &leases).await
    }
}

/// Why a step must not begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// A lock is lost.
    #[error("this run has lost the lock: {0}")]
    Lost(String),
    /// We may still hold the lock, but it cannot be renewed.
    #[error("the step did not start: the API server does not renew the lock")]
    NotRenewed(#[source] Cause),
}

impl Explain for LockError {
    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Lost(_) => {
                "kubectl mural upgrade status shows who holds the lock; if no one does, run the same command again"
            }
            Self::NotRenewed(_) => {
                "kubectl auth whoami shows whether the API server accepts your login; then run kubectl mural upgrade resume"
            }
        };
        vec![hint.to_owned()]
    }
}

/// Why a renewal failed.
enum RenewError {
    /// Another holder has the Lease, or it was deleted.
    Lost(String),
    /// The API server did not renew it this time.
    Failed {
        reason: String,
        /// Whether the next attempt may succeed.
        transient: bool,
    },
}

async fn run_renewal(state: Arc<LockState>, on_loss: impl Fn() + Send) {
    let mut pause = RENEW_INTERVAL;
    loop {
        tokio::time::sleep(pause).await;
        // An answer after the renew deadline is useless.
        let left = RENEW_DEADLINE.saturating_sub(state.time_since_renewal());
        let loss_reason = match tokio::time::timeout(left, state.renew()).await {
            Ok(Ok(())) => {
                // Counted from the request: the Lease's time started then, not with the answer.
                pause = RENEW_INTERVAL.saturating_sub(state.time_since_renewal());
                continue;
            }
            Ok(Err(RenewError::Lost(reason))) => reason,
            // Retry soon: one failed renewal is not a lost lock.
            Ok(Err(RenewError::Failed { .. }))
                if state.time_since_renewal() + RENEW_RETRY_INTERVAL < RENEW_DEADLINE =>
            {
                pause = RENEW_RETRY_INTERVAL;
                continue;
            }
            Ok(Err(RenewError::Failed { reason, .. })) => reason,
            Err(_) => format!("it could not be renewed for {}s", RENEW_DEADLINE.as_secs()),
        };
        let _ = state.loss_reason.set(loss_reason);
        on_loss();
        return;
    }
}

impl LockState {
    /// The time since the last successful renewal of all locks was requested.
    fn time_since_renewal(&self) -> Duration {
        self.last_renewal.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    async fn renew(&self) -> Result<(), RenewError> {
        let mut leases = self.leases.lock().await;
        let requested_at = Instant::now();
        let step = self.step.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Concurrently: one after the other takes too long over a slow connection.
        let all = futures::future::join_all(leases.iter().map(|lease| self.renew_lease(lease, &step))).await;
        let mut result = Ok(());
        for (lease, again) in leases.iter_mut().zip(all) {
            match again {
                Ok(renewed) => *lease = renewed,
                Err(loss) => result = result.and(Err(loss)),
            }
        }
        result?;
        *self.last_renewal.lock().unwrap_or_else(PoisonError::into_inner) = requested_at;
        Ok(())
    }

    async fn renew_lease(&self, ours: &Value, step: &str) -> Result<Value, RenewError> {
        match self.update_lease(&lease::build_renewed_lease(ours, step, Timestamp::now())).await {
            // The Lease changed, or an answer was lost: it is ours if it still names us.
            Err(error) if error.is_conflict() => {
                let now = self.cluster.get(&lease_path(ours)).await.map_err(|error| to_renew_error(ours, &error))?;
                if now["spec"]["holderIdentity"] != ours["spec"]["holderIdentity"] {
                    let by =
                        LeaseHolder::from_lease(&now).map_or_else(|| "no one".to_owned(), |holder| holder.to_string());
                    return Err(RenewError::Lost(format!("{} is now held by {by}", describe_lock(ours))));
                }
                self.update_lease(&lease::build_renewed_lease(&now, step, Timestamp::now()))
                    .await
                    .map_err(|error| to_renew_error(ours, &error))
            }
            other => other.map_err(|error| to_renew_error(ours, &error)),
        }
    }

    async fn update_lease(&self, lease: &Value) -> Result<Value, ApiError> {
        self.cluster.request(Method::PUT, &lease_path(lease), Some(("application/json", lease))).await
    }
}

fn to_renew_error(lease: &Value, error: &ApiError) -> RenewError {
    if error.is_not_found() {
        return RenewError::Lost(format!("{} was deleted", describe_lock(lease)));
    }
    // A server that has just started has not loaded RBAC yet and answers 403 to everything.
    let transient = error.is_transient() || error.is_forbidden();
    RenewError::Failed { reason: format!("{} could not be renewed: {error}", describe_lock(lease)), transient }
}

fn lease_path(lease: &Value) -> String {
    let (namespace, name) = namespace_and_name(lease);
    format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{name}")
}

fn describe_lock(lease: &Value) -> String {
    let (namespace, name) = namespace_and_name(lease);
    format!("the lock (Lease {namespace}/{name})")
}

fn namespace_and_name(lease: &Value) -> (&str, &str) {
    let text = |pointer: &str| lease.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    (text("/metadata/namespace"), text("/metadata/name"))
}

#[cfg(test)]
mod tests;
