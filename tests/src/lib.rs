//! The sandbox (a real control plane, registry, helm and kubectl on this machine) and the helpers of the test tiers.
//!
//! `cargo sandbox …` is [`cli`]. The tests themselves are in the folders beside `src`; see `tests/README.md`.
#![allow(
    clippy::disallowed_methods,
    reason = "this package starts real programs, reads the environment and builds its own clients; the bans are for the product"
)]

pub mod cli;
pub mod message;
pub mod parts;
pub mod sandbox;

pub mod charts;
pub mod flux;
pub mod install;

pub mod audit;
pub mod demo;
pub mod go_tool;
pub mod harness;
pub mod plugins;
pub mod proxy;
pub mod run_program;
pub mod scripted;
pub mod svg;
pub mod trial_release;
pub mod webhook;
