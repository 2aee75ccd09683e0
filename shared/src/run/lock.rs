//! Acquires the locks of a run, and releases locks that a dead run left behind.
//!
//! Owns the order of reading, waiting and taking over. Renewal is in `cluster/leases.rs`, the decision whether a holder lives in
//! `prepare/lease_watcher.rs`. Input: a plan. Output: [`Locks`] that renew themselves, or a `Problem`.

use std::time::Instant;

use serde_json::Value;

use super::run_options::RunOptions;
use crate::cluster::leases::Locks;
use crate::cluster::{ApiError, Cluster, ClusterReadError, leases};
use crate::model::lease::{HeldLock, HolderIdentity, LEASE_VERBS, LeaseHolder, LeaseRef, Liveness};
use crate::plan::Step;
use crate::prepare::lease_watcher::{LeaseWatcher, LockWaitError};
use crate::prepare::local_run_locks::RunLockFile;
use crate::prepare::prepared::Prepared;
use crate::problem::{Exit, Explain};
use crate::report::event::{Emit, Event};

/// Acquires every lock that the plan needs, just before its first write.
///
/// # Errors
/// Another run was faster, or you may not write Leases. Locks that were acquired already are released.
pub(super) async fn acquire(
    prepared: &Prepared,
    lock_file: Option<&RunLockFile>,
    options: &RunOptions,
    emit: Emit<'_>,
) -> Result<Locks, AcquireError> {
    let began = Instant::now();
    let cluster = &prepared.session.cluster;
    // The journal belongs to the installation: a run that writes it holds the installation's lock, even if it only writes CRDs.
    let lease_refs = match &options.journal_options {
        Some(_) => LeaseRef::for_run(
            &prepared.session.installation.namespace,
            prepared.plan.steps.iter().any(writes_or_delegates_crds),
        ),
        None => required_leases(&prepared.plan.steps, &prepared.session.installation.namespace),
    };
    let mut lease_watcher = prepared.session.lease_watcher.clone();
    let identity = HolderIdentity {
        workstation: lock_file.map(RunLockFile::name).unwrap_or_default(),
        ..prepared.session.lease_watcher.identity.clone()
    };
    let mut leases = Vec::new();
    let mut over = Vec::new();
    for lease_ref in &lease_refs {
        match acquire_one(&mut lease_watcher, cluster, lease_ref, &identity, options, emit).await {
            Ok((lease, before)) => {
                leases.push(lease);
                over.extend(before);
            }
            Err(error) => {
                // A lost answer may have made us the holder. A lock that cannot be released expires; the first problem is the one to report.
                let perhaps_ours = !matches!(error.exit(), Exit::Locked | Exit::Refused);
                if leases::release_all(cluster, &leases).await.is_err() || perhaps_ours {
                    lock_file.into_iter().for_each(RunLockFile::keep_on_drop);
                }
                return Err(error);
            }
        }
    }
    let detail = over.first().map_or_else(|| "acquired".to_owned(), describe_takeover);
    emit(Event::StageDone { stage: "lock", detail, seconds: began.elapsed().as_secs_f64() });
    release_stale(&mut lease_watcher, prepared, &lease_refs, emit).await;
    over.iter().for_each(|dead| lease_watcher.remove_run_lock_file(dead));
    let (stop, at_once) = (options.stop.clone(), options.abort.clone());
    Ok(Locks::start_renewal(cluster, leases, move || (stop.request(), at_once.request()).0))
}

fn describe_takeover(dead: &LeaseHolder) -> String {
    let seconds = dead.lease_duration.as_secs();
    format!("acquired; taken over from {dead}, which did not renew it for {seconds}s")
}

/// Whether a step writes CRDs, or lets Flux write them.
fn writes_or_delegates_crds(step: &Step) -> bool {
    step.action.writes_crds() || step.action.lets_flux_write_crds()
}

/// The locks that these steps need. Steps that only apply CRDs need no lock of an installation.
fn required_leases(steps: &[Step], namespace: &str) -> Vec<LeaseRef> {
    let of_release = |step: &Step| step.action.is_write() && !step.action.writes_crds();
    // A run that only follows someone else's rollout needs no lock.
    if !steps.iter().any(|step| step.action.is_write()) {
        return Vec::new();
    }
    if steps.iter().any(writes_or_delegates_crds) && !steps.iter().any(of_release) {
        return vec![LeaseRef::crds()];
    }
    LeaseRef::for_run(namespace, steps.iter().any(writes_or_delegates_crds))
}

