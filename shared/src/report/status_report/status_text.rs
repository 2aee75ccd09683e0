//! Renders the status of an upgrade as text.
//!
//! Owns the lines and the tables, no decision: the next step is a field of the status. Input: [`UpgradeStatus`]. Output: text whose parts
//! from the cluster are sanitized.

use jiff::Timestamp;

use super::suspended_release::SuspendedHelmReleaseStatus;
use super::{LockState, RevisionRow, RunRevisions, UpgradeStatus};
use crate::model::lease::{HeldLock, Liveness};
use crate::model::text_format::format_age;
use crate::plan::journal::{RunEntry, RunState, StepPhase, Task, UnreadableRun};
use crate::report::backup_report::format_bytes;
use crate::report::columns::render_columns;
use crate::report::style::{Mark, Style, sanitize};

/// Renders the text output.
#[must_use]
pub fn render(status: &UpgradeStatus, style: Style) -> String {
    let UpgradeStatus {
        api_version: _,
        kind: _,
        read_at,
        context,
        namespace,
        lock_state,
        locks,
        suspended_releases,
        releases,
        journal,
        unreadable_runs,
        runs,
        read_failures,
        next_step,
    } = status;
    let mut out = format_line("context", &format!("{context} · namespace {namespace}"));
    out.push_str(&render_locks(*lock_state, locks, namespace));
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
    out.push_str(&render_tables(releases, journal, runs, locks, *read_at));
    for (at, next) in next_step.iter().flat_map(|next| next.lines()).enumerate() {
        out.push_str(if at == 0 { "\n" } else { "" });
        out.push_str(&format_line(if at == 0 { "next" } else { "" }, next));
    }
    style.finish_screen(out)
}

/// Who holds a lock, or why that is not known.
fn render_locks(state: LockState, locks: &[HeldLock], namespace: &str) -> String {
    let held = locks.iter().map(|HeldLock { lease, holder, liveness }| {
        let state = format_line("lock", &format!("{lease} · {}", describe_liveness(*liveness)));
        state + &format_line("", &holder.to_string())
    });
    let text = match state {
        LockState::Free => "free: no upgrade is running".to_owned(),
        LockState::Unknown => "unknown: an upgrade may be running".to_owned(),
        LockState::NoNamespace => format!("none: the namespace {namespace} does not exist"),
        LockState::Held => return held.collect(),
    };
    format_line("lock", &text)
}

fn format_line(label: &str, rest: &str) -> String {
    format!("{}\n", format!("{label:<12}{}", sanitize(rest)).trim_end())
}

const fn describe_liveness(life: Liveness) -> &'static str {
    match life {
        Liveness::Alive => "running now",
        Liveness::Undetermined => "not renewed during this command: the run may have ended",
        Liveness::Dead => "the run has ended without releasing the lock; the next run takes it over",
    }
}

/// One line per step. The step that a live run is in has no mark of a warning.
fn render_steps(run: &RunEntry, locks: &[HeldLock], style: Style) -> String {
    let mut out = String::new();
    for step in &run.steps {
        let (mark, word) = match step.phase {
            StepPhase::Done => (style.mark(Mark::Pass), ""),
            StepPhase::Failed => (style.mark(Mark::Fail), ""),
            StepPhase::Running if is_alive(run, locks) => ("…".to_owned(), "running: "),
            StepPhase::Running => (style.mark(Mark::Warn), "started: "),
            StepPhase::Pending => (style.mark(Mark::Skip), "not started: "),
        };
        let mark = if style.ascii && mark == "…" { "...".to_owned() } else { mark };
        let text = if step.detail.is_empty() { &step.title } else { &step.detail };
        let first_line = sanitize(text.lines().next().unwrap_or_default());
        out.push_str(&format!("          {mark} {:<12}{word}{first_line}\n", step.id));
    }
    out
}

/// Whether the run still holds its lock.
fn is_alive(run: &RunEntry, locks: &[HeldLock]) -> bool {
    locks.iter().any(|lock| lock.liveness != Liveness::Dead && lock.holder.run == run.run)
}

/// `running`, `interrupted`, or the end of the run.
fn describe_state(run: &RunEntry, locks: &[HeldLock]) -> &'static str {
    match run.state {
        RunState::Open if is_alive(run, locks) => "running",
        RunState::Open => "interrupted",
        other => other.as_str(),
    }
}

/// The newest run, step by step.
fn render_newest_run(newest: Option<&RunEntry>, locks: &[HeldLock], style: Style) -> String {
    let Some(run) = newest else { return String::new() };
    let state = describe_state(run, locks);
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
    out.push_str(&render_steps(run, locks, style));
    if let Some(backup) = &run.backup {
        let (content, size) = (backup.summarize(), format_bytes(backup.size_bytes));
        out.push_str(&format!(
            "{:<12}backup: {content}, {size} on {} in {}{}\n",
            "",
            sanitize(&backup.host),
            sanitize(&backup.folder),
            if backup.copy.is_some() { "; a copy in the cluster" } else { "" }
        ));
    }
    out
}

/// The releases as they are, then the runs.
fn render_tables(
    releases: &[RevisionRow],
    journal: &[RunEntry],
    runs: &[RunRevisions],
    locks: &[HeldLock],
    now: Timestamp,
) -> String {
    let row = |one: &RevisionRow| {
        let age = one.deployed_at.parse().map_or_else(|_| one.deployed_at.clone(), |time| format_age(time, now));
        let cells = [&one.release, &one.chart_version, &one.revision.to_string(), &one.status.to_string(), &age];
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
        let state = format!("{}{by}", describe_state(run, locks));
        let cells = [&run.run, &state, &run.user, &format_age(run.started_at, now), &run.summarize_steps()];
        cells.map(|cell| sanitize(cell)).to_vec()
    };
    let journal: Vec<Vec<String>> = journal.iter().map(journal_row).collect();
    let journal_heading = ["RUN", "STATE", "USER", "STARTED", "STEPS"];
    let tables = [
        ("releases now", &heading[1..], releases),
        ("runs", &journal_heading[..], journal),
        ("revisions by run", &heading[..], runs),
    ];
    let filled = tables.into_iter().filter(|(_, _, rows)| !rows.is_empty());
    filled.map(|(title, heading, rows)| format!("\n{title}\n{}", render_columns(heading, &rows))).collect()
}
