//! What the test tiers with a control plane have in common: their settings and the names of their sandboxes.

use std::env;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::sandbox::{self, Sandbox};

/// With `1`, no test that needs a control plane runs.
pub const SKIP_ENV: &str = "MURAL_SKIP_CLUSTER";
/// The number of sandboxes that run tests at the same time.
pub const CLUSTER_COUNT_ENV: &str = "MURAL_TEST_CLUSTERS";
/// Followed by the process id of the test run, so that an orphaned sandbox can be recognized and removed.
const SANDBOX_PREFIX: &str = "test-";

/// Whether an environment variable is `1`.
#[must_use]
pub fn is_set(name: &str) -> bool {
    env::var_os(name).is_some_and(|value| value == "1")
}

/// The number of sandboxes: `MURAL_TEST_CLUSTERS`, or the tier's default.
///
/// # Errors
/// The variable is no number above 0.
pub fn cluster_count(default: usize) -> Result<usize> {
    let Some(setting) = env::var(CLUSTER_COUNT_ENV).ok().filter(|setting| !setting.is_empty()) else {
        return Ok(default);
    };
    let count = setting.parse().with_context(|| format!("{CLUSTER_COUNT_ENV}={setting} is not a number"))?;
    ensure!(count > 0, "{CLUSTER_COUNT_ENV} must be at least 1; to skip the tier, set {SKIP_ENV}=1");
    Ok(count)
}

/// The name of a sandbox of this process.
#[must_use]
pub fn sandbox_name(suffix: &str) -> String {
    format!("{SANDBOX_PREFIX}{}-{suffix}", std::process::id())
}

/// Removes sandboxes of test runs that were killed.
pub fn remove_orphaned_sandboxes() {
    for name in sandbox::names().unwrap_or_default() {
        let ours =
            name.strip_prefix(SANDBOX_PREFIX).map(|rest| rest.split_once('-').map_or(rest, |(process, _)| process));
        let process = ours.and_then(|process| process.parse::<u32>().ok());
        if process.is_some_and(|process| !Path::new(&format!("/proc/{process}")).exists()) {
            drop(Sandbox::down_by_name(&name));
        }
    }
}
