//! Renders what a rollback restores and what stays, and the issues that a repair fixes. Shown before the first write.

use std::fmt::Write as _;

use super::plan::{write_steps, write_unchanged_items};
use super::plan_guards::write_guards;
use super::style::{Mark, Style, sanitize};
use crate::model::cluster_view::ClusterInfo;
use crate::model::text_format::format_count;
use crate::plan::Plan;
use crate::plan::repair::Issue;
use crate::plan::rollback_plan::{
    CrdRollback, ObjectRollback, ReleaseRollback, RollbackDecision, RollbackPlan, StepRollback,
};

/// How many CRDs one section lists; `-o json` lists all.
const MAX_LISTED_CRDS: usize = 12;
/// How many losses are listed for one CRD.
const MAX_LISTED_LOSSES: usize = 4;
/// The width of the labels at the left edge.
const LABEL_WIDTH: usize = 14;

/// Renders a rollback plan, its guards and its steps.
#[must_use]
pub fn render(rollback: &RollbackPlan, plan: &Plan, style: Style) -> String {
    // The steps of the plan show the keep annotations.
    let RollbackPlan {
        run,
        runs: _,
        state,
        user,
        started_at,
        steps,
        releases,
        crds,
        objects,
        crds_to_annotate: _,
        crds_to_unannotate: _,
    } = rollback;
    let mut out = String::new();
    write_hub(&mut out, &plan.cluster);
    let (state, started) = (state.as_str(), started_at.strftime("%Y-%m-%dT%H:%M:%SZ"));
    let text = format!("to the state before run {run} ({state}), started by {user} at {started}");
    write_line(&mut out, "rollback", &text);
    write_step_summary(&mut out, steps, style);
    write_section(&mut out, rollback, RollbackDecision::RollBack, "~", "will be rolled back", style);
    write_section(&mut out, rollback, RollbackDecision::Leave, &style.mark(Mark::Warn), "will stay as it is", style);
    write_recreated_objects(&mut out, releases, style);
    write_unchanged(&mut out, releases, crds);
    let objects = match objects {
        ObjectRollback::Leave => "custom resources are not written; --overwrite replaces them with those of the backup",
        ObjectRollback::Overwrite => "the backup replaces the custom resources: changes since the backup are lost",
    };
    write_line(&mut out, "objects", objects);
    write_guards(&mut out, &plan.guards, style);
    write_steps(&mut out, &plan.steps, None, style);
    write_unchanged_items(&mut out, &plan.unchanged_items, style);
    style.finish_screen(out)
}

fn write_hub(out: &mut String, hub: &ClusterInfo) {
    write_line(out, "context", &hub.to_string());
}

/// Objects that the run removed: helm creates them from its manifest, and knows no later change and no data.
fn write_recreated_objects(out: &mut String, releases: &[ReleaseRollback], style: Style) {
    let recreated: Vec<_> = releases
        .iter()
        .filter(|release| release.decision == RollbackDecision::RollBack)
        .flat_map(|release| release.recreated.iter().map(move |object| (release, object)))
        .collect();
    if recreated.is_empty() {
        return;
    }
    let _ = writeln!(out, "\ncreated again by helm, as in the manifest of the revision");
    for (release, object) in recreated {
        let note = match object.kind.as_str() {
            "PersistentVolumeClaim" => ": an empty volume; its data is in no backup of this program",
            "Namespace" => ": empty; its objects are in no backup of this program",
            _ => "",
        };
        let line = format!("{object} of {}{note}", release.release);
        let _ = writeln!(out, "  {} {}", style.mark(Mark::Warn), sanitize(&line));
    }
    let _ = writeln!(
        out,
        "  changes that other clients made to them are only in the backup, folder removed: kubectl replace --filename FILE"
    );
}

/// Releases and CRDs that already have the state before the run.
fn write_unchanged(out: &mut String, releases: &[ReleaseRollback], crds: &[CrdRollback]) {
    let unchanged = crds.iter().filter(|crd| crd.decision == RollbackDecision::Unchanged).count();
    let releases = releases.iter().filter(|release| release.decision == RollbackDecision::Unchanged);
    let mut subjects: Vec<String> = releases.map(|release| release.release.clone()).collect();
    subjects.push(format_count(unchanged, "CRD"));
    let _ = writeln!(out);
    write_line(out, "unchanged", &format!("{}: will not be written", subjects.join(", ")));
}

fn write_line(out: &mut String, first: &str, rest: &str) {
    let _ = writeln!(out, "{}", format!("{first:<LABEL_WIDTH$}{}", sanitize(rest)).trim_end());
}

/// The steps of the run, and what the rollback does with each.
fn write_step_summary(out: &mut String, steps: &[StepRollback], style: Style) {
    if steps.is_empty() {
        return;
    }
    let _ = writeln!(out, "\nsteps of the run, and what the rollback does with each");
    for StepRollback { step, decision, summary } in steps {
        let mark = match decision {
            RollbackDecision::RollBack => "~".to_owned(),
            RollbackDecision::Leave => style.mark(Mark::Warn),
            RollbackDecision::Unchanged => style.mark(Mark::Skip),
        };
        let _ = writeln!(out, "  {mark} {step:<12}{}", sanitize(summary));
    }
}

/// The releases and CRDs with one decision. A CRD whose rollback has a loss gets the mark of a warning.
fn write_section(
    out: &mut String,
    rollback: &RollbackPlan,
    decision: RollbackDecision,
    mark: &str,
    heading: &str,
    style: Style,
) {
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
        let mark = if losses.is_empty() { mark.to_owned() } else { style.mark(Mark::Warn) };
        let _ = writeln!(out, "  {mark} {}{colon}{}", sanitize(&subject), sanitize(&text));
        for loss in losses.iter().take(MAX_LISTED_LOSSES) {
            let _ = writeln!(out, "      {}", sanitize(loss));
        }
    }
    if crds.len() > MAX_LISTED_CRDS {
        let _ = writeln!(out, "  and {} (-o json lists them)", format_count(crds.len() - MAX_LISTED_CRDS, "more CRD"));
    }
}

fn describe_release(one: &ReleaseRollback) -> String {
    match (&one.to_revision, &one.to_version) {
        (Some(to), Some(version)) => {
            format!("{}; to the content of revision {to} ({version}), as a new revision", one.current)
        }
        _ if one.current.is_empty() => one.reason.clone(),
        _ => format!("{}; {}", one.current, one.reason),
    }
}

/// Renders the issues that a repair has found, its guards and its steps.
#[must_use]
pub fn render_repair(issues: &[Issue], plan: &Plan, style: Style) -> String {
    let mut out = String::new();
    write_hub(&mut out, &plan.cluster);
    let to_fix = issues.iter().filter(|issue| issue.fixable).count();
    if !issues.is_empty() {
        write_line(&mut out, "issues", &format!("{to_fix} to fix, {} for you", issues.len() - to_fix));
    }
    for Issue { id, subject, message, fix, fixable } in issues {
        let (mark, label) = if *fixable { ("~".to_owned(), "fix") } else { (style.mark(Mark::Warn), "manual") };
        let _ = writeln!(out, "\n{mark} {}", style.bold(id));
        let _ = writeln!(out, "    {}: {}", sanitize(subject), sanitize(message));
        let _ = writeln!(out, "    {label}: {}", sanitize(fix));
    }
    write_guards(&mut out, &plan.guards, style);
    write_steps(&mut out, &plan.steps, None, style);
    write_unchanged_items(&mut out, &plan.unchanged_items, style);
    out
}
