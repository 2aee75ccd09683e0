//! Where an upgrade stands: who is at it, what the releases are, which runs there were.

mod held;

use serde::Serialize;

use super::columns::columns;
use super::keep::bytes;
use super::style::{Mark, Style, harmless};
use crate::model::flux::Held;
use crate::model::lease::{Life, LockSeen};
use crate::model::pending::{cut_off_run, made_by};
use crate::model::release::ReleaseRecord;
use crate::model::view::{Looked, NotSeen};
use crate::plan::API_VERSION;
use crate::plan::journal::{JournalSeen, RunEntry, State, StepStands, Task, Unread};

pub use held::HeldNow;

/// Runs that are told.
const RUNS: usize = 10;

/// The answer of `upgrade status`.
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
    /// Who is upgrading, or was and left a lock behind.
    pub locks: Vec<LockSeen>,
    /// HelmReleases that a run of ours has suspended until their CRDs are served.
    pub held: Vec<HeldNow>,
    /// The releases' newest revisions.
    pub releases: Vec<Revision>,
    /// The last runs of ours, newest first, as the journal has them.
    pub journal: Vec<RunEntry>,
    /// Runs in the journal that this version cannot read.
    pub unread: Vec<Unread>,
    /// The last runs of ours, newest first, by what they wrote.
    pub runs: Vec<Past>,
    /// What could not be read.
    pub not_seen: Vec<NotSeen>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One revision of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    /// The release.
    pub release: String,
    /// Its number.
    pub revision: u64,
    /// `deployed`, `failed`, `pending-upgrade` …
    pub status: String,
    /// The chart's version.
    pub chart_version: String,
    /// When helm wrote it, by helm's clock.
    pub deployed: String,
}

/// One run of ours and the revisions that it made.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Past {
    /// The run's id.
    pub run: String,
    /// What it wrote.
    pub revisions: Vec<Revision>,
}

impl Revision {
    fn of(record: &ReleaseRecord) -> Self {
        Self {
            release: record.name.clone(),
            revision: record.revision,
            status: record.status.clone(),
            chart_version: record.chart_version.clone(),
            deployed: record.last_deployed.clone(),
        }
    }
}

impl UpgradeStatus {
    /// From the locks, what is held through Flux, and the records of both releases, the CRD chart's first.
    #[must_use]
    pub fn new(
        context: &str,
        namespace: &str,
        locks: Looked<Vec<LockSeen>>,
        held: Looked<Vec<Held>>,
        journal: Looked<JournalSeen>,
        records: [Looked<Vec<ReleaseRecord>>; 2],
    ) -> Self {
        let mut not_seen: Vec<NotSeen> = locks.as_ref().err().into_iter().cloned().collect();
        not_seen.extend(held.as_ref().err().cloned());
        not_seen.extend(journal.as_ref().err().cloned());
        let mut journal = journal.unwrap_or_default();
        not_seen.extend(records.iter().filter_map(|records| records.as_ref().err().cloned()));
        let locks = locks.unwrap_or_default();
        let held = held::now(held.unwrap_or_default(), &locks);
        let known: Vec<Vec<ReleaseRecord>> = records.into_iter().flatten().collect();
        Self {
            api_version: API_VERSION,
            kind: "UpgradeStatus",
            context: context.to_owned(),
            namespace: namespace.to_owned(),
            next: next(&locks, &journal, &known, namespace).or_else(|| held.iter().find_map(HeldNow::next)),
            held,
            releases: known.iter().filter_map(|records| records.last()).map(Revision::of).collect(),
            runs: runs(&known),
            journal: {
                journal.runs.reverse();
                journal.runs
            },
            unread: journal.unread,
            locks,
            not_seen,
        }
    }
}

/// Which runs made which revisions: only where the label was not handed on by helm.
fn runs(known: &[Vec<ReleaseRecord>]) -> Vec<Past> {
    let mut found: Vec<Past> = Vec::new();
    for records in known {
        for at in 0..records.len() {
            let Some(run) = made_by(&records[..=at]) else { continue };
            let revision = Revision::of(&records[at]);
            match found.iter_mut().find(|past| past.run == run) {
                Some(past) => past.revisions.push(revision),
                None => found.push(Past { run: run.to_owned(), revisions: vec![revision] }),
            }
        }
    }
    // A run's id begins with its time.
    found.sort_by(|a, b| b.run.cmp(&a.run));
    found.truncate(RUNS);
    found
}

