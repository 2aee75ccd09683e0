//! A stage before the first write, with its events.

use std::time::Instant;

use crate::report::event::{Emit, Event};

/// One stage before the first write: emits an event when it starts and one when it is done.
pub(crate) struct Stage<'a> {
    emit: Emit<'a>,
    stage: &'static str,
    began: Instant,
}

impl<'a> Stage<'a> {
    pub(crate) fn begin(emit: Emit<'a>, stage: &'static str, detail: &str) -> Self {
        emit(Event::StageStarted { stage, detail: detail.to_owned() });
        Self { emit, stage, began: Instant::now() }
    }

    pub(crate) fn finish(self, detail: String) {
        (self.emit)(Event::StageDone { stage: self.stage, detail, seconds: self.began.elapsed().as_secs_f64() });
    }
}
