//! Version, commit and date of a release, from Cargo.toml and git.
//!
//! The date is the commit's, or `SOURCE_DATE_EPOCH` (<https://reproducible-builds.org/specs/source-date-epoch/>), never the clock's.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;

/// What is the same for all files of a release.
#[derive(Debug, Clone)]
pub struct ReleaseInfo {
    /// The checkout.
    pub root: PathBuf,
    /// The version, without `v`.
    pub version: String,
    /// The short commit; `None` outside of a git checkout.
    pub commit: Option<String>,
    /// The time of every file in an archive, in seconds since 1970.
    pub epoch_seconds: u64,
    /// Where the repository is published, without a slash at the end.
    pub repository: String,
}

impl ReleaseInfo {
    /// Reads the information of this checkout.
    ///
    /// # Errors
    /// There is no date: neither git nor `SOURCE_DATE_EPOCH` has one.
    pub fn read(root: &Path, source_date_epoch: Option<&str>) -> Result<Self> {
        let git = |format: &str| read_git_log(root, format);
        let seconds = match source_date_epoch {
            Some(text) => text.parse().context("SOURCE_DATE_EPOCH is not a number of seconds")?,
            None => git("%ct").context("no date: run this in a git checkout, or set SOURCE_DATE_EPOCH")?.parse()?,
        };
        Ok(Self {
            root: root.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: git("%h").ok(),
            epoch_seconds: seconds,
            repository: env!("CARGO_PKG_REPOSITORY").to_owned(),
        })
    }

    /// The tag of the release: `v0.1.0`.
    #[must_use]
    pub fn tag(&self) -> String {
        format!("v{}", self.version)
    }

    /// The day of the release, `2026-11-30`, in UTC.
    ///
    /// # Errors
    /// The number of seconds is no date.
    pub fn date(&self) -> Result<String> {
        Ok(self.timestamp()?.strftime("%Y-%m-%d").to_string())
    }

    /// The time of the release.
    ///
    /// # Errors
    /// The number of seconds is no date.
    pub fn timestamp(&self) -> Result<Timestamp> {
        let seconds = i64::try_from(self.epoch_seconds)?;
        Timestamp::from_second(seconds).context("the time of the release is no date")
    }

    /// Where the file is published.
    #[must_use]
    pub fn download_url(&self, file: &str) -> String {
        format!("{}/releases/download/{}/{file}", self.repository, self.tag())
    }
}

fn read_git_log(root: &Path, format: &str) -> Result<String> {
    let arguments = ["log", "-1", "--abbrev=12", &format!("--format={format}")];
    #[expect(clippy::disallowed_methods, reason = "a task of the developers; the ban is for the product")]
    let output = Command::new("git").arg("-C").arg(root).args(arguments).output().context("cannot start git")?;
    ensure!(output.status.success(), "git log: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