fn next(locks: &[LockSeen], journal: &JournalSeen, known: &[Vec<ReleaseRecord>], namespace: &str) -> Option<String> {
    if locks.iter().any(|lock| lock.life == Life::Alive) {
        return Some("it goes on by itself; a second run waits for it with --wait-for-lock 20m".to_owned());
    }
    if let Some(unread) = journal.unread.first() {
        let how =
            if unread.newer { "use the version that wrote it" } else { "kubectl mural upgrade repair sets it aside" };
        return Some(format!("run {} in the journal cannot be read: {how}", unread.run));
    }
    match journal.unfinished() {
        Some(run) if run.task == Task::Upgrade && run.wrote() => {
            return Some(format!(
                "run {} is not done: kubectl mural upgrade resume goes on (same value flags), kubectl mural upgrade rollback says what can go back",
                run.run
            ));
        }
        Some(run) if run.task == Task::Rollback => {
            return Some(format!("run {} was going back: kubectl mural upgrade rollback goes on with it", run.run));
        }
        _ => {}
    }
    let pending = known.iter().find(|records| records.last().is_some_and(|last| last.status.starts_with("pending-")));
    match pending.map(|records| (cut_off_run(records), records.last())) {
        Some((Some(run), _)) => {
            Some(format!("run {run} was cut off: run the same upgrade again, it goes on from there"))
        }
        Some((None, Some(last))) => Some(format!(
            "somebody else's helm was cut off at revision {}: helm rollback {} --namespace {namespace}",
            last.revision, last.name
        )),
        _ if !locks.is_empty() => {
            Some("the lock was left behind: run the same upgrade again, it takes the lock over".to_owned())
        }
        _ => None,
    }
}

/// For a person.
#[must_use]
pub fn render(status: &UpgradeStatus, style: Style) -> String {
    let mut out = String::new();
    let mut line = |first: &str, rest: &str| out.push_str(&format!("{first:<12}{}\n", harmless(rest)));
    line("hub", &format!("{} · namespace {}", status.context, status.namespace));
    if status.locks.is_empty() {
        line("lock", "nobody is upgrading");
    }
    for lock in &status.locks {
        line("lock", &format!("{} · {}", lock.place, life(lock.life)));
        line("", &lock.holder.to_string());
    }
    for (first, rest) in status.held.iter().flat_map(HeldNow::lines) {
        line(first, &rest);
    }
    for unread in &status.unread {
        line(
            &style.mark(Mark::Unknown),
            &format!("run {} in the journal cannot be read: {}", unread.run, unread.reason),
        );
    }
    for not_seen in &status.not_seen {
        line(&style.mark(Mark::Unknown), &not_seen.to_string());
    }
    out.push_str(&newest(status, style));
    out.push_str(&tables(status));
    if let Some(next) = &status.next {
        out.push_str(&format!("\n{:<12}{}\n", "next", harmless(next)));
    }
    out
}

const fn life(life: Life) -> &'static str {
    match life {
        Life::Alive => "upgrading now",
        Life::Unsure => "not renewed while we looked: it may be gone",
        Life::Dead => "gone, the lock is left behind",
    }
}

/// One line a step.
fn steps(run: &RunEntry, style: Style) -> String {
    let mut out = String::new();
    for step in &run.steps {
        let (mark, word) = match step.stands {
            StepStands::Done => (style.mark(Mark::Pass), ""),
            StepStands::Failed => (style.mark(Mark::Fail), ""),
            StepStands::Begun => (style.mark(Mark::Warn), "begun: "),
            StepStands::Planned => (style.mark(Mark::Skip), "to do: "),
        };
        let told = if step.detail.is_empty() { &step.title } else { &step.detail };
        let told = harmless(told.lines().next().unwrap_or_default());
        out.push_str(&format!("          {mark} {:<12}{word}{told}\n", step.id));
    }
    out
}

