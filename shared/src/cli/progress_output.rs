//! The talk on standard error: lines for a person, with a moving one on a terminal, or JSON, one event a line.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::report::event::{Event, WaitingObject};
use crate::report::human::HumanRenderer;
use crate::report::style::{Style, sanitize};

/// How often the moving line moves.
const SPINNER_TICK_INTERVAL: Duration = Duration::from_millis(120);
/// Things that are not ready, below it.
const MAX_SPINNER_OBJECTS: usize = 8;

/// Where events go.
#[derive(Debug)]
pub struct ProgressOutput {
    json: bool,
    human: Mutex<HumanRenderer>,
    spinner: Option<ProgressBar>,
    width: usize,
}

impl ProgressOutput {
    /// A talk that has not begun: for a person, or with `json` for a program.
    #[must_use]
    pub fn new(json: bool, style: Style) -> Self {
        let spinner = (!json && std::io::stderr().is_terminal()).then(build_spinner);
        Self { json, human: Mutex::new(HumanRenderer::new(style)), spinner, width: style.width }
    }

    /// Tells one event.
    pub fn show_event(&self, event: &Event) {
        if self.json {
            if let Ok(line) = serde_json::to_string(event) {
                write_line(&line);
            }
            return;
        }
        if let (Some(bar), Some(message)) = (&self.spinner, spinner_message(event, self.width)) {
            bar.set_message(message);
            // What is waited for stands below the moving line, and needs no lines of its own.
            if matches!(event, Event::Waiting { .. }) {
                return;
            }
        }
        let lines = self.human.lock().unwrap_or_else(PoisonError::into_inner).render_event(event);
        lines.iter().for_each(|line| self.print_line(line));
    }

    /// Writes a line for a person.
    pub fn print_line(&self, line: &str) {
        match &self.spinner {
            Some(bar) => bar.suspend(|| write_line(line)),
            None => write_line(line),
        }
    }

    /// Takes the moving line away while something else is written, so that both do not stand on one line.
    pub fn pause(&self, write: impl FnOnce()) {
        match &self.spinner {
            Some(bar) => {
                bar.set_message("");
                bar.disable_steady_tick();
                bar.suspend(write);
                bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
            }
            None => write(),
        }
    }

    /// Lets the moving line move again.
    pub fn resume(&self) {
        if let Some(bar) = &self.spinner {
            bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
            bar.enable_steady_tick(SPINNER_TICK_INTERVAL);
        }
    }

    /// Takes the moving line away.
    pub fn finish(&self) {
        if let Some(bar) = &self.spinner {
            bar.finish_and_clear();
        }
    }
}

fn build_spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>4} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(SPINNER_TICK_INTERVAL);
    bar
}

/// What the moving line says.
fn spinner_message(event: &Event, width: usize) -> Option<String> {
    match event {
        Event::StageStarted { stage, detail } => Some(format!("{stage:<12}{detail}")),
        Event::StepStarted { step, title, .. } => Some(format!("{step:<12}{title}")),
        Event::Waiting { step, seconds, ready, limit_seconds, grace_seconds, objects } => {
            let head = format!("{step:<12}{} of {} ready, {seconds:.0}s of {limit_seconds:.0}s", ready.0, ready.1);
            let lines = objects
                .iter()
                .take(MAX_SPINNER_OBJECTS)
                .map(|object| format_waiting_object(object, *grace_seconds, width));
            Some(std::iter::once(head).chain(lines).collect::<Vec<_>>().join("\n"))
        }
        Event::Progress { step, detail, done, total } => Some(format!("{step:<12}{detail}: {done} of {total}")),
        Event::StageDone { .. } | Event::Warning { .. } | Event::StepDone { .. } | Event::StepFailed { .. } => None,
    }
}

/// One thing that is not ready, below the moving line.
fn format_waiting_object(object: &WaitingObject, grace: u64, width: usize) -> String {
    let lasts = object.terminal_seconds.map_or_else(String::new, |seconds| format!(" ({seconds}s of {grace}s)"));
    let text = format!("    {:<30} {:<5}{lasts} {}", object.object, object.progress, object.reason);
    sanitize(&text.replace('\n', " ")).chars().take(width.saturating_sub(1)).collect()
}

fn write_line(line: &str) {
    // Nobody reads on: there is nobody to tell.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
