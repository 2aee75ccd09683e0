//! Why a run is not resumed, rolled back or repaired.
//!
//! Owns the texts and the next steps. The other files of this folder find the reasons, before anything is written. A refusal has exit
//! code 5; a part of the cluster that cannot be read ends the command.

use std::fmt;
use std::path::PathBuf;

use crate::model::observed::ReadFailure;
use crate::model::task::Task;
use crate::plan::journal::{JournalSnapshot, RunEntry, RunState, SECRET_NAME, UnreadableRun};
use crate::plan::rollback_plan::ForeignRevision;
use crate::problem::{Cause, Exit, Explain};

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum RollbackError {
    /// A part of the cluster is unknown.
    #[error(transparent)]
    Unreadable(#[from] ReadFailure),
    /// helm's records are unknown, so no guard can compare with them.
    #[error(transparent)]
    RecordsUnreadable(ReadFailure),
    /// A run of the journal cannot be read.
    #[error("run {run} in the journal (Secret {namespace}/{SECRET_NAME}) cannot be read")]
    UnreadableRun {
        /// Its id.
        run: String,
        /// The installation's namespace.
        namespace: String,
        /// Whose fault it is.
        origin: UnreadableOrigin,
        /// What is wrong with it.
        #[source]
        reason: Cause,
    },
    /// No run is unfinished.
    #[error("there is nothing to resume: {0}")]
    NothingToResume(LastRun),
    /// The unfinished run has a command of its own.
    #[error("run {run} is {}, which resume does not continue", describe_task(*.task))]
    NotAnUpgrade {
        /// Its id.
        run: String,
        /// What it is for.
        task: Task,
    },
    /// The journal came with a restored namespace.
    #[error("run {run} in the journal was made on another cluster: the uid of kube-system differs")]
    AnotherCluster {
        /// Its id.
        run: String,
    },
    /// No run can be rolled back.
    #[error("there is nothing to roll back: {0}")]
    NothingToRollBack(LastRun),
    /// Another tool would revert a rollback by helm.
    #[error("release {release} is owned by {owner}, which would revert a rollback by helm")]
    Owned {
        /// The release.
        release: String,
        /// Its owner.
        owner: String,
        /// The commands that roll back through the owner, the application first.
        commands: Vec<String>,
    },
    /// Someone has upgraded since the run.
    #[error("{0}; the rollback would revert that too")]
    UpgradedSince(ForeignRevision),
    /// `--overwrite` without the CRDs of the backup.
    #[error("--overwrite cannot restore objects: {reason}")]
    NoBackup {
        /// Why this workstation has none.
        reason: String,
    },
    /// `--overwrite` of objects whose CRD stays as it is.
    #[error("--overwrite cannot restore objects of CRD {crd}, which is not rolled back: {reason}")]
    CrdStays {
        /// The CRD.
        crd: String,
        /// Why.
        reason: String,
    },
    /// The files of the backup are not those that the run wrote.
    #[error("the backup {} was modified: {change}", .folder.display())]
    ModifiedBackup {
        /// The folder.
        folder: PathBuf,
        /// What differs.
        change: String,
    },
    /// The files of the backup cannot be parsed.
    #[error("the backup cannot be read")]
    UnreadableBackup(#[source] Cause),
}

/// Why a run cannot be parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnreadableOrigin {
    /// A newer version of this program wrote it.
    NewerVersion,
    /// It is damaged.
    Damage,
}

/// The last run of a journal, for the answer that there is nothing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LastRun {
    /// The journal is empty.
    None,
    /// The newest run.
    Ended {
        /// Its id.
        run: String,
        /// How it ended.
        state: RunState,
    },
    /// The newest run that was rolled back.
    RolledBack {
        /// Its id.
        run: String,
        /// The run that rolled it back, if the journal still has it.
        by: Option<String>,
    },
}

impl LastRun {
    pub(super) fn of(journal: &JournalSnapshot) -> Self {
        journal.runs.last().map_or(Self::None, |last| Self::Ended { run: last.run.clone(), state: last.state })
    }

    pub(super) fn of_rollbacks(journal: &JournalSnapshot) -> Self {
        let rolled_back: Option<&RunEntry> = journal.runs.iter().rev().find(|run| run.state == RunState::RolledBack);
        rolled_back.map_or_else(
            || Self::of(journal),
            |run| Self::RolledBack { run: run.run.clone(), by: run.superseded_by.clone() },
        )
    }
}

impl fmt::Display for LastRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("the journal has no run"),
            Self::Ended { run, state } => write!(f, "the last run, {run}, is {}", state.as_str()),
            Self::RolledBack { run, by: Some(by) } => write!(f, "run {run} was already rolled back by run {by}"),
            Self::RolledBack { run, by: None } => write!(f, "run {run} was already rolled back"),
        }
    }
}

impl RollbackError {
    pub(super) fn unreadable_run(unreadable: &UnreadableRun, namespace: &str) -> Self {
        Self::UnreadableRun {
            run: unreadable.run.clone(),
            namespace: namespace.to_owned(),
            origin: match unreadable.from_newer_version {
                true => UnreadableOrigin::NewerVersion,
                false => UnreadableOrigin::Damage,
            },
            reason: Cause::new(&unreadable.reason),
        }
    }

    pub(super) fn unreadable_backup(reason: impl fmt::Display) -> Self {
        Self::UnreadableBackup(Cause::new(reason))
    }
}

