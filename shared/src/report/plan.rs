//! The plan for a person: what is there, what shall be, what changes, what the guards say, what is done.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::style::{Mark, Style, clipped, columns_of, harmless, padded};
use crate::checks::crd_changes::decision::CrdDecision;
use crate::model::check::{Checked, Level, Verdict};
use crate::model::lease::Life;
use crate::model::words::quoted;
use crate::plan::{ChartMove, CrdPlan, ObjectVerb, Plan};

/// The width of the first column.
const FIRST: usize = 12;
/// CRDs and objects that are listed by name; the rest is counted (`-o json` has all).
const LISTED: usize = 12;

/// Renders a plan.
#[must_use]
pub fn render(plan: &Plan, style: Style) -> String {
    let mut out = String::new();
    head(&mut out, plan, style);
    locks(&mut out, plan);
    crds(&mut out, plan, style);
    application(&mut out, plan, style);
    values(&mut out, plan);
    guards(&mut out, &plan.guards, style);
    steps(&mut out, plan, style);
    out
}

fn line(out: &mut String, first: &str, rest: &str) {
    let _ = writeln!(out, "{}", format!("{first:<FIRST$}{}", harmless(rest)).trim_end());
}

fn head(out: &mut String, plan: &Plan, _style: Style) {
    let hub = &plan.hub;
    let owner = plan.charts.last().map_or_else(String::new, |chart| format!(" · owner: {}", chart.owner));
    line(out, "hub", &format!("{} · {} · namespace {}{owner}", hub.context, hub.version, hub.namespace));
    let ways: Vec<String> = plan.charts.iter().map(way).collect();
    let longest = ways.iter().map(|way| columns_of(way)).max().unwrap_or_default();
    for (chart, way) in plan.charts.iter().zip(&ways) {
        line(out, &chart.release, &format!("{}  {}", padded(way, longest), chart.digest.short()));
    }
}

/// Who holds a lock, and whether they may still be at work.
fn locks(out: &mut String, plan: &Plan) {
    for held in plan.locks.iter().flatten() {
        let life = match held.life {
            Life::Alive => "",
            Life::Unsure => "; an upgrade would first see whether they live",
            Life::Dead => "; left behind, will be taken over",
        };
        line(out, "lock", &format!("held by {}{life}", held.holder));
    }
}

fn way(chart: &ChartMove) -> String {
    match &chart.from {
        Some(from) if same(from, chart) => format!("{}, stays", chart.to),
        Some(from) => format!("{from} → {}", chart.to),
        None => format!("no release → {}", chart.to),
    }
}

/// helm-controller puts the chart's digest behind the version, where it came from a registry: `0.7.4+f759e0fff3da`.
fn same(from: &str, chart: &ChartMove) -> bool {
    let digest = chart.digest.sha256.trim_start_matches("sha256:");
    let ours = |(plain, behind): (&str, &str)| plain == chart.to && !behind.is_empty() && digest.starts_with(behind);
    from == chart.to || from.split_once('+').is_some_and(ours)
}

fn crds(out: &mut String, plan: &Plan, style: Style) {
    let in_charts = plan.crds.iter().filter(|crd| crd.decision != CrdDecision::Gone).count();
    let _ = writeln!(out);
    line(out, "CRDs", &format!("{in_charts} in the chart{}", if plan.charts.len() > 1 { "s" } else { "" }));
    let order = [
        CrdDecision::Unchanged,
        CrdDecision::Text,
        CrdDecision::Safe,
        CrdDecision::New,
        CrdDecision::Gone,
        CrdDecision::Risky,
        CrdDecision::Breaking,
        CrdDecision::Refused,
    ];
    for decision in order {
        let group: Vec<&CrdPlan> = plan.crds.iter().filter(|crd| crd.decision == decision).collect();
        if !group.is_empty() {
            crd_group(out, decision, &group, style);
        }
    }
    taken_over(out, plan, style);
}

/// What other managers have set and the apply changes, by manager: one that goes on applying its own will put it back.
fn taken_over(out: &mut String, plan: &Plan, style: Style) {
    let mut by_manager: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for (manager, fields) in plan.crds.iter().flat_map(|crd| &crd.taken_over) {
        let counted = by_manager.entry(manager).or_default();
        fields.iter().for_each(|field| *counted.entry(field).or_default() += 1);
    }
    for (manager, fields) in by_manager {
        let told: Vec<String> = fields.iter().map(|(field, count)| format!("{field} of {count}")).collect();
        let text = format!("   !  taken over from {manager}: {}", told.join(", "));
        let _ = writeln!(out, "{}", clipped(&harmless(&text), style.width));
    }
}

