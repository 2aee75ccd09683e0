//! The plan for a person: what is there, what shall be, what changes, what the guards say, what is done.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::style::{Mark, Style, clip_to, display_width, pad_to, sanitize};
use crate::checks::crd_changes::decision::CrdDecision;
use crate::model::check::{CheckResult, Level, Verdict};
use crate::model::lease::Liveness;
use crate::model::text_format::shell_quote;
use crate::plan::{ChartUpgrade, CrdPlan, ObjectChangeKind, Plan};

/// The width of the first column.
const LABEL_WIDTH: usize = 12;
/// CRDs and objects that are listed by name; the rest is counted (`-o json` has all).
const MAX_LISTED_NAMES: usize = 12;

/// Renders a plan.
#[must_use]
pub fn render(plan: &Plan, style: Style) -> String {
    let mut out = String::new();
    write_head(&mut out, plan, style);
    write_locks(&mut out, plan);
    write_crds(&mut out, plan, style);
    write_application(&mut out, plan, style);
    write_values(&mut out, plan);
    write_guards(&mut out, &plan.guards, style);
    write_steps(&mut out, plan, style);
    out
}

fn write_line(out: &mut String, first: &str, rest: &str) {
    let _ = writeln!(out, "{}", format!("{first:<LABEL_WIDTH$}{}", sanitize(rest)).trim_end());
}

fn write_head(out: &mut String, plan: &Plan, _style: Style) {
    let hub = &plan.cluster;
    let owner = plan.charts.last().map_or_else(String::new, |chart| format!(" · owner: {}", chart.owner));
    write_line(out, "hub", &format!("{} · {} · namespace {}{owner}", hub.context, hub.version, hub.namespace));
    let versions: Vec<String> = plan.charts.iter().map(format_version_change).collect();
    let longest = versions.iter().map(|way| display_width(way)).max().unwrap_or_default();
    for (chart, way) in plan.charts.iter().zip(&versions) {
        write_line(out, &chart.release, &format!("{}  {}", pad_to(way, longest), chart.digest.short()));
    }
}

/// Who holds a lock, and whether they may still be at work.
fn write_locks(out: &mut String, plan: &Plan) {
    for lock in plan.locks.iter().flatten() {
        let liveness = match lock.liveness {
            Liveness::Alive => "",
            Liveness::Undetermined => "; an upgrade would first see whether they live",
            Liveness::Dead => "; left behind, will be taken over",
        };
        write_line(out, "lock", &format!("held by {}{liveness}", lock.holder));
    }
}

fn format_version_change(chart: &ChartUpgrade) -> String {
    match &chart.from {
        Some(from) if is_same_version(from, chart) => format!("{}, stays", chart.to),
        Some(from) => format!("{from} → {}", chart.to),
        None => format!("no release → {}", chart.to),
    }
}

/// helm-controller puts the chart's digest behind the version, where it came from a registry: `0.7.4+f759e0fff3da`.
fn is_same_version(from: &str, chart: &ChartUpgrade) -> bool {
    let digest = chart.digest.sha256.trim_start_matches("sha256:");
    let is_target_with_digest =
        |(plain, behind): (&str, &str)| plain == chart.to && !behind.is_empty() && digest.starts_with(behind);
    from == chart.to || from.split_once('+').is_some_and(is_target_with_digest)
}

fn write_crds(out: &mut String, plan: &Plan, style: Style) {
    let in_charts = plan.crds.iter().filter(|crd| crd.decision != CrdDecision::RemovedFromChart).count();
    let _ = writeln!(out);
    write_line(out, "CRDs", &format!("{in_charts} in the chart{}", if plan.charts.len() > 1 { "s" } else { "" }));
    let order = [
        CrdDecision::Unchanged,
        CrdDecision::Text,
        CrdDecision::Safe,
        CrdDecision::New,
        CrdDecision::RemovedFromChart,
        CrdDecision::Risky,
        CrdDecision::Breaking,
        CrdDecision::Rejected,
    ];
    for decision in order {
        let group: Vec<&CrdPlan> = plan.crds.iter().filter(|crd| crd.decision == decision).collect();
        if !group.is_empty() {
            write_crd_group(out, decision, &group, style);
        }
    }
    write_forced_conflicts(out, plan, style);
}

/// What other managers have set and the apply changes, by manager: one that goes on applying its own will put it back.
fn write_forced_conflicts(out: &mut String, plan: &Plan, style: Style) {
    let mut by_manager: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for (manager, fields) in plan.crds.iter().flat_map(|crd| &crd.forced_conflicts) {
        let counted = by_manager.entry(manager).or_default();
        fields.iter().for_each(|field| *counted.entry(field).or_default() += 1);
    }
    for (manager, fields) in by_manager {
        let parts: Vec<String> = fields.iter().map(|(field, count)| format!("{field} of {count}")).collect();
        let text = format!("   !  taken over from {manager}: {}", parts.join(", "));
        let _ = writeln!(out, "{}", clip_to(&sanitize(&text), style.width));
    }
}

