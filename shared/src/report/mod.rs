//! PURE: events in, text out. Renderers never compute; standard output is the answer, standard error is the talk.

pub mod style;