fn crd_group(out: &mut String, decision: CrdDecision, group: &[&CrdPlan], style: Style) {
    let names = match decision {
        CrdDecision::Unchanged => "not written".to_owned(),
        CrdDecision::Gone => format!("left alone: {}", short_names(group)),
        CrdDecision::Text | CrdDecision::Safe | CrdDecision::New => short_names(group),
        CrdDecision::Risky | CrdDecision::Breaking | CrdDecision::Refused => String::new(),
    };
    let text = format!("{:>4}  {:<10} {names}", group.len(), decision.word());
    let _ = writeln!(out, "{}", clipped(harmless(&text).trim_end(), style.width));
    if names.is_empty() {
        for crd in group {
            crd_notes(out, crd, style);
        }
    }
}

fn crd_notes(out: &mut String, crd: &CrdPlan, style: Style) {
    let _ = writeln!(out, "{:6}{}", "", style.bold(&harmless(&crd.name)));
    for note in crd.notes.iter().take(4) {
        let _ = writeln!(out, "{:8}{}", "", clipped(&harmless(note), style.width.saturating_sub(8)));
    }
    if crd.notes.len() > 4 {
        let _ = writeln!(out, "{:8}and {} more", "", crd.notes.len() - 4);
    }
}

/// The plural names: what a person types.
fn short_names(group: &[&CrdPlan]) -> String {
    let names: Vec<&str> = group.iter().map(|crd| crd.name.split('.').next().unwrap_or(&crd.name)).collect();
    if names.len() <= LISTED {
        names.join(", ")
    } else {
        format!("{}, … ({} in all)", names[..LISTED].join(", "), names.len())
    }
}

fn application(out: &mut String, plan: &Plan, style: Style) {
    if plan.objects.is_empty() {
        return;
    }
    line(out, "application", "");
    for change in &plan.objects {
        let sign = match change.change {
            ObjectVerb::Created => "+",
            ObjectVerb::Changed => "~",
            ObjectVerb::Removed => "-",
        };
        let object = format!("{} {}", change.object.kind, change.object.name);
        let first = change.details.first().map_or("", String::as_str);
        let text = format!("   {sign}  {object:<34} {first}");
        let _ = writeln!(out, "{}", clipped(harmless(&text).trim_end(), style.width));
        for detail in change.details.iter().skip(1) {
            let _ = writeln!(out, "{}", clipped(harmless(&format!("{:40} {detail}", "")).trim_end(), style.width));
        }
    }
}

fn values(out: &mut String, plan: &Plan) {
    if plan.values.is_empty() {
        return;
    }
    line(out, "values", &format!("{} changed", plan.values.len()));
    for change in &plan.values {
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
        line(out, "", &format!("  {} {} → {}", change.key, shown(&change.old), shown(&change.new)));
    }
}

/// The guards: counted where they pass, told where they do not.
pub fn guards(out: &mut String, guards: &[Checked], style: Style) {
    let passed = guards.iter().filter(|guard| guard.verdict == Verdict::Pass).count();
    let _ = writeln!(out);
    let rest = [
        (guards.iter().filter(|guard| guard.has_error()).count(), "refused"),
        (guards.iter().filter(|guard| !guard.has_error() && !guard.findings().is_empty()).count(), "warned"),
        (guards.iter().filter(|guard| guard.undetermined()).count(), "undetermined"),
    ];
    let told: Vec<String> =
        rest.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!(", {count} {word}")).collect();
    line(out, "guards", &format!("{passed} passed{}", told.concat()));
    for guard in guards {
        if let Verdict::Undetermined { reason } = &guard.verdict {
            let _ = writeln!(out, "   {}  {:<24} {}", style.mark(Mark::Unknown), guard.check, harmless(reason));
        }
        for finding in guard.findings() {
            let mark = if finding.level == Level::Error { Mark::Fail } else { Mark::Warn };
            let text = format!("{}: {}", finding.subject, finding.message);
            let _ = writeln!(out, "   {}  {:<24} {}", style.mark(mark), guard.check, harmless(&text));
            if !finding.hint.is_empty() {
                let _ = writeln!(out, "      {} {}", style.arrow(), harmless(&finding.hint));
            }
        }
    }
}

/// The steps, each with its exact command.
pub fn steps(out: &mut String, plan: &Plan, style: Style) {
    if plan.steps.is_empty() {
        return;
    }
    let _ = writeln!(out);
    line(out, "steps", "");
    for (at, step) in plan.steps.iter().enumerate() {
        let _ = writeln!(out, "{}", format!("{:>4}  {}", at + 1, harmless(&step.title)).trim_end());
        if !step.command.is_empty() {
            let command = step.command.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
            let _ = writeln!(out, "      {}", style.dim(&harmless(&command)));
        }
    }
}
