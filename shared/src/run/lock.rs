//! Our turn: sees who holds the locks, waits until nobody who lives does, takes them, and clears what a dead run left behind.

use crate::prepare::lease_watcher::Turn;
use crate::prepare::lease_watcher::Waited;
use std::time::Instant;

use serde_json::Value;

use super::Manner;
use crate::cluster::lock::Locks;
use crate::cluster::{Cluster, lock};
use crate::model::lease::{Claim, Holder, Life, LockSeen, Place, VERBS};
use crate::plan::{Action, Step};
use crate::prepare::Prepared;
use crate::prepare::workstation::Sign;
use crate::problem::{Exit, Problem};
use crate::report::event::{Emit, Event};

/// Takes every lock that the plan needs, right before its first write.
///
/// # Errors
/// Somebody was quicker, or we may not write them. What was taken already is let go.
pub(super) async fn take(
    prepared: &Prepared,
    sign: Option<&Sign>,
    manner: &Manner,
    emit: Emit<'_>,
) -> Result<Locks, Problem> {
    let began = Instant::now();
    let cluster = &prepared.cluster;
    // The journal is the installation's: who writes it holds its lock, also where CRDs alone are written.
    let places = match &manner.keeping {
        Some(_) => Place::of_a_run(&prepared.ask.installation.namespace, prepared.plan.steps.iter().any(of_crds)),
        None => places(&prepared.plan.steps, &prepared.ask.installation.namespace),
    };
    let mut turn = prepared.turn.clone();
    let claim = Claim { workstation: sign.map(Sign::name).unwrap_or_default(), ..prepared.turn.claim.clone() };
    let mut leases = Vec::new();
    let mut over = Vec::new();
    for place in &places {
        match one(&mut turn, cluster, place, &claim, manner, emit).await {
            Ok((lease, before)) => {
                leases.push(lease);
                over.extend(before);
            }
            Err(problem) => {
                // An answer that was lost may have made us the holder. What cannot be let go ends by itself: the problem at hand is told.
                let perhaps_ours = !matches!(problem.exit, Exit::Locked | Exit::Refused);
                if lock::let_all_go(cluster, &leases).await.is_err() || perhaps_ours {
                    sign.into_iter().for_each(Sign::stay);
                }
                return Err(problem);
            }
        }
    }
    let detail = over.first().map_or_else(|| "yours until released".to_owned(), taken_over);
    emit(Event::StageDone { stage: "lock", detail, seconds: began.elapsed().as_secs_f64() });
    clear_but(&mut turn, prepared, &places, emit).await;
    over.iter().for_each(|dead| turn.forget(dead));
    let (stop, at_once) = (manner.stop.clone(), manner.at_once.clone());
    Ok(Locks::hold(cluster, leases, move || (stop.ask(), at_once.ask()).0))
}

fn taken_over(dead: &Holder) -> String {
    let seconds = dead.holds_for.as_secs();
    format!("yours until released; taken over from {dead}, who did not renew it for {seconds}s")
}

/// Whether a step writes CRDs, or lets Flux write them.
const fn of_crds(step: &Step) -> bool {
    by_us(step)
        || matches!(
            step.action,
            Action::MoveSource { crds: true, .. }
                | Action::ApplyManifests { crds: true, .. }
                | Action::AwaitRelease { crds: true, asks: true, .. }
        )
}

/// Whether we write CRDs ourselves, or the objects of their kinds.
const fn by_us(step: &Step) -> bool {
    matches!(
        step.action,
        Action::ApplyCrds { .. }
            | Action::MigrateObjects { .. }
            | Action::RestoreCrds { .. }
            | Action::RestoreObjects { .. }
            | Action::UnkeepCrds { .. }
    )
}

/// The locks that these steps need. Who applies CRDs alone need have no installation.
fn places(steps: &[Step], namespace: &str) -> Vec<Place> {
    let of_release = |step: &Step| step.action.writes() && !by_us(step);
    // Who only follows somebody else's roll-out locks nobody out.
    if !steps.iter().any(|step| step.action.writes()) {
        return Vec::new();
    }
    if steps.iter().any(of_crds) && !steps.iter().any(of_release) {
        return vec![Place::crds()];
    }
    Place::of_a_run(namespace, steps.iter().any(of_crds))
}

async fn one(
    turn: &mut Turn,
    cluster: &Cluster,
    place: &Place,
    claim: &Claim,
    manner: &Manner,
    emit: Emit<'_>,
) -> Result<(Value, Option<Holder>), Problem> {
    loop {
        let dead = turn.settle(cluster, std::slice::from_ref(place), manner.wait_for_lock, emit).await;
        let dead = dead.map_err(|waited| not_taken(waited, place, cluster))?;
        // Read once more: what was judged dead must be what is taken over, version and all.
        let before =
            lock::read(cluster, place).await.map_err(|error| not_taken(Waited::Unseen(error), place, cluster))?;
        let (before, holder) = match (&before, dead.first()) {
            (None, _) => (None, None),
            (Some(lease), _) if Holder::of(lease).is_none() => (before, None),
            (Some(lease), Some(dead)) if turn.saw(place, lease).is_some_and(|now| now.life == Life::Dead) => {
                let holder = dead.holder.clone();
                (before, Some(holder))
            }
            _ => continue,
        };
        let taken = lock::take(cluster, place, claim, before.as_ref()).await;
        if let Some(lease) = taken.map_err(|error| not_taken(Waited::Unseen(error), place, cluster))? {
            return Ok((lease, holder));
        }
    }
}

fn not_taken(waited: Waited, place: &Place, cluster: &Cluster) -> Problem {
    match waited {
        Waited::Unseen(error) if error.forbidden() => {
            Problem::new(Exit::Refused, format!("you may not take the lock ({place}); nothing was written"))
                .because(error)
                .hint(format!(
                    "grant {} on leases.coordination.k8s.io in namespace {}",
                    VERBS.join(", "),
                    place.namespace
                ))
        }
        other => other.problem(&cluster.context),
    }
}

/// Lets go of what a dead run left behind, besides these.
async fn clear_but(turn: &mut Turn, prepared: &Prepared, ours: &[Place], emit: Emit<'_>) {
    let mut cleared = Vec::new();
    for place in Place::of_a_run(&prepared.ask.installation.namespace, true) {
        if ours.contains(&place) {
            continue;
        }
        let Ok(Some(lease)) = lock::read(&prepared.cluster, &place).await else { continue };
        let Some(LockSeen { life: Life::Dead, holder, .. }) = turn.saw(&place, &lease) else { continue };
        if lock::let_go(&prepared.cluster, &lease).await.is_ok() {
            let detail = format!("{place} was left behind by {holder}: removed");
            emit(Event::StageDone { stage: "lock", detail, seconds: 0.0 });
            cleared.push(holder);
        }
    }
    // Two locks have one sign of life: it is needed until both are gone.
    cleared.iter().for_each(|dead| turn.forget(dead));
}

/// Lets go of all that a dead run left behind, where there is nothing else to do.
///
/// What cannot be cleared is nobody's by its own rule: the next run takes it over.
pub async fn clear(prepared: &Prepared, emit: Emit<'_>) {
    clear_but(&mut prepared.turn.clone(), prepared, &[], emit).await;
}
