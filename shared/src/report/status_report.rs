//! The status of an upgrade: locks, suspended HelmReleases, releases and past runs.
//!
//! Owns the next step that the operator sees. `run/upgrade_status.rs` reads the cluster. Input: locks, journal, records. Output: text, or
//! a value for JSON.

mod suspended_release;

use serde::Serialize;

use super::backup_report::format_bytes;
use super::columns::render_columns;
use super::style::{Mark, Style, sanitize};
use crate::model::cluster_view::{Observed, ReadFailure};
use crate::model::flux::SuspendedHelmRelease;
use crate::model::lease::{HeldLock, Liveness};
use crate::model::pending_release::{find_creating_run, find_interrupted_run};
use crate::model::release::ReleaseRecord;
use crate::model::release_status::ReleaseStatus;
use crate::model::text_format::format_count;
use crate::plan::API_VERSION;
use crate::plan::journal::{JournalSnapshot, RunEntry, RunState, StepPhase, Task, UnreadableRun};

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
    /// The kubeconfig context.
    pub context: String,
    /// The installation's namespace.
    pub namespace: String,
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
    /// When helm wrote it, by helm's clock.
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
            deployed_at: record.last_deployed.clone(),
        }
    }
}

impl UpgradeStatus {
    /// Builds the status from the locks, the suspended HelmReleases, the journal and the records of both releases, the CRD chart's first.
    #[must_use]
    pub fn new(
        context: &str,
        namespace: &str,
        locks: Observed<Vec<HeldLock>>,
        suspended: Observed<Vec<SuspendedHelmRelease>>,
        journal: Observed<JournalSnapshot>,
        records: [Observed<Vec<ReleaseRecord>>; 2],
    ) -> Self {
        let mut read_failures: Vec<ReadFailure> = locks.as_ref().err().into_iter().cloned().collect();
        read_failures.extend(suspended.as_ref().err().cloned());
        read_failures.extend(journal.as_ref().err().cloned());
        let mut journal = journal.unwrap_or_default();
        read_failures.extend(records.iter().filter_map(|records| records.as_ref().err().cloned()));
        let locks = locks.unwrap_or_default();
        let suspended_releases = suspended_release::list_suspended_releases(suspended.unwrap_or_default(), &locks);
        let records_read: Vec<Vec<ReleaseRecord>> = records.into_iter().flatten().collect();
        Self {
            api_version: API_VERSION,
            kind: "UpgradeStatus",
            context: context.to_owned(),
            namespace: namespace.to_owned(),
            next_step: suggest_next_step(&locks, &journal, &records_read, namespace)
                .or_else(|| suspended_releases.iter().find_map(SuspendedHelmReleaseStatus::suggest_next_step)),
            suspended_releases,
            releases: records_read.iter().filter_map(|records| records.last()).map(RevisionRow::from_record).collect(),
            runs: group_by_run(&records_read),
            journal: {
                journal.runs.reverse();
                journal.runs
            },
            unreadable_runs: journal.unreadable_runs,
            locks,
            read_failures,
        }
    }
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
            return Some(format!(
                "run {} is not complete: kubectl mural upgrade resume continues it (same value flags), kubectl mural upgrade rollback shows what a rollback restores",
                run.run
            ));
        }
        Some(run) if run.task == Task::Rollback => {
            return Some(format!("rollback {} is not complete: kubectl mural upgrade rollback continues it", run.run));
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

/// Renders the text output.
#[must_use]
pub fn render(status: &UpgradeStatus, style: Style) -> String {
    let UpgradeStatus {
        api_version: _,
        kind: _,
        context,
        namespace,
        locks,
        suspended_releases,
        releases,
        journal,
        unreadable_runs,
        runs,
        read_failures,
        next_step,
    } = status;
    let mut out = format_line("hub", &format!("{context} · namespace {namespace}"));
    if locks.is_empty() {
        out.push_str(&format_line("lock", "free: no upgrade is running"));
    }
    for HeldLock { lease, holder, liveness } in locks {
        out.push_str(&format_line("lock", &format!("{lease} · {}", describe_liveness(*liveness))));
        out.push_str(&format_line("", &holder.to_string()));
    }
    for (label, rest) in suspended_releases.iter().flat_map(SuspendedHelmReleaseStatus::format_lines) {
        out.push_str(&format_line(label, &rest));
    }
    let unknown = style.mark(Mark::Unknown);
    for UnreadableRun { run, reason, .. } in unreadable_runs {
        out.push_str(&format_line(&unknown, &format!("run {run} in the journal cannot be read: {reason}")));
    }
    for failure in read_failures {
        out.push_str(&format_line(&unknown, &failure.to_string()));
    }
    out.push_str(&render_newest_run(journal.first(), locks, style));
    out.push_str(&render_tables(releases, journal, runs));
    if let Some(next) = next_step {
        out.push_str(&format!("\n{}", format_line("next", next)));
    }
    out
}

fn format_line(label: &str, rest: &str) -> String {
    format!("{}\n", format!("{label:<12}{}", sanitize(rest)).trim_end())
}

const fn describe_liveness(life: Liveness) -> &'static str {
    match life {
        Liveness::Alive => "running now",
        Liveness::Undetermined => "not renewed during this command: the run may have ended",
        Liveness::Dead => "the run has ended without releasing the lock",
    }
}

