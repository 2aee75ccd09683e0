//! What runs leave behind: before each step what is meant, after it what came of it. Kept in the cluster, so that anybody may
//! go on or go back; no values and nothing secret stand in it.

mod packed;
pub mod since;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::saved::Asked;
use super::seal::digest;
use super::world::{LiveCrd, World};
use super::{API_VERSION, Action, Migration, Step};
use crate::model::lease::Claim;

pub use packed::{JournalSeen, LARGEST, RUNS, SECRET, Unread, secret, seen, without};

/// The kind of one run.
const KIND: &str = "UpgradeRun";
/// Characters of what came of a step that are kept.
const TOLD: usize = 600;

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Forward.
    Upgrade,
    /// Back to what was before a run.
    Rollback,
    /// Mends what somebody left behind.
    Repair,
}

/// How far a run came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is under way, or was cut off: only its lock tells which.
    Open,
    /// Done and proved.
    Done,
    /// A step failed.
    Failed,
    /// Stopped by Ctrl-C.
    Stopped,
    /// A later run took over from it.
    Replaced,
    /// A later run went back to what was before it.
    RolledBack,
}

impl State {
    /// In a word or a few.
    #[must_use]
    pub const fn told(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Replaced => "replaced",
            Self::RolledBack => "rolled back",
        }
    }
}

/// How far a step came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepStands {
    /// Not begun.
    Planned,
    /// Begun: it may be done, half-done, or not.
    Begun,
    /// Done and proved.
    Done,
    /// Begun, and not done.
    Failed,
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepEntry {
    /// The step's id.
    pub id: String,
    /// What it does.
    pub title: String,
    /// What is done, as data.
    #[serde(flatten)]
    pub action: Action,
    /// How far it came.
    pub stands: StepStands,
    /// When it was begun, by the clock of the workstation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// What came of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// What was saved before the first write, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SavedCopy {
    /// The workstation.
    pub host: String,
    /// The folder there.
    pub folder: String,
    /// The digest of the list of its files and their digests: a copy that was changed since is none.
    pub digest: String,
    /// How large it is.
    pub bytes: u64,
    /// CRDs in it.
    pub crds: u64,
    /// Custom resources in it.
    pub objects: u64,
}

/// A run as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunEntry {
    /// `mural/v1`
    pub api_version: String,
    /// `UpgradeRun`
    pub kind: String,
    /// The run's id: it begins with its time.
    pub run: String,
    /// 1, 2, …: the order in which they took the lock, since clocks of workstations differ.
    #[serde(default)]
    pub number: u64,
    /// What it is for.
    pub task: Task,
    /// How far it came.
    pub state: State,
    /// The run that took over from it, or that went back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Earlier runs that this one goes on from, oldest first; for a rollback, those that it undoes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<String>,
    /// `namespace/release`
    pub installation: String,
    /// The user that the API server saw.
    pub who: String,
    /// `user@host, process 4711`
    pub r#where: String,
    /// The version of this program.
    pub version: String,
    /// The digest of what was asked for and of the steps; no values are in it.
    pub plan: String,
    /// When it was begun, by the clock of the workstation.
    pub began: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// What was asked for: charts by reference and digest, never values.
    pub asked: Asked,
    /// What was there before the first run of the chain; of the values a seal alone.
    pub world: World,
    /// What was saved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saved: Option<SavedCopy>,
    /// The CRDs as this run, or one that it goes on from, left them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left: BTreeMap<String, LiveCrd>,
    /// The revisions that were made, by release.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub revisions: BTreeMap<String, u64>,
    /// What is done, in this order.
    pub steps: Vec<StepEntry>,
}

impl RunEntry {
    /// A run that is about to begin.
    #[must_use]
    pub fn new(task: Task, claim: &Claim, asked: Asked, world: World, steps: &[Step], now: Timestamp) -> Self {
        let planned = |step: &Step| StepEntry {
            id: step.id.clone(),
            title: step.title.clone(),
            action: step.action.clone(),
            stands: StepStands::Planned,
            began: None,
            ended: None,
            detail: String::new(),
        };
        let who = if claim.as_user.is_empty() { &claim.user } else { &claim.as_user };
        let agreed = serde_json::json!({"asked": asked, "steps": steps});
        Self {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            run: claim.run.clone(),
            number: 1,
            task,
            state: State::Open,
            by: None,
            chain: Vec::new(),
            installation: claim.installation.clone(),
            who: who.clone(),
            r#where: format!("{}@{}, process {}", claim.user, claim.host, claim.pid),
            version: claim.version.clone(),
            plan: digest(&agreed),
            began: now,
            ended: None,
            asked,
            world,
            saved: None,
            left: BTreeMap::new(),
            revisions: BTreeMap::new(),
            steps: steps.iter().map(planned).collect(),
        }
    }

    /// Goes on from an earlier run: what was there before it, and what it saved and left, count on.
    #[must_use]
    pub fn going_on(mut self, earlier: &Self) -> Self {
        self.chain = earlier.ids();
        self.world.clone_from(&earlier.world);
        self.saved.clone_from(&earlier.saved);
        self.left.clone_from(&earlier.left);
        self.revisions.clone_from(&earlier.revisions);
        self
    }

