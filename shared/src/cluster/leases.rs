//! The locks: Leases that are read, taken, renewed while we live, and let go. Every write lets the server compare versions.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::outage_retry::{MAX_OUTAGE_DURATION, RETRY_INTERVAL};
use super::{ApiError, Cluster};
use crate::model::lease::{self, HolderIdentity, LeaseHolder, LeaseRef, RENEW_DEADLINE, RENEW_INTERVAL};

/// Between a renewal that failed and the next.
const RENEW_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Reads a lock; none where the Lease is not there.
///
/// # Errors
/// The server refuses or does not answer.
pub async fn read_lease(cluster: &Cluster, lease_ref: &LeaseRef) -> Result<Option<Value>, ApiError> {
    match cluster.get(&lease_ref.path()).await {
        Ok(lease) => Ok(Some(lease)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Takes a lock as it was `before`; none where somebody was quicker.
///
/// # Errors
/// The server refuses for another reason, or does not answer.
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

/// Lets a lock go; one that somebody else has taken meanwhile stays theirs.
///
/// # Errors
/// The server refuses or does not answer.
pub async fn release(cluster: &Cluster, lease: &Value) -> Result<(), ApiError> {
    let mut result = delete_lease(cluster, lease).await;
    if result.as_ref().is_err_and(ApiError::is_conflict) {
        // An answer to a renewal may have been lost on its way to us.
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

/// Lets several go, the last taken first; each is tried, whatever became of the others.
///
/// # Errors
/// The first that could not be.
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

/// Locks that are ours, renewed in the background until they are let go or lost.
pub struct Locks {
    state: Arc<LockState>,
    renewal: JoinHandle<()>,
}

struct LockState {
    cluster: Cluster,
    /// As the server last gave them. Taken by one writer at a time: two renewals side by side would refuse each other.
    leases: tokio::sync::Mutex<Vec<Value>>,
    step: Mutex<String>,
    /// When the last renewal was asked for that the server did.
    last_renewal: Mutex<Instant>,
    loss_reason: OnceLock<String>,
}

impl Locks {
    /// Holds what was taken. `on_loss` is called once, when a lock is lost.
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
        Self { state: state, renewal: renewal }
    }

    /// Renews at once and says which step begins: who begins a step certainly holds the locks.
    ///
    /// # Errors
    /// A lock is no longer ours, or could not be renewed.
    pub async fn begin_step(&self, step: &str) -> Result<(), LockError> {
        step.clone_into(&mut self.state.step.lock().unwrap_or_else(PoisonError::into_inner));
        let began = Instant::now();
        loop {
            match self.state.renew().await {
                Ok(()) => break,
                // A server that is away for a moment: the lock lasts longer than that.
                Err(RenewError::Failed { transient: true, .. })
                    if began.elapsed() < MAX_OUTAGE_DURATION && self.loss_reason().is_none() =>
                {
                    tokio::time::sleep(RETRY_INTERVAL).await;
                }
                Err(RenewError::Failed { reason, .. }) => return Err(LockError::NotRenewed(reason)),
                Err(RenewError::Lost(reason)) => return Err(LockError::Lost(reason)),
            }
        }
        match self.loss_reason() {
            Some(reason) => Err(LockError::Lost(reason.to_owned())),
            None => Ok(()),
        }
    }

    /// Why a lock is no longer ours; none while they all are.
    #[must_use]
    pub fn loss_reason(&self) -> Option<&str> {
        self.state.loss_reason.get().map(String::as_str)
    }

    /// Lets them go, the last taken first.
    ///
    /// # Errors
    /// The first that could not be: it goes by itself when its time is over.
    pub async fn release(self) -> Result<(), ApiError> {
        // A renewal that is under way holds them: cut off in the middle, it would leave us with a version that is no more.
        let leases = self.state.leases.lock().await;
        self.renewal.abort();
        release_all(&self.state.cluster, &leases).await
    }
}

/// Why a step must not begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockError {
    /// A lock is no longer ours.
    Lost(String),
    /// It may still be, and the server does not renew it.
    NotRenewed(String),
}

/// Why a renewal failed.
enum RenewError {
    /// It is somebody else's now, or gone.
    Lost(String),
    /// The server did not do it this time.
    Failed {
        reason: String,
        /// Whether it may do it the next time.
        transient: bool,
    },
}

async fn run_renewal(state: Arc<LockState>, on_loss: impl Fn() + Send) {
    let mut pause = RENEW_INTERVAL;
    loop {
        tokio::time::sleep(pause).await;
        // Never waits for an answer beyond the time in which it is still of use.
        let left = RENEW_DEADLINE.saturating_sub(state.time_since_renewal());
        let loss_reason = match tokio::time::timeout(left, state.renew()).await {
            Ok(Ok(())) => {
                // Counted from when it was asked for: the time that the answer took is not to spare.
                pause = RENEW_INTERVAL.saturating_sub(state.time_since_renewal());
                continue;
            }
            Ok(Err(RenewError::Lost(reason))) => reason,
            // Tried again soon: one bad moment of the server is no lost lock.
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
    /// For how long no renewal of all of them has been asked for that the server did.
    fn time_since_renewal(&self) -> Duration {
        self.last_renewal.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    async fn renew(&self) -> Result<(), RenewError> {
        let mut leases = self.leases.lock().await;
        let requested_at = Instant::now();
        let step = self.step.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Side by side: over a slow line, one after the other takes too long.
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
            // Somebody touched it, or an answer to us was lost: it is still ours if it says so.
            Err(error) if error.is_conflict() => {
                let now = self.cluster.get(&lease_path(ours)).await.map_err(|error| to_renew_error(ours, &error))?;
                if now["spec"]["holderIdentity"] != ours["spec"]["holderIdentity"] {
                    let by =
                        LeaseHolder::from_lease(&now).map_or_else(|| "nobody".to_owned(), |holder| holder.to_string());
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
    // We were allowed to a moment ago: a server that has just started knows no roles yet, and says forbidden.
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
