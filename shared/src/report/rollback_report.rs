//! The statement before a rollback, and what a repair found: for somebody who is tired.

use std::fmt::Write as _;

use super::plan::{write_guards, write_steps};
use super::style::{Mark, Style, sanitize};
use crate::plan::Plan;
use crate::plan::repair::Issue;
use crate::plan::rollback_plan::{CrdRollback, ObjectRollback, ReleaseRollback, RollbackDecision, RollbackPlan};

/// Lines of one sort that are shown; `-o json` has all.
const MAX_LISTED_CRDS: usize = 12;
const LABEL_WIDTH: usize = 14;

/// Renders the statement, the guards and the steps.
#[must_use]
pub fn render(rollback: &RollbackPlan, plan: &Plan, style: Style) -> String {
    let mut out = String::new();
    let hub = &plan.cluster;
    write_line(&mut out, "hub", &format!("{} · {} · namespace {}", hub.context, hub.version, hub.namespace));
    let began = rollback.started_at.strftime("%Y-%m-%dT%H:%M:%SZ");
    let state = rollback.state.as_str();
    write_line(
        &mut out,
        "going back",
        &format!("to what was there before run {} ({state}), by {}, {began}", rollback.run, rollback.user),
    );
    write_step_summary(&mut out, rollback, style);
    write_section(&mut out, rollback, RollbackDecision::RollBack, &style.mark(Mark::Pass), "goes back");
    write_section(&mut out, rollback, RollbackDecision::Leave, &style.mark(Mark::Warn), "stays");
    let unchanged = rollback.crds.iter().filter(|crd| crd.decision == RollbackDecision::Unchanged).count();
    let releases = rollback.releases.iter().filter(|release| release.decision == RollbackDecision::Unchanged);
    let names: Vec<&str> = releases.map(|release| release.release.as_str()).collect();
    let release_names = if names.is_empty() { String::new() } else { format!("{}, ", names.join(", ")) };
    let _ = writeln!(out);
    write_line(&mut out, "as before", &format!("{release_names}{unchanged} of the CRDs: not written"));
    match rollback.objects {
        ObjectRollback::Leave => write_line(
            &mut out,
            "objects",
            "custom resources stay as they are now; --overwrite puts the saved ones in their place",
        ),
        ObjectRollback::Overwrite => write_line(
            &mut out,
            "objects",
            "the saved ones are put in place of those that are there: what was written since is lost",
        ),
    }
    write_guards(&mut out, &plan.guards, style);
    write_steps(&mut out, plan, style);
    out
}

fn write_line(out: &mut String, first: &str, rest: &str) {
    let _ = writeln!(out, "{}", format!("{first:<LABEL_WIDTH$}{}", sanitize(rest)).trim_end());
}

/// The run's own steps: what a person has seen, and what becomes of each.
fn write_step_summary(out: &mut String, rollback: &RollbackPlan, style: Style) {
    if rollback.steps.is_empty() {
        return;
    }
    let _ = writeln!(out, "\nwhat the run did, and what becomes of it");
    for step in &rollback.steps {
        let mark = style.mark(match step.decision {
            RollbackDecision::RollBack => Mark::Pass,
            RollbackDecision::Leave => Mark::Warn,
            RollbackDecision::Unchanged => Mark::Skip,
        });
        let _ = writeln!(out, "  {mark} {:<12}{}", step.step, sanitize(&step.summary));
    }
}

fn write_section(out: &mut String, rollback: &RollbackPlan, decision: RollbackDecision, mark: &str, heading: &str) {
    let releases = rollback.releases.iter().filter(|release| release.decision == decision);
    let crds: Vec<&CrdRollback> = rollback.crds.iter().filter(|crd| crd.decision == decision).collect();
    let lines: Vec<(String, String, &[String])> = releases
        .map(|one| (format!("release {}", one.release), describe_release(one), &[][..]))
        .chain(
            crds.iter()
                .take(MAX_LISTED_CRDS)
                .map(|crd| (format!("CRD {}", crd.name), crd.reason.clone(), crd.losses.as_slice())),
        )
        .collect();
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{heading}");
    for (subject, text, losses) in lines {
        let colon = if text.is_empty() { "" } else { ": " };
        let _ = writeln!(out, "  {mark} {}{colon}{}", sanitize(&subject), sanitize(&text));
        for loss in losses.iter().take(4) {
            let _ = writeln!(out, "      costs: {}", sanitize(loss));
        }
    }
    if crds.len() > MAX_LISTED_CRDS {
        let _ = writeln!(out, "  and {} CRDs more (-o json lists them)", crds.len() - MAX_LISTED_CRDS);
    }
}

fn describe_release(one: &ReleaseRollback) -> String {
    match (&one.to_revision, &one.to_version) {
        (Some(to), Some(version)) => format!("{} → as revision {to} was, {version}", one.current),
        _ if one.current.is_empty() => one.reason.clone(),
        _ => format!("{}; {}", one.current, one.reason),
    }
}

/// What a repair found, the guards and the steps.
#[must_use]
pub fn render_repair(issues: &[Issue], plan: &Plan, style: Style) -> String {
    let mut out = String::new();
    let hub = &plan.cluster;
    write_line(&mut out, "hub", &format!("{} · {} · namespace {}", hub.context, hub.version, hub.namespace));
    for issue in issues {
        let mark = style.mark(if issue.fixable { Mark::Warn } else { Mark::Fail });
        let _ = writeln!(out, "\n{mark} {}", style.bold(issue.id));
        let _ = writeln!(out, "    {}: {}", sanitize(&issue.subject), sanitize(&issue.message));
        let word = if issue.fixable { "will" } else { "do" };
        let _ = writeln!(out, "  {word:<6}{}", sanitize(&issue.fix));
    }
    write_guards(&mut out, &plan.guards, style);
    write_steps(&mut out, plan, style);
    out
}