async fn acquire_one(
    lease_watcher: &mut LeaseWatcher,
    cluster: &Cluster,
    lease_ref: &LeaseRef,
    identity: &HolderIdentity,
    options: &RunOptions,
    emit: Emit<'_>,
) -> Result<(Value, Option<LeaseHolder>), AcquireError> {
    let unreadable =
        |error: ApiError| AcquireError::new(LockWaitError::Unreadable(error.in_context(&cluster.context)), lease_ref);
    loop {
        let dead =
            lease_watcher.wait_until_free(cluster, std::slice::from_ref(lease_ref), options.wait_for_lock, emit).await;
        let dead = dead.map_err(|error| AcquireError::new(error, lease_ref))?;
        // Read again: the Lease that is taken over must be the one that was found dead, with the same resourceVersion.
        let before = leases::read_lease(cluster, lease_ref).await.map_err(unreadable)?;
        let (before, holder) = match (&before, dead.first()) {
            (None, _) => (None, None),
            (Some(lease), _) if LeaseHolder::from_lease(lease).is_none() => (before, None),
            (Some(lease), Some(dead))
                if lease_watcher.observe(lease_ref, lease).is_some_and(|now| now.liveness == Liveness::Dead) =>
            {
                let holder = dead.holder.clone();
                (before, Some(holder))
            }
            _ => continue,
        };
        let taken = leases::acquire(cluster, lease_ref, identity, before.as_ref()).await;
        if let Some(lease) = taken.map_err(unreadable)? {
            return Ok((lease, holder));
        }
    }
}

/// Why the locks were not acquired. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub(super) enum AcquireError {
    /// RBAC forbids it.
    #[error("you may not take the lock ({lease}); nothing was written")]
    Forbidden {
        lease: LeaseRef,
        #[source]
        error: ApiError,
    },
    /// Another run holds a lock, or the cluster does not answer.
    #[error(transparent)]
    Wait(#[from] LockWaitError),
}

impl AcquireError {
    fn new(error: LockWaitError, lease: &LeaseRef) -> Self {
        match error {
            LockWaitError::Unreadable(ClusterReadError { source: error, .. }) if error.is_forbidden() => {
                Self::Forbidden { lease: lease.clone(), error }
            }
            other => Self::Wait(other),
        }
    }
}

impl Explain for AcquireError {
    fn exit(&self) -> Exit {
        match self {
            Self::Forbidden { .. } => Exit::Refused,
            Self::Wait(error) => error.exit(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Forbidden { lease, .. } => vec![format!(
                "grant {} on leases.coordination.k8s.io in namespace {}",
                LEASE_VERBS.join(", "),
                lease.namespace
            )],
            Self::Wait(error) => error.hints(),
        }
    }
}

/// Releases locks of a dead run, except those in `ours`.
async fn release_stale(lease_watcher: &mut LeaseWatcher, prepared: &Prepared, ours: &[LeaseRef], emit: Emit<'_>) {
    let mut cleared = Vec::new();
    for lease_ref in LeaseRef::for_run(&prepared.session.installation.namespace, true) {
        if ours.contains(&lease_ref) {
            continue;
        }
        let Ok(Some(lease)) = leases::read_lease(&prepared.session.cluster, &lease_ref).await else { continue };
        let Some(HeldLock { liveness: Liveness::Dead, holder, .. }) = lease_watcher.observe(&lease_ref, &lease) else {
            continue;
        };
        if leases::release(&prepared.session.cluster, &lease).await.is_ok() {
            let detail = format!("{lease_ref} of the dead run {holder} was removed");
            emit(Event::StageDone { stage: "lock", detail, seconds: 0.0 });
            cleared.push(holder);
        }
    }
    // Two locks share one local lock file, which is needed until both locks are released.
    cleared.iter().for_each(|dead| lease_watcher.remove_run_lock_file(dead));
}

/// Releases all locks of a dead run if there is nothing else to do.
///
/// A lock that cannot be released has expired: the next run takes it over.
pub async fn release_all_stale(prepared: &Prepared, emit: Emit<'_>) {
    release_stale(&mut prepared.session.lease_watcher.clone(), prepared, &[], emit).await;
}