/// One line per step.
fn render_steps(run: &RunEntry, style: Style) -> String {
    let mut out = String::new();
    for step in &run.steps {
        let (mark, word) = match step.phase {
            StepPhase::Done => (style.mark(Mark::Pass), ""),
            StepPhase::Failed => (style.mark(Mark::Fail), ""),
            StepPhase::Running => (style.mark(Mark::Warn), "started: "),
            StepPhase::Pending => (style.mark(Mark::Skip), "pending: "),
        };
        let text = if step.detail.is_empty() { &step.title } else { &step.detail };
        let first_line = sanitize(text.lines().next().unwrap_or_default());
        out.push_str(&format!("          {mark} {:<12}{word}{first_line}\n", step.id));
    }
    out
}

/// The newest run, step by step.
fn render_newest_run(newest: Option<&RunEntry>, locks: &[HeldLock], style: Style) -> String {
    let Some(run) = newest else { return String::new() };
    let is_alive = |lock: &HeldLock| lock.liveness != Liveness::Dead && lock.holder.run == run.run;
    let state = match run.state {
        RunState::Open if locks.iter().any(is_alive) => "running",
        RunState::Open => "interrupted",
        other => other.as_str(),
    };
    let task = match run.task {
        Task::Upgrade => "upgrade",
        Task::Rollback => "rollback",
        Task::Repair => "repair",
        Task::ApplyCrds => "apply of CRDs",
    };
    let mut out = format!(
        "\nrun         {} · {task} · {state} · {} ({})\n",
        sanitize(&run.run),
        sanitize(&run.user),
        sanitize(&run.process)
    );
    if let Some(from) = run.earlier_runs.last() {
        let word = if run.task == Task::Rollback { "rolls back" } else { "continues" };
        out.push_str(&format!("{:<12}{word} {}\n", "", sanitize(from)));
    }
    out.push_str(&render_steps(run, style));
    if let Some(backup) = &run.backup {
        let count = |number: u64, one: &str| format_count(usize::try_from(number).unwrap_or(usize::MAX), one);
        let (crds, objects) = (count(backup.crd_count, "CRD"), count(backup.object_count, "object"));
        let size = format_bytes(backup.size_bytes);
        out.push_str(&format!(
            "{:<12}backup: {crds}, {objects}, {size} on {} in {}\n",
            "",
            sanitize(&backup.host),
            sanitize(&backup.folder)
        ));
    }
    out
}

/// The releases as they are, then the runs.
fn render_tables(releases: &[RevisionRow], journal: &[RunEntry], runs: &[RunRevisions]) -> String {
    let row = |one: &RevisionRow| {
        let cells =
            [&one.release, &one.chart_version, &one.revision.to_string(), &one.status.to_string(), &one.deployed_at];
        cells.map(|cell| sanitize(cell)).to_vec()
    };
    let run_rows = |past: &RunRevisions| -> Vec<Vec<String>> {
        past.revisions.iter().map(|one| [vec![sanitize(&past.run)], row(one)].concat()).collect()
    };
    let heading = ["RUN", "RELEASE", "CHART", "REVISION", "STATUS", "DEPLOYED"];
    let releases: Vec<Vec<String>> = releases.iter().map(row).collect();
    let runs: Vec<Vec<String>> = runs.iter().flat_map(run_rows).collect();
    let journal_row = |run: &RunEntry| {
        let by = run.superseded_by.as_ref().map_or_else(String::new, |by| format!(" by {by}"));
        let state = format!("{}{by}", run.state.as_str());
        let cells = [
            &run.run,
            &state,
            &run.user,
            &run.started_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            &run.summarize_steps(),
        ];
        cells.map(|cell| sanitize(cell)).to_vec()
    };
    let journal: Vec<Vec<String>> = journal.iter().map(journal_row).collect();
    let journal_heading = ["RUN", "STATE", "USER", "STARTED", "STEPS"];
    let tables = [(&heading[1..], releases), (&journal_heading[..], journal), (&heading[..], runs)];
    let filled = tables.into_iter().filter(|(_, rows)| !rows.is_empty());
    filled.map(|(heading, rows)| format!("\n{}", render_columns(heading, &rows))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::metadata_keys::RUN_LABEL;
    use crate::model::release_role::ReleaseRole;
    use crate::plan::StepId;

    fn record(name: &str, revision: u64, status: &str, run: &str) -> ReleaseRecord {
        let label = (!run.is_empty()).then(|| (RUN_LABEL.to_owned(), run.to_owned()));
        let labels = label.into_iter().collect();
        ReleaseRecord { revision, status: status.into(), labels, ..ReleaseRecord::sample(name, "1.0.0") }
    }

    fn status(app: Vec<ReleaseRecord>) -> UpgradeStatus {
        UpgradeStatus::new(
            "hub",
            "mural-system",
            Ok(Vec::new()),
            Ok(Vec::new()),
            Ok(JournalSnapshot::default()),
            [Ok(vec![record("mural-crds", 1, "deployed", "r1")]), Ok(app)],
        )
    }

    #[test]
    fn the_newest_run_is_listed_by_step_with_the_next_command() {
        let mut run = crate::plan::journal::tests::entry();
        run.begin_step(StepId::Crds, jiff::Timestamp::UNIX_EPOCH);
        run.end_step(StepId::Crds, StepPhase::Done, "2 applied", jiff::Timestamp::UNIX_EPOCH);
        run.begin_step(StepId::Release(ReleaseRole::App), jiff::Timestamp::UNIX_EPOCH);
        let journal = JournalSnapshot { runs: vec![run], unreadable_runs: Vec::new() };
        let (nobody, nothing) = (Ok(Vec::new()), Ok(Vec::new()));
        let status = UpgradeStatus::new("hub", "m", nobody, nothing, Ok(journal), [Ok(Vec::new()), Ok(Vec::new())]);
        let text = render(&status, Style::PLAIN);
        for word in [
            "interrupted",
            "✔ crds        2 applied",
            "▲ mural       started",
            "– validate    pending",
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
