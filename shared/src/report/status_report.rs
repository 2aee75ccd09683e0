//! The status of an upgrade: locks, suspended HelmReleases, releases and past runs.
//!
//! Owns the next step that the operator sees. `run/upgrade_status.rs` reads the cluster. Input: locks, journal, records. Output: text, or
//! a value for JSON.

mod status_text;
mod suspended_release;

use jiff::Timestamp;
use serde::Serialize;

use crate::model::cluster_view::{Observed, ReadFailure};
use crate::model::flux::SuspendedHelmRelease;
use crate::model::lease::{HeldLock, Liveness};
use crate::model::pending_release::{find_creating_run, find_interrupted_run};
use crate::model::release::ReleaseRecord;
use crate::model::release_status::ReleaseStatus;
use crate::model::text_format::truncate_to_seconds;
use crate::plan::API_VERSION;
use crate::plan::journal::{JournalSnapshot, RunEntry, Task, UnreadableRun};

pub use status_text::render;
pub use suspended_release::SuspendedHelmReleaseStatus;

/// How many runs are listed with their revisions.
const MAX_LISTED_RUNS: usize = 10;

/// The report of `kubectl mural upgrade status`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UpgradeStatus {
    /// `mural/v1`
    pub api_version: &'static str,
    /// `UpgradeStatus`
    pub kind: &'static str,
    /// When it was read.
    pub read_at: Timestamp,
    /// The kubeconfig context.
    pub context: String,
    /// The installation's namespace.
    pub namespace: String,
    /// Whether a lock is held, as far as it can be known.
    pub lock_state: LockState,
    /// The locks: held, or left by a run that has ended.
    pub locks: Vec<HeldLock>,
    /// HelmReleases that a run of this plugin has suspended until their CRDs are served.
    pub suspended_releases: Vec<SuspendedHelmReleaseStatus>,
    /// The releases' newest revisions.
    pub releases: Vec<RevisionRow>,
    /// The last runs of this plugin from the journal, newest first.
    pub journal: Vec<RunEntry>,
    /// Runs in the journal that this version cannot read.
    pub unreadable_runs: Vec<UnreadableRun>,
    /// The last runs of this plugin by the revisions that they wrote, newest first.
    pub runs: Vec<RunRevisions>,
    /// Parts that could not be read, with the reason.
    pub read_failures: Vec<ReadFailure>,
    /// The next step of the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_step: Option<String>,
}

/// Whether the installation is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LockState {
    /// No run holds a lock.
    Free,
    /// A run holds a lock, or has left one.
    Held,
    /// The Leases cannot be read.
    Unknown,
    /// The namespace does not exist, so there is no installation.
    NoNamespace,
}

/// The namespace of the installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamespaceState {
    /// It exists, or the API server does not let this user read it.
    Present,
    /// It does not exist.
    Missing {
        /// Where helm has the releases: `mural in mural-system`; `None` if it could not be read.
        installed_elsewhere: Option<Vec<String>>,
    },
}

/// One revision of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RevisionRow {
    /// The release.
    pub release: String,
    /// Its number.
    pub revision: u64,
    /// Status of the revision.
    pub status: ReleaseStatus,
    /// The chart's version.
    pub chart_version: String,
    /// When helm wrote it, by helm's clock, in whole seconds; helm's own text if it is no time.
    pub deployed_at: String,
}

/// One run of this plugin and the revisions that it wrote.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunRevisions {
    /// The run's id.
    pub run: String,
    /// The revisions.
    pub revisions: Vec<RevisionRow>,
}

impl RevisionRow {
    fn from_record(record: &ReleaseRecord) -> Self {
        Self {
            release: record.name.clone(),
            revision: record.revision,
            status: record.status.clone(),
            chart_version: record.chart_version.clone(),
            deployed_at: match record.last_deployed.parse::<Timestamp>() {
                Ok(time) => truncate_to_seconds(time).to_string(),
                Err(_) => record.last_deployed.clone(),
            },
        }
    }
}

