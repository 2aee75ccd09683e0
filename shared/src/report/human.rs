//! The event stream for a person: one line a change, with marks. Repeats itself never; a terminal's own redrawing is the plugin's.

use super::event::{Event, WaitingFor};
use super::style::{Mark, Style, columns_of, harmless, padded};

/// The width of the column of step names.
const NAME: usize = 12;

/// Turns events into lines. Remembers only what it said last, so as not to repeat it.
#[derive(Debug)]
pub struct Human {
    style: Style,
    waiting: Vec<WaitingFor>,
}

impl Human {
    /// A renderer that has said nothing yet.
    #[must_use]
    pub const fn new(style: Style) -> Self {
        Self { style, waiting: Vec::new() }
    }

    /// The lines that an event is worth; none where it says nothing new.
    pub fn lines(&mut self, event: &Event) -> Vec<String> {
        match event {
            Event::StageStarted { .. } | Event::StepStarted { .. } => Vec::new(),
            Event::StageDone { stage, detail, seconds } => vec![self.done(Mark::Pass, stage, detail, *seconds)],
            Event::StepDone { step, detail, seconds } => {
                self.waiting.clear();
                vec![self.done(Mark::Pass, step, detail, *seconds)]
            }
            Event::StepFailed { step, reason, seconds } => vec![self.done(Mark::Fail, step, reason, *seconds)],
            Event::Progress { step, detail, done, total } => vec![progress(step, detail, *done, *total)],
            Event::Waiting { step, ready, objects, .. } => self.waiting(step, *ready, objects),
        }
    }

    fn done(&self, mark: Mark, name: &str, detail: &str, seconds: f64) -> String {
        let (name, detail) = (column(name), harmless(detail));
        let detail = padded(&detail, self.style.width.saturating_sub(columns_of(&name) + 12));
        format!("{} {name}{detail} {}", self.style.mark(mark), self.style.dim(&format!("{seconds:>6.1}s")))
    }

    fn waiting(&mut self, step: &str, ready: (usize, usize), objects: &[WaitingFor]) -> Vec<String> {
        let same =
            |a: &WaitingFor, b: &WaitingFor| (&a.object, &a.progress, &a.reason) == (&b.object, &b.progress, &b.reason);
        let news = objects.iter().filter(|object| !self.waiting.iter().any(|before| same(before, object)));
        let lines = news.map(|object| self.one(step, ready, object)).collect();
        self.waiting = objects.to_vec();
        lines
    }

    fn one(&self, step: &str, ready: (usize, usize), object: &WaitingFor) -> String {
        let mark = if object.terminal_seconds.is_some() { self.style.mark(Mark::Warn) } else { " ".to_owned() };
        let text = format!("{} {} {}", object.object, object.progress, object.reason);
        let counted = self.style.dim(&format!("({} of {} ready)", ready.0, ready.1));
        format!("{mark} {}{} {counted}", column(step), harmless(&text.replace("  ", " ")))
    }
}

/// A step's name as the first column; one that is longer keeps a gap.
fn column(name: &str) -> String {
    if name.chars().count() < NAME { format!("{name:<NAME$}") } else { format!("{name}  ") }
}

fn progress(step: &str, detail: &str, done: u64, total: u64) -> String {
    let of = if total > 0 { format!(" of {total}") } else { String::new() };
    format!("  {step:<NAME$}{}", harmless(&format!("{detail}: {done}{of}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(reason: &str) -> Event {
        let objects = vec![WaitingFor {
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
    fn what_was_said_is_not_said_again() {
        let mut human = Human::new(Style::PLAIN);
        assert_eq!(human.lines(&waiting("starting")), ["  mural       Deployment canvas 1/2 starting (5 of 7 ready)"]);
        assert!(human.lines(&waiting("starting")).is_empty());
        assert_eq!(human.lines(&waiting("ImagePullBackOff")).len(), 1);
    }

    #[test]
    fn an_end_is_one_line_with_its_time() {
        let event = Event::StepDone { step: "crds".into(), detail: "21 applied".into(), seconds: 1.94 };
        let lines = Human::new(Style::PLAIN).lines(&event);
        assert!(lines[0].starts_with("✔ crds        21 applied") && lines[0].ends_with("1.9s"), "{lines:?}");
    }
}
