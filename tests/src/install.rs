//! `cargo sandbox install`: the sample charts, installed the way the vendor's page says.

use anyhow::{Result, bail};

/// What `cargo sandbox install` takes besides `--name`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {}

/// Not there yet.
///
/// # Errors
/// Always, until it is written.
pub fn run(_name: &str, _args: &Args) -> Result<()> {
    bail!("`cargo sandbox install` is not written yet")
}