impl UpgradeStatus {
    /// Builds the status from the locks, the suspended HelmReleases, the journal and the records of both releases, the CRD chart's first.
    #[must_use]
    pub fn new(
        context: &str,
        (namespace, namespace_state): (&str, &NamespaceState),
        locks: Observed<Vec<HeldLock>>,
        suspended: Observed<Vec<SuspendedHelmRelease>>,
        journal: Observed<JournalSnapshot>,
        records: [Observed<Vec<ReleaseRecord>>; 2],
        now: Timestamp,
    ) -> Self {
        let mut read_failures: Vec<ReadFailure> = locks.as_ref().err().into_iter().cloned().collect();
        read_failures.extend(suspended.as_ref().err().cloned());
        read_failures.extend(journal.as_ref().err().cloned());
        let mut journal = journal.unwrap_or_default();
        read_failures.extend(records.iter().filter_map(|records| records.as_ref().err().cloned()));
        let lock_state = match (&locks, namespace_state) {
            (_, NamespaceState::Missing { .. }) => LockState::NoNamespace,
            (Err(_), NamespaceState::Present) => LockState::Unknown,
            (Ok(locks), NamespaceState::Present) if locks.is_empty() => LockState::Free,
            (Ok(_), NamespaceState::Present) => LockState::Held,
        };
        let locks = locks.unwrap_or_default();
        let suspended_releases = suspended_release::list_suspended_releases(suspended.unwrap_or_default(), &locks);
        let records_read: Vec<Vec<ReleaseRecord>> = records.into_iter().flatten().collect();
        Self {
            api_version: API_VERSION,
            kind: "UpgradeStatus",
            read_at: truncate_to_seconds(now),
            context: context.to_owned(),
            namespace: namespace.to_owned(),
            next_step: suggest_namespace(namespace_state)
                .or_else(|| suggest_next_step(&locks, &journal, &records_read, namespace))
                .or_else(|| suspended_releases.iter().find_map(SuspendedHelmReleaseStatus::suggest_next_step)),
            suspended_releases,
            releases: records_read.iter().filter_map(|records| records.last()).map(RevisionRow::from_record).collect(),
            runs: group_by_run(&records_read),
            journal: {
                journal.runs.reverse();
                journal.runs
            },
            unreadable_runs: journal.unreadable_runs,
            lock_state,
            locks,
            read_failures,
        }
    }

    /// Whether the status is complete. A namespace that does not exist has none.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        let has_namespace = !matches!(self.lock_state, LockState::NoNamespace);
        has_namespace && self.read_failures.is_empty() && self.unreadable_runs.is_empty()
    }
}

/// The next step if the namespace does not exist.
fn suggest_namespace(state: &NamespaceState) -> Option<String> {
    let NamespaceState::Missing { installed_elsewhere } = state else { return None };
    Some(match installed_elsewhere.as_deref() {
        None => "kubectl get namespaces lists the namespaces; use --namespace".to_owned(),
        Some([]) => "check --context: helm has the releases in no namespace of this cluster".to_owned(),
        Some(found) => format!("use --namespace: helm has {}", found.join(", ")),
    })
}

/// Groups revisions by run. A run label that helm copied from the revision before does not count.
fn group_by_run(records_read: &[Vec<ReleaseRecord>]) -> Vec<RunRevisions> {
    let mut runs: Vec<RunRevisions> = Vec::new();
    for records in records_read {
        for at in 0..records.len() {
            let Some(run) = find_creating_run(&records[..=at]) else { continue };
            let revision = RevisionRow::from_record(&records[at]);
            match runs.iter_mut().find(|past| past.run == run) {
                Some(run_revisions) => run_revisions.revisions.push(revision),
                None => runs.push(RunRevisions { run: run.to_owned(), revisions: vec![revision] }),
            }
        }
    }
    // A run's id begins with its time.
    runs.sort_by(|a, b| b.run.cmp(&a.run));
    runs.truncate(MAX_LISTED_RUNS);
    runs
}

