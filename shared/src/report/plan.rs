//! Renders the plan as text: versions, changes, guards, the steps with their reasons and commands, and what stays unchanged.

use std::fmt::Write as _;

use super::plan_guards::write_guards;
use super::style::{Mark, Style, clip_to, display_width, pad_to, sanitize};
use crate::checks::crd_changes::decision::CrdDecision;
use crate::model::chart_changes::NamedChange;
use crate::model::cluster_view::{ClusterInfo, Observed};
use crate::model::lease::{HeldLock, Liveness};
use crate::model::managed_fields::FIELD_MANAGER;
use crate::model::owner::Owner;
use crate::model::text_format::{format_count, shell_quote};
use crate::plan::crd_plan::count_forced_conflicts;
use crate::plan::{
    ChartUpgrade, CrdPlan, ObjectChange, ObjectChangeKind, Plan, PlanVerdict, RollbackLimit, Step, UnchangedItem,
    ValueChange,
};

/// The width of the labels at the left edge.
const LABEL_WIDTH: usize = 12;
/// How many CRDs are listed by name; the others are counted (`-o json` lists all).
const MAX_LISTED_NAMES: usize = 12;
/// How many changes are listed for one CRD.
const MAX_LISTED_NOTES: usize = 4;
/// How many changes of one chart are listed.
const MAX_LISTED_CHANGES: usize = 8;

/// Renders a plan.
#[must_use]
pub fn render(plan: &Plan, style: Style) -> String {
    let Plan {
        api_version: _,
        kind: _,
        cluster,
        mode: _,
        locks,
        charts,
        crds: _,
        objects,
        values,
        guards,
        steps,
        unchanged_items,
        // `--explain-permissions` prints them.
        permissions: _,
    } = plan;
    let mut out = String::new();
    write_verdict(&mut out, &plan.verdict(), style);
    write_head(&mut out, cluster, charts, style);
    write_locks(&mut out, locks);
    write_crds(&mut out, plan, style);
    write_application(&mut out, objects, style);
    write_values(&mut out, values);
    write_named_changes(&mut out, charts, style);
    write_guards(&mut out, guards, style);
    write_steps(&mut out, steps, plan.rollback_limit().as_ref(), style);
    if let Some(reason) = plan.find_unread_release() {
        let _ = writeln!(out);
        write_line(&mut out, "steps", &format!("not decided: {reason}"));
    }
    write_unchanged_items(&mut out, unchanged_items, style);
    style.finish_screen(out)
}

/// The answer first: may it run, what is to decide, or why is it refused.
fn write_verdict(out: &mut String, verdict: &PlanVerdict, style: Style) {
    let mark = match verdict {
        PlanVerdict::NothingToDo | PlanVerdict::Safe { .. } => Mark::Pass,
        PlanVerdict::NeedsDecision { .. } => Mark::Warn,
        PlanVerdict::Undetermined { .. } => Mark::Unknown,
        PlanVerdict::Refused { .. } => Mark::Fail,
    };
    let _ = writeln!(out, "{:<LABEL_WIDTH$}{} {}", "verdict", style.mark(mark), sanitize(&verdict.describe()));
}

fn write_line(out: &mut String, first: &str, rest: &str) {
    let _ = writeln!(out, "{}", format!("{first:<LABEL_WIDTH$}{}", sanitize(rest)).trim_end());
}

/// The cluster, the owner, and each chart with its versions and digest.
fn write_head(out: &mut String, hub: &ClusterInfo, charts: &[ChartUpgrade], style: Style) {
    let owner = charts.last().map_or_else(String::new, |chart| match &chart.owner {
        // The guard has the reason.
        Owner::Undetermined { .. } => " · owner: undetermined".to_owned(),
        owner => format!(" · owner: {owner}"),
    });
    write_line(out, "context", &format!("{hub}{owner}"));
    let versions: Vec<String> = charts.iter().map(format_version_change).collect();
    let longest = versions.iter().map(|change| display_width(change)).max().unwrap_or_default();
    for (chart, change) in charts.iter().zip(&versions) {
        let text = format!("{}  {}", pad_to(change, longest), chart.digest.short());
        // A reference that is cut is worse than none.
        let with_reference = format!("{text}  {}", chart.chart);
        let room = style.listing.limit(style.width.saturating_sub(LABEL_WIDTH));
        let text = if display_width(&with_reference) <= room { with_reference } else { text };
        write_line(out, &chart.release, &text);
        if let Some(doubt) = &chart.forecast_doubt {
            write_line(out, "", &format!("!  {doubt}"));
        }
    }
}

