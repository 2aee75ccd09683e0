//! The statement before a rollback, and what a repair found: for somebody who is tired.

use std::fmt::Write as _;

use super::plan::{guards, steps};
use super::style::{Mark, Style, harmless};
use crate::plan::Plan;
use crate::plan::back::{Back, CrdBack, Objects, ReleaseBack, Way};
use crate::plan::repair::Ailment;

/// Lines of one sort that are shown; `-o json` has all.
const LISTED: usize = 12;
const FIRST: usize = 14;

/// Renders the statement, the guards and the steps.
#[must_use]
pub fn render(back: &Back, plan: &Plan, style: Style) -> String {
    let mut out = String::new();
    let hub = &plan.hub;
    line(&mut out, "hub", &format!("{} · {} · namespace {}", hub.context, hub.version, hub.namespace));
    let began = back.began.strftime("%Y-%m-%dT%H:%M:%SZ");
    let state = back.state.told();
    line(
        &mut out,
        "going back",
        &format!("to what was there before run {} ({state}), by {}, {began}", back.run, back.who),
    );
    story(&mut out, back, style);
    section(&mut out, back, Way::GoesBack, &style.mark(Mark::Pass), "goes back");
    section(&mut out, back, Way::Stays, &style.mark(Mark::Warn), "stays");
    let as_before = back.crds.iter().filter(|crd| crd.way == Way::AsBefore).count();
    let releases = back.releases.iter().filter(|release| release.way == Way::AsBefore);
    let names: Vec<&str> = releases.map(|release| release.release.as_str()).collect();
    let told = if names.is_empty() { String::new() } else { format!("{}, ", names.join(", ")) };
    let _ = writeln!(out);
    line(&mut out, "as before", &format!("{told}{as_before} of the CRDs: not written"));
    match back.objects {
        Objects::Stay => line(
            &mut out,
            "objects",
            "custom resources stay as they are now; --overwrite puts the saved ones in their place",
        ),
        Objects::Overwritten => line(
            &mut out,
            "objects",
            "the saved ones are put in place of those that are there: what was written since is lost",
        ),
    }
    guards(&mut out, &plan.guards, style);
    steps(&mut out, plan, style);
    out
}

fn line(out: &mut String, first: &str, rest: &str) {
    let _ = writeln!(out, "{}", format!("{first:<FIRST$}{}", harmless(rest)).trim_end());
}

/// The run's own steps: what a person has seen, and what becomes of each.
fn story(out: &mut String, back: &Back, style: Style) {
    if back.steps.is_empty() {
        return;
    }
    let _ = writeln!(out, "\nwhat the run did, and what becomes of it");
    for step in &back.steps {
        let mark = style.mark(match step.way {
            Way::GoesBack => Mark::Pass,
            Way::Stays => Mark::Warn,
            Way::AsBefore => Mark::Skip,
        });
        let _ = writeln!(out, "  {mark} {:<12}{}", harmless(&step.step), harmless(&step.told));
    }
}

fn section(out: &mut String, back: &Back, way: Way, mark: &str, heading: &str) {
    let releases = back.releases.iter().filter(|release| release.way == way);
    let crds: Vec<&CrdBack> = back.crds.iter().filter(|crd| crd.way == way).collect();
    let lines: Vec<(String, String, &[String])> = releases
        .map(|one| (format!("release {}", one.release), release(one), &[][..]))
        .chain(
            crds.iter().take(LISTED).map(|crd| (format!("CRD {}", crd.name), crd.because.clone(), crd.lost.as_slice())),
        )
        .collect();
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{heading}");
    for (subject, text, lost) in lines {
        let colon = if text.is_empty() { "" } else { ": " };
        let _ = writeln!(out, "  {mark} {}{colon}{}", harmless(&subject), harmless(&text));
        for lost in lost.iter().take(4) {
            let _ = writeln!(out, "      costs: {}", harmless(lost));
        }
    }
    if crds.len() > LISTED {
        let _ = writeln!(out, "  and {} CRDs more (-o json lists them)", crds.len() - LISTED);
    }
}

fn release(one: &ReleaseBack) -> String {
    match (&one.to, &one.to_version) {
        (Some(to), Some(version)) => format!("{} → as revision {to} was, {version}", one.from),
        _ if one.from.is_empty() => one.because.clone(),
        _ => format!("{}; {}", one.from, one.because),
    }
}

/// What a repair found, the guards and the steps.
#[must_use]
pub fn repair(ailments: &[Ailment], plan: &Plan, style: Style) -> String {
    let mut out = String::new();
    let hub = &plan.hub;
    line(&mut out, "hub", &format!("{} · {} · namespace {}", hub.context, hub.version, hub.namespace));
    for ailment in ailments {
        let mark = style.mark(if ailment.mended { Mark::Warn } else { Mark::Fail });
        let _ = writeln!(out, "\n{mark} {}", style.bold(ailment.id));
        let _ = writeln!(out, "    {}: {}", harmless(&ailment.subject), harmless(&ailment.message));
        let word = if ailment.mended { "will" } else { "do" };
        let _ = writeln!(out, "  {word:<6}{}", harmless(&ailment.cure));
    }
    guards(&mut out, &plan.guards, style);
    steps(&mut out, plan, style);
    out
}
