//! The common crate of the mural plugins. One picture, read from left to right; data flows one way, nothing turns back.
//!
//! ```text
//!  ask ─► look ─► render ─► forecast ─► diff ─► judge ─► decide ─► plan file
//!        cluster   helm     server's    changes  checks,             │
//!        facts              dry-run     as data  objects streamed    │
//!                                                past the new schema ▼
//!              report (human · json · junit …) ◄── events ◄── run: step guard, act, prove, next
//! ```
//!
//! `look`, `render` and `forecast` read the cluster; `diff`, `checks` and `plan` are pure and see only values.
//! Without the feature `effects` only the pure modules compile: that is the purity fence.
//! The feature `cli` adds the edge that the plugins share: common flags, the environment, the streams.

pub mod problem;

pub mod model;

pub mod ask;

pub mod diff;

pub mod schema;

pub mod checks;

pub mod plan;

pub mod guards;

pub mod catalogue;

#[cfg(feature = "effects")]
pub mod tools;

#[cfg(feature = "effects")]
pub mod cluster;

pub mod prepare;

#[cfg(feature = "effects")]
pub mod run;

pub mod report;

#[cfg(feature = "cli")]
pub mod cli;
