//! Renders the event stream as text: one line per change, with marks.
//!
//! Owns which events produce a line; no line is repeated. `cli/progress_output.rs` redraws a terminal. Input: events. Output: lines.

use super::event::{Event, WaitingObject};
use super::style::{Mark, Style, display_width, pad_to, sanitize};

/// The width of the column of step names.
const NAME_COLUMN_WIDTH: usize = 12;

/// Turns events into lines. Remembers the last waiting objects, so that no line is repeated.
#[derive(Debug)]
pub struct HumanRenderer {
    style: Style,
    last_waiting: Vec<WaitingObject>,
}

impl HumanRenderer {
    /// A renderer at the start of a run.
    #[must_use]
    pub const fn new(style: Style) -> Self {
        Self { style, last_waiting: Vec::new() }
    }

    /// The lines for an event; `None` if it has nothing new.
    pub fn render_event(&mut self, event: &Event) -> Vec<String> {
        match event {
            Event::StageStarted { .. } | Event::StepStarted { .. } => Vec::new(),
            Event::StageDone { stage, detail, seconds } => {
                vec![self.format_result(Mark::Pass, stage, detail, *seconds)]
            }
            Event::Warning { stage, message } => {
                vec![format!("{} {}{}", self.style.mark(Mark::Warn), pad_name(stage), sanitize(message))]
            }
            Event::StepDone { step, detail, seconds } => {
                self.last_waiting.clear();
                vec![self.format_result(Mark::Pass, step, detail, *seconds)]
            }
            // The end of the run has the details.
            Event::StepFailed { step, reason, seconds } => {
                let first_line = reason.lines().next().unwrap_or_default();
                vec![self.format_result(Mark::Fail, step, first_line, *seconds)]
            }
            Event::Progress { step, detail, done, total } => vec![format_progress(step, detail, *done, *total)],
            Event::Waiting { step, ready, objects, .. } => self.format_waiting(step, *ready, objects),
        }
    }

    fn format_result(&self, mark: Mark, name: &str, detail: &str, seconds: f64) -> String {
        let (name, detail) = (pad_name(name), sanitize(detail));
        let detail = pad_to(&detail, self.style.width.saturating_sub(display_width(&name) + 12));
        format!("{} {name}{detail} {}", self.style.mark(mark), self.style.dim(&format!("{seconds:>6.1}s")))
    }

    fn format_waiting(&mut self, step: &str, ready: (usize, usize), objects: &[WaitingObject]) -> Vec<String> {
        let is_same = |a: &WaitingObject, b: &WaitingObject| {
            (&a.object, &a.progress, &a.reason) == (&b.object, &b.progress, &b.reason)
        };
        let changed_objects =
            objects.iter().filter(|object| !self.last_waiting.iter().any(|before| is_same(before, object)));
        let lines = changed_objects.map(|object| self.format_waiting_object(step, ready, object)).collect();
        self.last_waiting = objects.to_vec();
        lines
    }

    fn format_waiting_object(&self, step: &str, ready: (usize, usize), object: &WaitingObject) -> String {
        let mark = if object.terminal_seconds.is_some() { self.style.mark(Mark::Warn) } else { " ".to_owned() };
        let subject = format!("{} {}", object.object, object.progress);
        let text = format!("{}: {}", subject.trim_end(), object.reason);
        let counted = self.style.dim(&format!("({} of {} objects ready)", ready.0, ready.1));
        format!("{mark} {}{} {counted}", pad_name(step), sanitize(&text))
    }
}

/// A step's name as the first column. A longer name is followed by a space.
fn pad_name(name: &str) -> String {
    if name.chars().count() < NAME_COLUMN_WIDTH { format!("{name:<NAME_COLUMN_WIDTH$}") } else { format!("{name}  ") }
}

fn format_progress(step: &str, detail: &str, done: u64, total: u64) -> String {
    let of = if total > 0 { format!(" of {total}") } else { String::new() };
    format!("  {step:<NAME_COLUMN_WIDTH$}{}", sanitize(&format!("{detail}: {done}{of}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting_event(reason: &str) -> Event {
        let objects = vec![WaitingObject {
            object: "Deployment canvas".into(),
            progress: "1/2".into(),
            reason: reason.into(),
            terminal_seconds: None,
        }];
        Event::Waiting {
            step: "mural".into(),
            seconds: 1.0,
            limit_seconds: 60.0,
            grace_seconds: 60,
            ready: (5, 7),
            objects,
        }
    }

    #[test]
    fn unchanged_waiting_objects_print_no_line() {
        let mut renderer = HumanRenderer::new(Style::PLAIN);
        assert_eq!(
            renderer.render_event(&waiting_event("starting")),
            ["  mural       Deployment canvas 1/2: starting (5 of 7 objects ready)"]
        );
        assert!(renderer.render_event(&waiting_event("starting")).is_empty());
        assert_eq!(renderer.render_event(&waiting_event("ImagePullBackOff")).len(), 1);
    }

    #[test]
    fn an_end_is_one_line_with_its_time() {
        let event = Event::StepDone { step: "crds".into(), detail: "21 applied".into(), seconds: 1.94 };
        let lines = HumanRenderer::new(Style::PLAIN).render_event(&event);
        assert!(lines[0].starts_with("✔ crds        21 applied") && lines[0].ends_with("1.9s"), "{lines:?}");
    }
}
