//! `cargo sandbox demo`: the whole story, told on a real control plane.

use anyhow::{Result, bail};

/// What `cargo sandbox demo` takes besides `--name`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {}

/// Not there yet.
///
/// # Errors
/// Always, until it is written.
pub fn run(_name: &str, _args: &Args) -> Result<()> {
    bail!("`cargo sandbox demo` is not written yet")
}
