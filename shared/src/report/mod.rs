//! PURE: events in, text out. Renderers never compute; standard output is the answer, standard error is the talk.

pub mod back;
pub mod columns;
pub mod crd_check;
pub mod crds;
pub mod ending;
pub mod event;
pub mod human;
pub mod keep;
pub mod markdown;
pub mod migrate;
pub mod plan;
pub mod problem;
pub mod sarif;
pub mod status;
pub mod style;
pub mod upgrade;
pub mod validate;
