//! Progress on standard error: plain lines, on a terminal with a spinner, or JSON with one event per line.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::model::text_format::format_duration;
use crate::report::event::{Event, WaitingObject};
use crate::report::human::HumanRenderer;
use crate::report::style::{Style, sanitize};
use crate::tools::activity_log;

/// The redraw interval of the spinner.
const SPINNER_TICK_INTERVAL: Duration = Duration::from_millis(120);
/// The maximum number of pending objects below the spinner.
const MAX_SPINNER_OBJECTS: usize = 8;

/// The destination of the events of a command.
#[derive(Debug)]
pub struct ProgressOutput {
    json: bool,
    human: Mutex<HumanRenderer>,
    spinner: Option<ProgressBar>,
    width: usize,
}

impl ProgressOutput {
    /// Starts the output: JSON lines with `json`, else text. The spinner needs a terminal.
    #[must_use]
    pub fn new(json: bool, style: Style) -> Self {
        let is_live = !json && std::io::stderr().is_terminal() && !activity_log::has_listener();
        let spinner = is_live.then(build_spinner);
        Self { json, human: Mutex::new(HumanRenderer::new(style)), spinner, width: style.width }
    }

    /// Shows one event.
    pub fn show_event(&self, event: &Event) {
        if self.json {
            if let Ok(line) = serde_json::to_string(event) {
                write_line(&line);
            }
            return;
        }
        if let (Some(bar), Some(message)) = (&self.spinner, spinner_message(event, self.width)) {
            bar.set_message(message);
            // The spinner shows the pending objects below its line, so they need no separate lines.
            if matches!(event, Event::Waiting { .. }) {
                return;
            }
        }
        let lines = self.human.lock().unwrap_or_else(PoisonError::into_inner).render_event(event);
        lines.iter().for_each(|line| self.print_line(line));
    }

    /// Prints a line above the spinner.
    pub fn print_line(&self, line: &str) {
        match &self.spinner {
            Some(bar) => bar.suspend(|| write_line(line)),
            None => write_line(line),
        }
    }

    /// Hides the spinner during other output, so that both do not share a line. Ends with [`Self::resume`].
    pub fn pause(&self, write: impl FnOnce()) {
        match &self.spinner {
            Some(bar) => {
                bar.disable_steady_tick();
                bar.set_message("");
                // Not `suspend`: it draws the spinner again, between the text and the question.
                bar.finish_and_clear();
                write();
            }
            None => write(),
        }
    }

    /// Shows the spinner again.
    pub fn resume(&self) {
        if let Some(bar) = &self.spinner {
            // The time that the operator needs for an answer does not count.
            bar.reset();
            bar.enable_steady_tick(SPINNER_TICK_INTERVAL);
        }
    }

    /// Removes the spinner.
    pub fn finish(&self) {
        if let Some(bar) = &self.spinner {
            bar.finish_and_clear();
        }
    }
}

fn build_spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(SPINNER_TICK_INTERVAL);
    bar
}

/// The text of the spinner; `None` if the event does not change it.
fn spinner_message(event: &Event, width: usize) -> Option<String> {
    match event {
        Event::StageStarted { stage, detail } => Some(format!("{stage:<12}{detail}")),
        Event::StepStarted { step, title, .. } => Some(format!("{step:<12}{title}")),
        Event::Waiting { step, seconds, ready, limit_seconds, grace_seconds, objects } => {
            let head = format!(
                "{step:<12}{} of {} ready, {} elapsed, limit {}",
                ready.0,
                ready.1,
                format_duration(*seconds),
                format_duration(*limit_seconds)
            );
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

/// One pending object below the spinner: name, progress, duration of a terminal reason, and reason.
fn format_waiting_object(object: &WaitingObject, grace: u64, width: usize) -> String {
    let lasts = object.terminal_seconds.map_or_else(String::new, |seconds| format!(" ({seconds}s of {grace}s)"));
    let text = format!("    {:<30} {:<5}{lasts} {}", object.object, object.progress, object.reason);
    sanitize(&text.replace('\n', " ")).chars().take(width.saturating_sub(1)).collect()
}

fn write_line(line: &str) {
    // A write error means that the reader closed the stream; there is no other place for the message.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
