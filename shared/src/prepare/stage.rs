//! A stage before the first write, as it is told.

use std::time::Instant;

use crate::report::event::{Emit, Event};

/// One stage before the first write, told when it begins and when it is done.
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