    /// This run and all that it goes on from, oldest first.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        self.chain.iter().cloned().chain([self.run.clone()]).collect()
    }

    /// Whether something of it is left to do.
    #[must_use]
    pub const fn unfinished(&self) -> bool {
        matches!(self.state, State::Open | State::Failed | State::Stopped)
    }

    /// Whether it, or one that it goes on from, may have written something.
    #[must_use]
    pub fn wrote(&self) -> bool {
        !self.chain.is_empty()
            || self.steps.iter().any(|step| step.stands != StepStands::Planned && step.action.writes())
    }

    /// Notes that a step is about to begin.
    pub fn begin(&mut self, step: &str, now: Timestamp) {
        self.note(step, |entry| (entry.stands, entry.began) = (StepStands::Begun, Some(now)));
    }

    /// Notes what came of a step.
    pub fn end_step(&mut self, step: &str, stands: StepStands, detail: &str, now: Timestamp) {
        let detail: String = detail.chars().take(TOLD).collect();
        self.note(step, |entry| {
            // A step that was refused before it began has not begun.
            let refused = entry.stands == StepStands::Planned && stands == StepStands::Failed;
            let stands = if refused { StepStands::Planned } else { stands };
            (entry.stands, entry.ended, entry.detail) = (stands, Some(now), detail);
        });
    }

    fn note(&mut self, step: &str, change: impl FnOnce(&mut StepEntry)) {
        if let Some(entry) = self.steps.iter_mut().find(|entry| entry.id == step) {
            change(entry);
        }
    }

    /// Notes the end of the run.
    pub const fn end(&mut self, state: State, now: Timestamp) {
        (self.state, self.ended) = (state, Some(now));
    }

    /// Notes that a later run stands in its place.
    pub fn over(&mut self, state: State, by: &str) {
        (self.state, self.by) = (state, Some(by.to_owned()));
    }

    fn begun(&self) -> impl Iterator<Item = &StepEntry> {
        self.steps.iter().filter(|step| step.stands != StepStands::Planned)
    }

    /// The migrations that a step has begun: their CRDs may stand between two specs.
    pub fn migrations(&self) -> impl Iterator<Item = &Migration> {
        let moved = self.begun().filter_map(|step| match &step.action {
            Action::MigrateObjects { crds } => Some(crds),
            _ => None,
        });
        moved.flatten()
    }

    /// The CRDs whose objects a step has begun to move.
    #[must_use]
    pub fn moving(&self) -> Vec<&str> {
        self.migrations().map(|migration| migration.name.as_str()).collect()
    }

    /// The CRDs that a step has begun to mark, so that helm keeps them.
    pub fn marked(&self) -> impl Iterator<Item = &String> {
        let marked = self.begun().filter_map(|step| match &step.action {
            Action::KeepCrds { names } => Some(names),
            _ => None,
        });
        marked.flatten()
    }

    /// Whether a step has proved of this CRD that it is served.
    #[must_use]
    pub fn has_proved(&self, crd: &str) -> bool {
        self.steps.iter().any(|step| {
            step.stands == StepStands::Done
                && matches!(&step.action, Action::ProveServed { names } if names.iter().any(|name| name == crd))
        })
    }

    /// Whether CRDs may have been applied of which nobody has proved that they are served.
    #[must_use]
    pub fn unproved(&self) -> bool {
        let open = self.steps.iter().any(|step| step.id == "served" && step.stands != StepStands::Done);
        let applied = self.steps.iter().find(|step| matches!(step.action, Action::ApplyCrds { .. }));
        open && applied.is_none_or(|applied| applied.stands != StepStands::Planned)
    }

    /// What of it the cluster proves to be done, and what is left, by the steps that a look at the cluster comes to now.
    #[must_use]
    pub fn proved<'a>(&'a self, now: &'a [Step]) -> (Vec<&'a str>, Vec<&'a str>) {
        let left: Vec<&str> = now.iter().map(|step| step.id.as_str()).collect();
        let written = self.steps.iter().filter(|step| step.action.writes()).map(|step| step.id.as_str());
        (written.filter(|id| !left.contains(id)).collect(), left)
    }

    /// Where it stands, as a short line: `done crds, served; begun mural; to do validate`.
    #[must_use]
    pub fn line(&self) -> String {
        let of = |stands: StepStands, word: &str| {
            let ids: Vec<&str> =
                self.steps.iter().filter(|step| step.stands == stands).map(|step| step.id.as_str()).collect();
            (!ids.is_empty()).then(|| format!("{word} {}", ids.join(", ")))
        };
        let words = [
            (StepStands::Done, "done"),
            (StepStands::Begun, "begun"),
            (StepStands::Failed, "failed"),
            (StepStands::Planned, "to do"),
        ];
        words.into_iter().filter_map(|(stands, word)| of(stands, word)).collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
pub(crate) mod tests;