/// The holder of a lock, and whether that run may still be alive.
fn write_locks(out: &mut String, locks: &Observed<Vec<HeldLock>>) {
    match locks {
        Ok(held) => held.iter().for_each(|lock| write_lock(out, lock)),
        Err(failure) => write_line(out, "lock", &failure.to_string()),
    }
}

fn write_lock(out: &mut String, lock: &HeldLock) {
    let liveness = match lock.liveness {
        Liveness::Alive => "",
        Liveness::Undetermined => "; an upgrade first waits to see whether the lock is renewed",
        Liveness::Dead => "; its run has ended; the upgrade takes it over",
    };
    write_line(out, "lock", &format!("held by {}{liveness}", lock.holder));
}

fn format_version_change(chart: &ChartUpgrade) -> String {
    match chart.keeps_version() {
        true => format!("{} (unchanged)", chart.to),
        false => format!("{} → {}", chart.format_installed(), chart.to),
    }
}

fn write_crds(out: &mut String, plan: &Plan, style: Style) {
    let (crds, chart_count) = (&plan.crds, plan.charts.len());
    let in_charts = crds.iter().filter(|crd| crd.decision != CrdDecision::RemovedFromChart).count();
    let _ = writeln!(out);
    write_line(out, "CRDs", &format!("{in_charts} in the chart{}", if chart_count > 1 { "s" } else { "" }));
    let order = [
        CrdDecision::Unchanged,
        CrdDecision::Text,
        CrdDecision::Safe,
        CrdDecision::New,
        CrdDecision::RemovedFromChart,
        CrdDecision::Risky,
        CrdDecision::Breaking,
        CrdDecision::Undetermined,
        CrdDecision::Rejected,
    ];
    for decision in order {
        let group: Vec<&CrdPlan> = crds.iter().filter(|crd| crd.decision == decision).collect();
        if !group.is_empty() {
            write_crd_group(out, decision, &group, plan, style);
        }
    }
    write_forced_conflicts(out, crds, style);
}

/// Fields that the apply takes over from other field managers. A manager that applies them again reverts the change.
fn write_forced_conflicts(out: &mut String, crds: &[CrdPlan], style: Style) {
    for (manager, fields) in count_forced_conflicts(crds) {
        let parts: Vec<String> =
            fields.iter().map(|(field, count)| format!("{field} of {}", format_count(*count, "CRD"))).collect();
        let (mark, parts) = (style.mark(Mark::Warn), sanitize(&parts.join(", ")));
        let manager = sanitize(manager);
        let _ = writeln!(out, "   {mark}  field ownership: {parts}, from field manager {manager} to {FIELD_MANAGER};");
        let _ = writeln!(out, "      {manager} may write its own value again");
    }
}

fn write_crd_group(out: &mut String, decision: CrdDecision, group: &[&CrdPlan], plan: &Plan, style: Style) {
    let names = match decision {
        CrdDecision::Unchanged => "will not be written".to_owned(),
        CrdDecision::RemovedFromChart => format!("stays on the cluster: {}", format_short_names(group, style)),
        CrdDecision::Text | CrdDecision::Safe | CrdDecision::New => format_short_names(group, style),
        CrdDecision::Risky | CrdDecision::Breaking | CrdDecision::Undetermined | CrdDecision::Rejected => String::new(),
    };
    let decision = match decision {
        CrdDecision::RemovedFromChart => "left chart",
        other => other.as_str(),
    };
    let text = format!("{:>4}  {decision:<10} {names}", group.len());
    let _ = writeln!(out, "{}", clip_to(sanitize(&text).trim_end(), style.listing.limit(style.width)));
    if names.is_empty() {
        let limit = style.listing.limit(MAX_LISTED_NAMES);
        for crd in group.iter().take(limit) {
            write_crd_notes(out, crd, style);
            if let Some(number) = plan.find_migration_step(&crd.name) {
                let _ = writeln!(out, "{:8}step {number} migrates its objects first", "");
            }
        }
        if group.len() > limit {
            let _ = writeln!(out, "{:6}and {} more; list them with --all", "", group.len() - limit);
        }
    }
}

fn write_crd_notes(out: &mut String, crd: &CrdPlan, style: Style) {
    let _ = writeln!(out, "{:6}{}", "", style.bold(&sanitize(&crd.name)));
    let limit = style.listing.limit(MAX_LISTED_NOTES);
    for note in crd.notes.iter().take(limit) {
        let _ = writeln!(out, "{:8}{}", "", sanitize(note));
    }
    if crd.notes.len() > limit {
        let _ = writeln!(out, "{:8}and {} more; list them with --all", "", crd.notes.len() - limit);
    }
}