/// The newest run, step by step.
fn newest(status: &UpgradeStatus, style: Style) -> String {
    let Some(run) = status.journal.first() else { return String::new() };
    let living = |lock: &LockSeen| lock.life != Life::Dead && lock.holder.run == run.run;
    let stands = match run.state {
        State::Open if status.locks.iter().any(living) => "under way",
        State::Open => "cut off",
        other => other.told(),
    };
    let task = match run.task {
        Task::Upgrade => "upgrade",
        Task::Rollback => "rollback",
        Task::Repair => "repair",
    };
    let mut out = format!(
        "\nrun         {} · {task} · {stands} · {} ({})\n",
        harmless(&run.run),
        harmless(&run.who),
        harmless(&run.r#where)
    );
    if let Some(from) = run.chain.last() {
        let word = if run.task == Task::Rollback { "undoes" } else { "goes on from" };
        out.push_str(&format!("{:<12}{word} {}\n", "", harmless(from)));
    }
    out.push_str(&steps(run, style));
    if let Some(saved) = &run.saved {
        let (crds, objects, size) = (saved.crds, saved.objects, bytes(saved.bytes));
        out.push_str(&format!(
            "{:<12}saved: {crds} CRDs, {objects} objects, {size} on {} in {}\n",
            "",
            harmless(&saved.host),
            harmless(&saved.folder)
        ));
    }
    out
}

/// The releases as they are, then the runs.
fn tables(status: &UpgradeStatus) -> String {
    let row = |one: &Revision| {
        let cells = [&one.release, &one.chart_version, &one.revision.to_string(), &one.status, &one.deployed];
        cells.map(|cell| harmless(cell)).to_vec()
    };
    let of_run = |past: &Past| -> Vec<Vec<String>> {
        past.revisions.iter().map(|one| [vec![harmless(&past.run)], row(one)].concat()).collect()
    };
    let heading = ["RUN", "RELEASE", "CHART", "REVISION", "STATUS", "DEPLOYED"];
    let releases: Vec<Vec<String>> = status.releases.iter().map(row).collect();
    let runs: Vec<Vec<String>> = status.runs.iter().flat_map(of_run).collect();
    let noted = |run: &RunEntry| {
        let by = run.by.as_ref().map_or_else(String::new, |by| format!(" by {by}"));
        let state = format!("{}{by}", run.state.told());
        let cells = [&run.run, &state, &run.who, &run.began.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), &run.line()];
        cells.map(|cell| harmless(cell)).to_vec()
    };
    let journal: Vec<Vec<String>> = status.journal.iter().map(noted).collect();
    let journal_heading = ["RUN", "STATE", "WHO", "BEGAN", "STEPS"];
    let tables = [(&heading[1..], releases), (&journal_heading[..], journal), (&heading[..], runs)];
    let filled = tables.into_iter().filter(|(_, rows)| !rows.is_empty());
    filled.map(|(heading, rows)| format!("\n{}", columns(heading, &rows))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::pending::RUN_LABEL;

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
            Ok(JournalSeen::default()),
            [Ok(vec![record("mural-crds", 1, "deployed", "r1")]), Ok(app)],
        )
    }

    #[test]
    fn the_newest_run_is_told_step_by_step_with_the_way_on() {
        let mut run = crate::plan::journal::tests::entry();
        run.begin("crds", jiff::Timestamp::UNIX_EPOCH);
        run.end_step("crds", StepStands::Done, "2 applied", jiff::Timestamp::UNIX_EPOCH);
        run.begin("mural", jiff::Timestamp::UNIX_EPOCH);
        let journal = JournalSeen { runs: vec![run], unread: Vec::new() };
        let (nobody, nothing) = (Ok(Vec::new()), Ok(Vec::new()));
        let told = UpgradeStatus::new("hub", "m", nobody, nothing, Ok(journal), [Ok(Vec::new()), Ok(Vec::new())]);
        let text = render(&told, Style::PLAIN);
        for word in
            ["cut off", "✔ crds        2 applied", "▲ mural       begun", "– validate    to do", "upgrade resume"]
        {
            assert!(text.contains(word), "{word}:\n{text}");
        }
    }

    #[test]
    fn runs_are_told_by_what_they_made_and_not_by_labels_that_helm_handed_on() {
        let app = vec![
            record("mural", 1, "superseded", ""),
            record("mural", 2, "superseded", "r1"),
            record("mural", 3, "deployed", "r1"),
        ];
        let told = status(app);
        assert_eq!(told.runs.len(), 1);
        let wrote: Vec<_> = told.runs[0].revisions.iter().map(|one| (one.release.as_str(), one.revision)).collect();
        assert_eq!(wrote, [("mural-crds", 1), ("mural", 2)]);
        assert_eq!((told.releases[1].revision, told.next.is_none()), (3, true));
        assert!(render(&told, Style::PLAIN).contains("nobody is upgrading"));
    }

    #[test]
    fn who_was_cut_off_is_told_the_way_on() {
        let ours = status(vec![record("mural", 1, "superseded", ""), record("mural", 2, "pending-upgrade", "r2")]);
        assert!(ours.next.unwrap().contains("run r2 was cut off"));
        let theirs = status(vec![record("mural", 1, "superseded", ""), record("mural", 2, "pending-upgrade", "")]);
        assert!(theirs.next.unwrap().contains("helm rollback mural --namespace mural-system"));
    }
}
