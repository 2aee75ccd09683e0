//! Watches the Leases from the first read on: who holds them, and whether the holder is alive.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cluster::{ApiError, Cluster, ClusterReadError, leases};
use crate::model::cluster_view::Observed;
use crate::model::lease::{HeldLock, HolderIdentity, LeaseHolder, LeaseObservation, LeaseRef, Liveness};
use crate::prepare::local_run_locks::LocalRunLocks;
use crate::problem::{Cause, Exit, Explain};
use crate::report::event::{Emit, Event};

/// The interval between two reads of a held Lease.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// What was observed of the Leases so far. It starts early, so that the run's own reading time counts.
#[derive(Clone)]
pub struct LeaseWatcher {
    /// This run's identity, with its run id.
    pub identity: HolderIdentity,
    local_locks: Option<LocalRunLocks>,
    sightings: BTreeMap<LeaseRef, LeaseObservation>,
    /// The deadline of the wait for a live holder; set when the first one is found.
    wait_deadline: Option<Instant>,
}

impl LeaseWatcher {
    /// No observation yet.
    #[must_use]
    pub const fn new(identity: HolderIdentity, local_locks: Option<LocalRunLocks>) -> Self {
        Self { identity, local_locks, sightings: BTreeMap::new(), wait_deadline: None }
    }

    /// Reads the Leases once and returns the holders.
    ///
    /// # Errors
    /// A Lease cannot be read.
    pub async fn poll(&mut self, cluster: &Cluster, lease_refs: &[LeaseRef]) -> Result<Vec<HeldLock>, ApiError> {
        let leases =
            futures::future::try_join_all(lease_refs.iter().map(|lease_ref| leases::read_lease(cluster, lease_ref)))
                .await?;
        let held =
            lease_refs.iter().zip(&leases).filter_map(|(lease_ref, lease)| self.observe(lease_ref, lease.as_ref()?));
        Ok(held.collect())
    }

    pub(crate) fn observe(&mut self, lease_ref: &LeaseRef, lease: &Value) -> Option<HeldLock> {
        let now = Instant::now();
        let sighting = self.sightings.entry(lease_ref.clone()).or_insert_with(|| LeaseObservation::new(lease, now));
        sighting.observe(lease, now);
        let holder = LeaseHolder::from_lease(lease)?;
        // If the holder ran on this workstation, the kernel's file lock is more reliable than any clock.
        let life = match (
            self.local_locks.as_ref().and_then(|here| here.has_ended(&holder)),
            sighting.liveness(holder.lease_duration, now),
        ) {
            (Some(true), _) => Liveness::Dead,
            (Some(false), Liveness::Dead) => Liveness::Alive,
            (_, life) => life,
        };
        Some(HeldLock { lease: lease_ref.clone(), holder, liveness: life })
    }

    pub(crate) fn remove_run_lock_file(&self, dead: &LeaseHolder) {
        if let Some(workstation) = &self.local_locks {
            workstation.remove_lock_file(dead);
        }
    }

    /// Waits until no live run holds one of the Leases. Returns the Leases of dead runs.
    ///
    /// Whether a holder is alive shows within the Lease duration; `wait` limits the wait for a live holder.
    ///
    /// # Errors
    /// A live run still holds a Lease, or a Lease cannot be read.
    pub async fn wait_until_free(
        &mut self,
        cluster: &Cluster,
        lease_refs: &[LeaseRef],
        wait: Duration,
        emit: Emit<'_>,
    ) -> Result<Vec<HeldLock>, LockWaitError> {
        let began = Instant::now();
        let mut is_announced = false;
        loop {
            let held = self.poll(cluster, lease_refs).await.map_err(|error| error.in_context(&cluster.context))?;
            if let Some(alive) = held.iter().find(|held| held.liveness == Liveness::Alive) {
                let until = *self.wait_deadline.get_or_insert_with(|| Instant::now() + wait);
                if Instant::now() >= until {
                    return Err(LockWaitError::from_lock(alive));
                }
            }
            let Some(open) = held.iter().find(|held| held.liveness != Liveness::Dead) else {
                let waited = began.elapsed().as_secs_f64();
                if let (true, Some(dead)) = (is_announced, held.first()) {
                    let detail = format!(
                        "abandoned by {}: not renewed for {}s",
                        dead.holder,
                        dead.holder.lease_duration.as_secs()
                    );
                    emit(Event::StageDone { stage: "lock", detail, seconds: waited });
                }
                return Ok(held);
            };
            if !std::mem::replace(&mut is_announced, true) {
                emit(Event::StageStarted {
                    stage: "lock",
                    detail: format!("held by {}: checking whether it is alive", open.holder),
                });
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}

/// Why the wait for the Leases failed. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum LockWaitError {
    /// A live run holds one.
    #[error("someone else is upgrading: {lease} is held")]
    Held {
        /// The Lease.
        lease: LeaseRef,
        /// The holder, its step and its start.
        #[source]
        holder: Cause,
    },
    /// One cannot be read.
    #[error(transparent)]
    Unreadable(#[from] ClusterReadError),
}

impl LockWaitError {
    fn from_lock(lock: &HeldLock) -> Self {
        let LeaseHolder { user, process, acquired_at, step, run, version, installation, .. } = &lock.holder;
        let details = [
            format!("operator  {user} ({process})"),
            format!("since     {acquired_at}"),
            format!("step      {step} of run {run} on {installation}, version {version}"),
        ];
        Self::Held { lease: lock.lease.clone(), holder: Cause::new(details.join("\n")) }
    }
}

impl Explain for LockWaitError {
    fn exit(&self) -> Exit {
        match self {
            Self::Held { .. } => Exit::Locked,
            Self::Unreadable(error) => error.exit(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Held { .. } => vec![
                "run the command again with --wait-for-lock 10m to wait for the lock".to_owned(),
                "run `kubectl mural upgrade status` to see its progress".to_owned(),
            ],
            Self::Unreadable(error) => error.hints(),
        }
    }
}

/// Before everything else: a run that will write waits for the Leases; a plan only records the holders.
///
/// # Errors
/// Someone else is upgrading, or the cluster cannot be read.
pub(crate) async fn wait_or_read_locks(
    watcher: &mut LeaseWatcher,
    cluster: &Cluster,
    namespace: &str,
    wait: Option<Duration>,
    emit: Emit<'_>,
) -> Result<Observed<Vec<HeldLock>>, LockWaitError> {
    let lease_refs = LeaseRef::for_run(namespace, true);
    let held = match wait {
        Some(wait) => watcher.wait_until_free(cluster, &lease_refs, wait, emit).await,
        None => watcher.poll(cluster, &lease_refs).await.map_err(|error| error.in_context(&cluster.context).into()),
    };
    match held {
        Ok(held) => Ok(Ok(held)),
        // The guards report it, or the run when it acquires the Lease: a read-only user shall see the plan.
        Err(LockWaitError::Unreadable(ClusterReadError { source: error @ ApiError::Rejected { .. }, .. })) => {
            Ok(Err(error.to_read_failure("the Leases")))
        }
        Err(other) => Err(other),
    }
}