/// The plural names, as in kubectl commands.
fn format_short_names(group: &[&CrdPlan], style: Style) -> String {
    let limit = style.listing.limit(MAX_LISTED_NAMES);
    let names: Vec<&str> = group.iter().map(|crd| crd.name.split('.').next().unwrap_or(&crd.name)).collect();
    if names.len() <= limit {
        names.join(", ")
    } else {
        format!("{}, … ({} in all)", names[..limit].join(", "), names.len())
    }
}

fn write_application(out: &mut String, objects: &[ObjectChange], style: Style) {
    if objects.is_empty() {
        return;
    }
    write_line(out, "application", "");
    for change in objects {
        write_object(out, change, style);
    }
}

fn write_object(out: &mut String, change: &ObjectChange, style: Style) {
    let ObjectChange { object, change, details } = change;
    let sign = match change {
        ObjectChangeKind::Create => "+",
        ObjectChangeKind::Update => "~",
        ObjectChangeKind::Delete => "-",
    };
    let object = sanitize(&format!("{} {}", object.kind, object.name));
    let line = match details.as_slice() {
        [detail] => format!("   {sign}  {object:<34} {}", sanitize(detail)),
        _ => String::new(),
    };
    // A change is never cut: it stands below the object if both do not fit on a line.
    if !line.is_empty() && display_width(&line) <= style.width {
        let _ = writeln!(out, "{line}");
        return;
    }
    let _ = writeln!(out, "   {sign}  {object}");
    for detail in details {
        let _ = writeln!(out, "         {}", sanitize(detail).trim_end());
    }
}

fn write_values(out: &mut String, values: &[ValueChange]) {
    if values.is_empty() {
        return;
    }
    write_line(out, "values", &format!("{} changed", values.len()));
    for ValueChange { key, old, new } in values {
        let display = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
        write_line(out, "", &format!("  {key} {} → {}", display(old), display(new)));
    }
}

/// What the authors of the charts say changed, breaking changes first.
fn write_named_changes(out: &mut String, charts: &[ChartUpgrade], style: Style) {
    for chart in charts.iter().filter(|chart| !chart.named_changes.is_empty() && !chart.keeps_version()) {
        let (changes, limit) = (&chart.named_changes, style.listing.limit(MAX_LISTED_CHANGES));
        write_line(out, "changes", &format!("of {} {}, by its author", chart.release, chart.to));
        for NamedChange { kind, description, is_breaking } in changes.iter().take(limit) {
            let mark = if *is_breaking { style.mark(Mark::Warn) } else { " ".to_owned() };
            let kind = if kind.is_empty() { String::new() } else { format!("{kind}: ") };
            let _ = writeln!(out, "   {mark}  {}", sanitize(&format!("{kind}{description}")));
        }
        if changes.len() > limit {
            let _ = writeln!(out, "      and {} more; list them with --all", changes.len() - limit);
        }
    }
}

/// The steps with their reasons and exact commands; a line marks the point of no return.
pub(super) fn write_steps(out: &mut String, steps: &[Step], limit: Option<&RollbackLimit>, style: Style) {
    if steps.is_empty() {
        return;
    }
    let _ = writeln!(out);
    write_line(out, "steps", "");
    for (at, step) in steps.iter().enumerate() {
        if let Some(RollbackLimit { step: _, reason }) = limit.filter(|limit| limit.step == step.id) {
            let rule = if style.ascii { "--" } else { "──" };
            let text = format!("from here on, a rollback is only partial: {}", sanitize(reason));
            let _ = writeln!(out, "      {rule} {} {rule}", style.bold(&text));
        }
        write_step(out, at + 1, step, style);
    }
}

fn write_step(out: &mut String, number: usize, step: &Step, style: Style) {
    let Step { id: _, title, action: _, reason, command } = step;
    let _ = writeln!(out, "{}", format!("{number:>4}  {}", sanitize(title)).trim_end());
    if !reason.is_empty() {
        let _ = writeln!(out, "{:6}{:<9}{}", "", "reason", sanitize(reason));
    }
    if !command.is_empty() {
        let command = command.iter().map(|word| shell_quote(word)).collect::<Vec<_>>().join(" ");
        let _ = writeln!(out, "{:6}{:<9}{}", "", "command", style.dim(&sanitize(&command)));
    }
}

/// Everything that was compared and stays unchanged, with the reason.
pub(super) fn write_unchanged_items(out: &mut String, items: &[UnchangedItem], style: Style) {
    if items.is_empty() {
        return;
    }
    let _ = writeln!(out);
    write_line(out, "unchanged", "");
    for UnchangedItem { subject, reason } in items {
        let text = format!("{subject}: {reason}");
        let _ = writeln!(out, "   {}  {}", style.mark(Mark::Skip), sanitize(&text));
    }
}