impl Explain for RollbackError {
    fn exit(&self) -> Exit {
        match self {
            Self::Unreadable(_) => Exit::Failed,
            Self::RecordsUnreadable(_) => Exit::ChecksFailed,
            Self::NothingToResume(_) | Self::NothingToRollBack(_) => Exit::Usage,
            Self::UnreadableRun { .. }
            | Self::NotAnUpgrade { .. }
            | Self::AnotherCluster { .. }
            | Self::Owned { .. }
            | Self::UpgradedSince(_)
            | Self::NoBackup { .. }
            | Self::CrdStays { .. }
            | Self::ModifiedBackup { .. }
            | Self::UnreadableBackup(_) => Exit::Refused,
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Unreadable(_) | Self::RecordsUnreadable(_) | Self::NoBackup { .. } | Self::UnreadableBackup(_) => {
                return Vec::new();
            }
            Self::UnreadableRun { origin: UnreadableOrigin::NewerVersion, .. } => {
                "use the program version that wrote it, or a newer one"
            }
            Self::UnreadableRun { origin: UnreadableOrigin::Damage, .. } => {
                "run kubectl mural upgrade repair to discard it"
            }
            Self::NothingToResume(_) => "run kubectl mural upgrade status to see the state",
            Self::NotAnUpgrade { task, .. } => continue_hint(*task),
            Self::AnotherCluster { .. } => {
                "run kubectl delete secret mural-journal to remove it, for example if the namespace was restored from a backup"
            }
            Self::NothingToRollBack(_) => "run helm history mural to see helm's own revisions",
            Self::Owned { commands, .. } => return owner_hints(commands),
            Self::UpgradedSince(ForeignRevision { release, .. }) => {
                return vec![format!(
                    "run helm history {release}; to roll back by hand, run helm rollback {release} REVISION"
                )];
            }
            Self::CrdStays { .. } => "leave --overwrite out: then all objects stay as they are now",
            Self::ModifiedBackup { .. } => {
                "restore its files; or move it away to roll back the application alone, without CRDs"
            }
        };
        vec![hint.to_owned()]
    }
}

const fn describe_task(task: Task) -> &'static str {
    match task {
        Task::Upgrade => "an upgrade",
        Task::Rollback => "a rollback",
        Task::Repair => "a repair",
        Task::ApplyCrds => "an application of CRDs",
    }
}

const fn continue_hint(task: Task) -> &'static str {
    match task {
        Task::Upgrade => "run kubectl mural upgrade resume to continue it",
        Task::Rollback => "run kubectl mural upgrade rollback to continue it, or start a new upgrade",
        Task::Repair => "run kubectl mural upgrade repair to continue it, or start a new upgrade",
        Task::ApplyCrds => "run helm mural crds apply to continue it, or start a new upgrade",
    }
}

fn owner_hints(commands: &[String]) -> Vec<String> {
    match commands {
        [app, crds] => vec![
            format!("roll back through it, the application first: {app}"),
            format!("when that is done, roll back the CRD chart: {crds}"),
        ],
        [one] => vec![format!("roll back through it: {one}")],
        _ => vec!["its releases are at the versions from before; there is nothing to roll back".to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unfinished_run_has_the_command_that_continues_it() {
        let error = |task| RollbackError::NotAnUpgrade { run: "r1".into(), task };
        assert_eq!(error(Task::Repair).to_string(), "run r1 is a repair, which resume does not continue");
        assert!(error(Task::Repair).hints()[0].starts_with("run kubectl mural upgrade repair "));
        assert!(error(Task::Rollback).hints()[0].starts_with("run kubectl mural upgrade rollback "));
    }

    #[test]
    fn a_refusal_and_a_failed_read_have_their_own_exit_codes() {
        let failure = || ReadFailure { target: "secrets".into(), reason: "forbidden".into() };
        let exits = [
            RollbackError::Unreadable(failure()).exit(),
            RollbackError::RecordsUnreadable(failure()).exit(),
            RollbackError::NothingToRollBack(LastRun::None).exit(),
            RollbackError::unreadable_backup("x").exit(),
        ];
        assert_eq!(exits, [Exit::Failed, Exit::ChecksFailed, Exit::Usage, Exit::Refused]);
    }

    #[test]
    fn a_damaged_run_is_discarded_and_a_newer_one_needs_the_newer_program() {
        let hints = |from_newer_version| {
            let unreadable = UnreadableRun { run: "r1".into(), reason: "no JSON".into(), from_newer_version };
            RollbackError::unreadable_run(&unreadable, "hub").hints().join("; ")
        };
        assert_eq!(hints(false), "run kubectl mural upgrade repair to discard it");
        assert_eq!(hints(true), "use the program version that wrote it, or a newer one");
    }

    #[test]
    fn the_owner_rolls_back_the_application_first() {
        let hints = |commands: &[&str]| owner_hints(&commands.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>());
        assert_eq!(hints(&["a", "b"])[0], "roll back through it, the application first: a");
        assert_eq!(hints(&["b"]), ["roll back through it: b"]);
        assert!(hints(&[])[0].contains("there is nothing to roll back"));
    }

    #[test]
    fn the_answer_that_there_is_nothing_to_do_names_the_last_run() {
        let ended = LastRun::Ended { run: "r1".into(), state: RunState::Done };
        let by = |by: Option<&str>| LastRun::RolledBack { run: "r1".into(), by: by.map(str::to_owned) };
        let texts = [LastRun::None, ended, by(Some("r2")), by(None)].map(|last| last.to_string());
        assert_eq!(
            texts,
            [
                "the journal has no run",
                "the last run, r1, is done",
                "run r1 was already rolled back by run r2",
                "run r1 was already rolled back"
            ]
        );
    }
}
