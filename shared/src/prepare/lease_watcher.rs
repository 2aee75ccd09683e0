//! Who holds the locks, and whether the holder lives: watched from the first read on.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cluster::{ApiError, Cluster, lock};
use crate::model::lease::{Claim, Holder, Life, LockSeen, Place, Sighting};
use crate::model::view::Looked;
use crate::prepare::workstation::Workstation;
use crate::problem::{Exit, Problem};
use crate::report::event::{Emit, Event};

/// Between two looks at a lock that somebody holds.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// What we have seen of the locks so far. Looked at from the very start, so that the time of our own reading counts.
#[derive(Clone)]
pub struct Turn {
    /// Who we are, the run's id among it.
    pub claim: Claim,
    workstation: Option<Workstation>,
    seen: BTreeMap<Place, Sighting>,
    /// Until when we wait for a holder who lives; set when the first one is met.
    until: Option<Instant>,
}

impl Turn {
    /// Nothing seen yet.
    #[must_use]
    pub const fn new(claim: Claim, workstation: Option<Workstation>) -> Self {
        Self { claim, workstation, seen: BTreeMap::new(), until: None }
    }

    /// One look: who holds what.
    ///
    /// # Errors
    /// A lock cannot be read.
    pub async fn look(&mut self, cluster: &Cluster, places: &[Place]) -> Result<Vec<LockSeen>, ApiError> {
        let leases = futures::future::try_join_all(places.iter().map(|place| lock::read(cluster, place))).await?;
        let held = places.iter().zip(&leases).filter_map(|(place, lease)| self.saw(place, lease.as_ref()?));
        Ok(held.collect())
    }

    pub(crate) fn saw(&mut self, place: &Place, lease: &Value) -> Option<LockSeen> {
        let now = Instant::now();
        let seen = self.seen.entry(place.clone()).or_insert_with(|| Sighting::first(lease, now));
        seen.again(lease, now);
        let holder = Holder::of(lease)?;
        // The kernel knows better than any clock, where the holder ran on this workstation.
        let life =
            match (self.workstation.as_ref().and_then(|here| here.ended(&holder)), seen.life(holder.holds_for, now)) {
                (Some(true), _) => Life::Dead,
                (Some(false), Life::Dead) => Life::Alive,
                (_, life) => life,
            };
        Some(LockSeen { place: place.clone(), holder, life })
    }

    pub(crate) fn forget(&self, dead: &Holder) {
        if let Some(workstation) = &self.workstation {
            workstation.forget(dead);
        }
    }

    /// Waits until none of the locks is held by somebody who lives. Gives those that a dead run left behind.
    ///
    /// Whether a holder lives shows within the time that its lock lasts; whoever lives is waited for as long as `wait` says.
    ///
    /// # Errors
    /// Somebody holds a lock still; a lock cannot be read.
    pub async fn settle(
        &mut self,
        cluster: &Cluster,
        places: &[Place],
        wait: Duration,
        emit: Emit<'_>,
    ) -> Result<Vec<LockSeen>, Waited> {
        let began = Instant::now();
        let mut told = false;
        loop {
            let held = self.look(cluster, places).await.map_err(Waited::Unseen)?;
            if let Some(alive) = held.iter().find(|held| held.life == Life::Alive) {
                let until = *self.until.get_or_insert_with(|| Instant::now() + wait);
                if Instant::now() >= until {
                    return Err(Waited::Held(Box::new(alive.clone())));
                }
            }
            let Some(open) = held.iter().find(|held| held.life != Life::Dead) else {
                let waited = began.elapsed().as_secs_f64();
                if let (true, Some(dead)) = (told, held.first()) {
                    let detail =
                        format!("left behind by {}: not renewed for {}s", dead.holder, dead.holder.holds_for.as_secs());
                    emit(Event::StageDone { stage: "lock", detail, seconds: waited });
                }
                return Ok(held);
            };
            if !std::mem::replace(&mut told, true) {
                emit(Event::StageStarted { stage: "lock", detail: format!("held by {}: does it live?", open.holder) });
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// Why a wait for the locks ended without them.
pub enum Waited {
    /// Somebody who lives holds one.
    Held(Box<LockSeen>),
    /// One cannot be read.
    Unseen(ApiError),
}

impl Waited {
    /// As a problem: nothing was written.
    #[must_use]
    pub fn problem(self, context: &str) -> Problem {
        match self {
            Self::Held(held) => locked(&held),
            Self::Unseen(error) => error.problem(context),
        }
    }
}

pub(crate) fn locked(held: &LockSeen) -> Problem {
    let Holder { who, r#where, since, step, run, version, installation, .. } = &held.holder;
    let told = [
        format!("who    {who} ({where})"),
        format!("since  {since}"),
        format!("step   {step} of run {run} on {installation}, version {version}"),
    ];
    Problem::new(Exit::Locked, format!("somebody else is upgrading: {} is held", held.place))
        .because(told.join("\n"))
        .hint("wait for it: --wait-for-lock 10m")
        .hint("look how far it is: kubectl mural upgrade status")
}

/// Before the look: a run that will write waits for its turn; a plan only notes who holds what.
///
/// # Errors
/// Somebody else is upgrading, or the cluster cannot be read.
pub(crate) async fn first_look(
    turn: &mut Turn,
    cluster: &Cluster,
    namespace: &str,
    wait: Option<Duration>,
    emit: Emit<'_>,
) -> Result<Looked<Vec<LockSeen>>, Problem> {
    let places = Place::of_a_run(namespace, true);
    let held = match wait {
        Some(wait) => turn.settle(cluster, &places, wait, emit).await,
        None => turn.look(cluster, &places).await.map_err(Waited::Unseen),
    };
    match held {
        Ok(held) => Ok(Ok(held)),
        // Told by the guards, or when the lock is taken: who may only look shall see the plan.
        Err(Waited::Unseen(error @ ApiError::Refused { .. })) => Ok(Err(error.not_seen("the locks (Leases)"))),
        Err(other) => Err(other.problem(&cluster.context)),
    }
}
