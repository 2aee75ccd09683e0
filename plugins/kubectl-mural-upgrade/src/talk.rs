//! The talk on standard error: lines for a person, with a moving one on a terminal, or JSON, one event a line.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use mural::report::event::Event;
use mural::report::human::Human;
use mural::report::style::Style;

use crate::flags::Events;

/// How often the moving line moves.
const TICK: Duration = Duration::from_millis(120);

/// Where events go.
pub(crate) struct Talk {
    events: Events,
    human: Mutex<Human>,
    moving: Option<ProgressBar>,
}

impl Talk {
    /// A talk that has not begun.
    pub(crate) fn new(events: Events, style: Style) -> Self {
        let moving = (events == Events::Human && std::io::stderr().is_terminal()).then(spinner);
        Self { events, human: Mutex::new(Human::new(style)), moving }
    }

    /// Tells one event.
    pub(crate) fn event(&self, event: &Event) {
        if self.events == Events::Json {
            if let Ok(line) = serde_json::to_string(event) {
                write_line(&line);
            }
            return;
        }
        if let (Some(bar), Some(message)) = (&self.moving, now(event)) {
            bar.set_message(message);
        }
        let lines = self.human.lock().unwrap_or_else(PoisonError::into_inner).lines(event);
        for line in lines {
            match &self.moving {
                Some(bar) => bar.suspend(|| write_line(&line)),
                None => write_line(&line),
            }
        }
    }

    /// Takes the moving line away while something else is written, so that both do not stand on one line.
    pub(crate) fn pause(&self, write: impl FnOnce()) {
        match &self.moving {
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
    pub(crate) fn resume(&self) {
        if let Some(bar) = &self.moving {
            bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
            bar.enable_steady_tick(TICK);
        }
    }

    /// Takes the moving line away.
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.moving {
            bar.finish_and_clear();
        }
    }
}

fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}  {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(TICK);
    bar
}

/// What the moving line says.
fn now(event: &Event) -> Option<String> {
    match event {
        Event::StageStarted { stage, detail } => Some(format!("{stage:<12}{detail}")),
        Event::StepStarted { step, title, .. } => Some(format!("{step:<12}{title}")),
        Event::Waiting { step, ready, limit_seconds, .. } => {
            Some(format!("{step:<12}{} of {} ready, {limit_seconds:.0}s at most", ready.0, ready.1))
        }
        Event::Progress { step, detail, done, total } => Some(format!("{step:<12}{detail}: {done} of {total}")),
        Event::StageDone { .. } | Event::StepDone { .. } | Event::StepFailed { .. } => None,
    }
}

fn write_line(line: &str) {
    // Nobody reads on: there is nobody to tell.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
