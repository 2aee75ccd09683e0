//! Our turn: sees who holds the locks, waits until nobody who lives does, takes them, and clears what a dead run left behind.

use crate::prepare::lease_watcher::LeaseWatcher;
use crate::prepare::lease_watcher::LockWaitError;
use std::time::Instant;

use serde_json::Value;

use super::run_options::RunOptions;
use crate::cluster::leases::Locks;
use crate::cluster::{Cluster, leases};
use crate::model::lease::{HeldLock, HolderIdentity, LEASE_VERBS, LeaseHolder, LeaseRef, Liveness};
use crate::plan::Step;
use crate::prepare::local_run_locks::RunLockFile;
use crate::prepare::prepared::Prepared;
use crate::problem::{Exit, Problem};
use crate::report::event::{Emit, Event};

/// Takes every lock that the plan needs, right before its first write.
///
/// # Errors
/// Somebody was quicker, or we may not write them. What was taken already is let go.
pub(super) async fn acquire(
    prepared: &Prepared,
    lock_file: Option<&RunLockFile>,
    options: &RunOptions,
    emit: Emit<'_>,
) -> Result<Locks, Problem> {
    let began = Instant::now();
    let cluster = &prepared.session.cluster;
    // The journal is the installation's: who writes it holds its lock, also where CRDs alone are written.
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
            Err(problem) => {
                // An answer that was lost may have made us the holder. What cannot be let go ends by itself: the problem at hand is told.
                let perhaps_ours = !matches!(problem.exit, Exit::Locked | Exit::Refused);
                if leases::release_all(cluster, &leases).await.is_err() || perhaps_ours {
                    lock_file.into_iter().for_each(RunLockFile::keep_on_drop);
                }
                return Err(problem);
            }
        }
    }
    let detail = over.first().map_or_else(|| "yours until released".to_owned(), describe_takeover);
    emit(Event::StageDone { stage: "lock", detail, seconds: began.elapsed().as_secs_f64() });
    release_stale(&mut lease_watcher, prepared, &lease_refs, emit).await;
    over.iter().for_each(|dead| lease_watcher.remove_run_lock_file(dead));
    let (stop, at_once) = (options.stop.clone(), options.abort.clone());
    Ok(Locks::start_renewal(cluster, leases, move || (stop.request(), at_once.request()).0))
}

fn describe_takeover(dead: &LeaseHolder) -> String {
    let seconds = dead.lease_duration.as_secs();
    format!("yours until released; taken over from {dead}, who did not renew it for {seconds}s")
}

/// Whether a step writes CRDs, or lets Flux write them.
fn writes_or_delegates_crds(step: &Step) -> bool {
    step.action.writes_crds() || step.action.lets_flux_write_crds()
}

/// The locks that these steps need. Who applies CRDs alone need have no installation.
fn required_leases(steps: &[Step], namespace: &str) -> Vec<LeaseRef> {
    let of_release = |step: &Step| step.action.is_write() && !step.action.writes_crds();
    // Who only follows somebody else's roll-out locks nobody out.
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
) -> Result<(Value, Option<LeaseHolder>), Problem> {
    loop {
        let dead =
            lease_watcher.wait_until_free(cluster, std::slice::from_ref(lease_ref), options.wait_for_lock, emit).await;
        let dead = dead.map_err(|waited| not_acquired_problem(waited, lease_ref, cluster))?;
        // Read once more: what was judged dead must be what is taken over, version and all.
        let before = leases::read_lease(cluster, lease_ref)
            .await
            .map_err(|error| not_acquired_problem(LockWaitError::Unreadable(error), lease_ref, cluster))?;
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
        if let Some(lease) =
            taken.map_err(|error| not_acquired_problem(LockWaitError::Unreadable(error), lease_ref, cluster))?
        {
            return Ok((lease, holder));
        }
    }
}

fn not_acquired_problem(waited: LockWaitError, lease_ref: &LeaseRef, cluster: &Cluster) -> Problem {
    match waited {
        LockWaitError::Unreadable(error) if error.is_forbidden() => {
            Problem::new(Exit::Refused, format!("you may not take the lock ({lease_ref}); nothing was written"))
                .with_source(error)
                .with_hint(format!(
                    "grant {} on leases.coordination.k8s.io in namespace {}",
                    LEASE_VERBS.join(", "),
                    lease_ref.namespace
                ))
        }
        other => other.problem(&cluster.context),
    }
}

/// Lets go of what a dead run left behind, besides these.
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
            let detail = format!("{lease_ref} was left behind by {holder}: removed");
            emit(Event::StageDone { stage: "lock", detail, seconds: 0.0 });
            cleared.push(holder);
        }
    }
    // Two locks have one sign of life: it is needed until both are gone.
    cleared.iter().for_each(|dead| lease_watcher.remove_run_lock_file(dead));
}

/// Lets go of all that a dead run left behind, where there is nothing else to do.
///
/// What cannot be cleared is nobody's by its own rule: the next run takes it over.
pub async fn release_all_stale(prepared: &Prepared, emit: Emit<'_>) {
    release_stale(&mut prepared.session.lease_watcher.clone(), prepared, &[], emit).await;
}