fn write_crd_group(out: &mut String, decision: CrdDecision, group: &[&CrdPlan], style: Style) {
    let names = match decision {
        CrdDecision::Unchanged => "not written".to_owned(),
        CrdDecision::RemovedFromChart => format!("left alone: {}", format_short_names(group)),
        CrdDecision::Text | CrdDecision::Safe | CrdDecision::New => format_short_names(group),
        CrdDecision::Risky | CrdDecision::Breaking | CrdDecision::Rejected => String::new(),
    };
    let text = format!("{:>4}  {:<10} {names}", group.len(), decision.as_str());
    let _ = writeln!(out, "{}", clip_to(sanitize(&text).trim_end(), style.width));
    if names.is_empty() {
        for crd in group {
            write_crd_notes(out, crd, style);
        }
    }
}

fn write_crd_notes(out: &mut String, crd: &CrdPlan, style: Style) {
    let _ = writeln!(out, "{:6}{}", "", style.bold(&sanitize(&crd.name)));
    for note in crd.notes.iter().take(4) {
        let _ = writeln!(out, "{:8}{}", "", clip_to(&sanitize(note), style.width.saturating_sub(8)));
    }
    if crd.notes.len() > 4 {
        let _ = writeln!(out, "{:8}and {} more", "", crd.notes.len() - 4);
    }
}

/// The plural names: what a person types.
fn format_short_names(group: &[&CrdPlan]) -> String {
    let names: Vec<&str> = group.iter().map(|crd| crd.name.split('.').next().unwrap_or(&crd.name)).collect();
    if names.len() <= MAX_LISTED_NAMES {
        names.join(", ")
    } else {
        format!("{}, … ({} in all)", names[..MAX_LISTED_NAMES].join(", "), names.len())
    }
}

fn write_application(out: &mut String, plan: &Plan, style: Style) {
    if plan.objects.is_empty() {
        return;
    }
    write_line(out, "application", "");
    for change in &plan.objects {
        let sign = match change.change {
            ObjectChangeKind::Create => "+",
            ObjectChangeKind::Update => "~",
            ObjectChangeKind::Delete => "-",
        };
        let object = format!("{} {}", change.object.kind, change.object.name);
        let first = change.details.first().map_or("", String::as_str);
        let text = format!("   {sign}  {object:<34} {first}");
        let _ = writeln!(out, "{}", clip_to(sanitize(&text).trim_end(), style.width));
        for detail in change.details.iter().skip(1) {
            let _ = writeln!(out, "{}", clip_to(sanitize(&format!("{:40} {detail}", "")).trim_end(), style.width));
        }
    }
}

fn write_values(out: &mut String, plan: &Plan) {
    if plan.values.is_empty() {
        return;
    }
    write_line(out, "values", &format!("{} changed", plan.values.len()));
    for change in &plan.values {
        let display = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
        write_line(out, "", &format!("  {} {} → {}", change.key, display(&change.old), display(&change.new)));
    }
}

/// The guards: counted where they pass, told where they do not.
pub fn write_guards(out: &mut String, guards: &[CheckResult], style: Style) {
    let passed = guards.iter().filter(|guard| guard.verdict == Verdict::Pass).count();
    let _ = writeln!(out);
    let rest = [
        (guards.iter().filter(|guard| guard.has_error()).count(), "refused"),
        (guards.iter().filter(|guard| !guard.has_error() && !guard.findings().is_empty()).count(), "warned"),
        (guards.iter().filter(|guard| guard.is_undetermined()).count(), "undetermined"),
    ];
    let parts: Vec<String> =
        rest.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!(", {count} {word}")).collect();
    write_line(out, "guards", &format!("{passed} passed{}", parts.concat()));
    for guard in guards {
        if let Verdict::Undetermined { reason } = &guard.verdict {
            let _ = writeln!(out, "   {}  {:<24} {}", style.mark(Mark::Unknown), guard.check, sanitize(reason));
        }
        for finding in guard.findings() {
            let mark = if finding.level == Level::Error { Mark::Fail } else { Mark::Warn };
            let text = format!("{}: {}", finding.subject, finding.message);
            let _ = writeln!(out, "   {}  {:<24} {}", style.mark(mark), guard.check, sanitize(&text));
            if !finding.hint.is_empty() {
                let _ = writeln!(out, "      {} {}", style.arrow(), sanitize(&finding.hint));
            }
        }
    }
}

/// The steps, each with its exact command.
pub fn write_steps(out: &mut String, plan: &Plan, style: Style) {
    if plan.steps.is_empty() {
        return;
    }
    let _ = writeln!(out);
    write_line(out, "steps", "");
    for (at, step) in plan.steps.iter().enumerate() {
        let _ = writeln!(out, "{}", format!("{:>4}  {}", at + 1, sanitize(&step.title)).trim_end());
        if !step.command.is_empty() {
            let command = step.command.iter().map(|word| shell_quote(word)).collect::<Vec<_>>().join(" ");
            let _ = writeln!(out, "      {}", style.dim(&sanitize(&command)));
        }
    }
}
