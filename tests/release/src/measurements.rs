//! Size and start-up time of a program, for the summary of `dist`.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// Number of starts; the shortest counts, because everything else on the machine only adds time.
const STARTS: u32 = 20;

/// The shortest time in which the program prints its version.
///
/// # Errors
/// The program does not start on this machine.
#[expect(clippy::disallowed_methods, reason = "a task of the developers; the ban is for the product")]
pub fn measure_start(program: &Path) -> Result<Duration> {
    let mut shortest = Duration::MAX;
    for _ in 0..STARTS {
        let began = Instant::now();
        let status = Command::new(program).arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).status();
        let status = status.with_context(|| format!("cannot start {}", program.display()))?;
        ensure!(status.success(), "{} --version: {status}", program.display());
        shortest = shortest.min(began.elapsed());
    }
    Ok(shortest)
}

/// `6.5 MB`, in units of 1000.
#[must_use]
pub fn format_size(bytes: usize) -> String {
    let tenths = bytes / 100_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_one_decimal() {
        assert_eq!(format_size(6_549_999), "6.5 MB");
        assert_eq!(format_size(40_000), "0.0 MB");
    }
}
