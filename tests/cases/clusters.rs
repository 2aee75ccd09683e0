//! The sandboxes of the cases: each starts with the first case that needs it, and is emptied before every case.

use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use mural_tests::harness;
use mural_tests::sandbox::{Options, Sandbox, Snapshot};

/// Suits two cores: a case mostly waits for its control plane.
const DEFAULT_COUNT: usize = 2;

/// As many cases run at the same time as there are sandboxes.
pub struct Clusters {
    free: Mutex<Vec<Cluster>>,
    count: usize,
}

struct Cluster {
    name: String,
    /// The control plane without any object of a case; none before the first start.
    empty: Option<Snapshot>,
}

impl Clusters {
    /// # Errors
    /// The setting of their number is wrong.
    pub fn new() -> Result<Self> {
        harness::remove_orphaned_sandboxes();
        let count = harness::cluster_count(DEFAULT_COUNT)?;
        let all = (1..=count).map(|at| Cluster { name: harness::sandbox_name(&at.to_string()), empty: None }).collect();
        Ok(Self { free: Mutex::new(all), count })
    }

    pub fn count(&self) -> usize {
        self.count
    }

    /// Runs a case on an empty sandbox with this helm.
    ///
    /// # Errors
    /// The sandbox does not start, or the case fails.
    pub fn run(&self, helm: &str, case: impl FnOnce(&Sandbox) -> Result<()>) -> Result<()> {
        let free = || self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut cluster = free().pop().context("more cases at once than sandboxes")?;
        let result = cluster.empty_with(helm).context("no empty sandbox").and_then(|sandbox| case(&sandbox));
        free().push(cluster);
        result
    }

    /// Stops every sandbox.
    ///
    /// # Errors
    /// One does not stop.
    pub fn down(&self) -> Result<()> {
        let all = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let down: Vec<Result<()>> = all.iter().map(|cluster| Sandbox::down_by_name(&cluster.name)).collect();
        down.into_iter().collect()
    }
}

impl Cluster {
    fn empty_with(&mut self, helm: &str) -> Result<Sandbox> {
        let options = Options { helm: Some(helm.to_owned()), ..Options::with_name(&self.name) };
        let sandbox = Sandbox::up(&options)?;
        match &self.empty {
            Some(empty) => sandbox.restore(empty)?,
            None => self.empty = Some(sandbox.snapshot("empty")?),
        }
        Ok(sandbox)
    }
}