fn suggest_next_step(
    locks: &[HeldLock],
    journal: &JournalSnapshot,
    records_read: &[Vec<ReleaseRecord>],
    namespace: &str,
) -> Option<String> {
    if locks.iter().any(|lock| lock.liveness == Liveness::Alive) {
        return Some("wait for the run; a second run waits for the lock with --wait-for-lock 20m".to_owned());
    }
    if let Some(unread) = journal.unreadable_runs.first() {
        let how = if unread.from_newer_version {
            "use the plugin version that wrote it"
        } else {
            "kubectl mural upgrade repair discards it"
        };
        return Some(format!("run {} in the journal cannot be read: {how}", unread.run));
    }
    match journal.unfinished_run() {
        Some(run) if run.task == Task::Upgrade && run.has_written() => {
            let resume = run.format_continue_command();
            return Some(format!(
                "{resume}   continues run {}\nkubectl mural upgrade rollback   shows what can be rolled back; it asks before it writes",
                run.run
            ));
        }
        Some(run) if run.task == Task::Rollback => {
            return Some(format!("{}   continues rollback {}", run.format_continue_command(), run.run));
        }
        _ => {}
    }
    let pending = records_read.iter().find(|records| records.last().is_some_and(|last| last.status.is_pending()));
    match pending.map(|records| (find_interrupted_run(records), records.last())) {
        Some((Some(run), _)) => Some(format!("run {run} was interrupted: run the same upgrade again to continue it")),
        Some((None, Some(last))) => Some(format!(
            "someone else's helm was interrupted at revision {}: helm rollback {} --namespace {namespace}",
            last.revision, last.name
        )),
        _ if !locks.is_empty() => {
            Some("run the same upgrade again: it takes over the lock of the run that has ended".to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::metadata_keys::RUN_LABEL;
    use crate::model::release_role::ReleaseRole;
    use crate::plan::StepId;
    use crate::plan::journal::StepPhase;
    use crate::report::style::Style;

    fn record(name: &str, revision: u64, status: &str, run: &str) -> ReleaseRecord {
        let label = (!run.is_empty()).then(|| (RUN_LABEL.to_owned(), run.to_owned()));
        let labels = label.into_iter().collect();
        ReleaseRecord { revision, status: status.into(), labels, ..ReleaseRecord::sample(name, "1.0.0") }
    }

    fn status(app: Vec<ReleaseRecord>) -> UpgradeStatus {
        UpgradeStatus::new(
            "hub",
            ("mural-system", &NamespaceState::Present),
            Ok(Vec::new()),
            Ok(Vec::new()),
            Ok(JournalSnapshot::default()),
            [Ok(vec![record("mural-crds", 1, "deployed", "r1")]), Ok(app)],
            Timestamp::UNIX_EPOCH,
        )
    }

    #[test]
    fn the_newest_run_is_listed_by_step_with_the_next_command() {
        let mut run = crate::plan::journal::tests::entry();
        run.begin_step(StepId::Crds, jiff::Timestamp::UNIX_EPOCH);
        run.end_step(StepId::Crds, StepPhase::Done, "2 applied", jiff::Timestamp::UNIX_EPOCH);
        run.begin_step(StepId::Release(ReleaseRole::App), jiff::Timestamp::UNIX_EPOCH);
        let journal = JournalSnapshot { runs: vec![run], unreadable_runs: Vec::new() };
        let (locks, suspended) = (Ok(Vec::new()), Ok(Vec::new()));
        let present = NamespaceState::Present;
        let status = UpgradeStatus::new(
            "hub",
            ("m", &present),
            locks,
            suspended,
            Ok(journal),
            [Ok(Vec::new()), Ok(Vec::new())],
            Timestamp::UNIX_EPOCH,
        );
        let text = render(&status, Style::PLAIN);
        for word in [
            "interrupted",
            "✔ crds        2 applied",
            "▲ mural       started",
            "– validate    not started",
            "upgrade resume",
        ] {
            assert!(text.contains(word), "{word}:\n{text}");
        }
    }

    #[test]
    fn a_run_label_that_helm_copied_does_not_count() {
        let app = vec![
            record("mural", 1, "superseded", ""),
            record("mural", 2, "superseded", "r1"),
            record("mural", 3, "deployed", "r1"),
        ];
        let status = status(app);
        assert_eq!(status.runs.len(), 1);
        let wrote: Vec<_> = status.runs[0].revisions.iter().map(|one| (one.release.as_str(), one.revision)).collect();
        assert_eq!(wrote, [("mural-crds", 1), ("mural", 2)]);
        assert_eq!((status.releases[1].revision, status.next_step.is_none()), (3, true));
        assert!(render(&status, Style::PLAIN).contains("free: no upgrade is running"));
    }

    #[test]
    fn an_interrupted_run_has_a_next_step() {
        let ours = status(vec![record("mural", 1, "superseded", ""), record("mural", 2, "pending-upgrade", "r2")]);
        assert!(ours.next_step.unwrap().contains("run r2 was interrupted"));
        let theirs = status(vec![record("mural", 1, "superseded", ""), record("mural", 2, "pending-upgrade", "")]);
        assert!(theirs.next_step.unwrap().contains("helm rollback mural --namespace mural-system"));
    }
}
