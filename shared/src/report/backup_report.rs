//! What was saved, and what was brought back.

use std::fmt::Write as _;

use serde::Serialize;

use super::columns::render_columns;
use super::style::{Mark, Style, sanitize};
use crate::model::backup_format::{BackupIndex, CrdBackup};
use crate::plan::API_VERSION;

/// Lines of one sort that a person is shown; `-o json` has all.
const MAX_LISTED_ROWS: usize = 20;

/// `3.1 MiB`
#[must_use]
pub fn format_bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let (mut tenths, mut unit) = (count * 10 / 1024, 0);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        (tenths, unit) = (tenths / 1024, unit + 1);
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// The answer of `helm mural crds save`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupReport {
    /// The folder.
    pub folder: String,
    /// What is in it.
    #[serde(flatten)]
    pub index: BackupIndex,
}

impl BackupReport {
    /// Whether every kind could be read.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.index.crds.iter().all(|crd| crd.read_failure.is_none())
    }

    /// For a person.
    #[must_use]
    pub fn render_table(&self, style: Style) -> String {
        let kinds: Vec<&CrdBackup> = self.index.crds.iter().filter(|crd| crd.objects > 0).collect();
        let row = |crd: &&CrdBackup| vec![sanitize(&crd.name), crd.version.clone(), crd.objects.to_string()];
        let mut out = String::new();
        if !kinds.is_empty() {
            out = render_columns(&["NAME", "VERSION", "OBJECTS"], &kinds.iter().map(row).collect::<Vec<_>>()) + "\n";
        }
        for crd in &self.index.crds {
            if let Some(reason) = &crd.read_failure {
                let (mark, name) = (style.mark(Mark::Unknown), style.bold(&sanitize(&crd.name)));
                let _ = writeln!(out, "{mark} {name} could not be read: {}", sanitize(reason));
            }
        }
        let objects: u64 = self.index.crds.iter().map(|crd| crd.objects).sum();
        let mark = style.mark(if self.is_complete() { Mark::Pass } else { Mark::Fail });
        let not = if self.is_complete() { "" } else { ", NOT whole" };
        let (count, folder) = (self.index.crds.len(), &self.folder);
        let _ = writeln!(out, "{mark} saved {count} CRDs and {objects} objects in {folder}{not}");
        let _ = writeln!(out, "  they may hold secrets: keep the folder as you keep those");
        out
    }
}

/// What became of the objects of one CRD.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CrdRestoreCounts {
    /// The CRD.
    pub name: String,
    /// Made.
    pub created: u64,
    /// There already, just as saved.
    pub unchanged: u64,
    /// There already with other content, and left.
    pub skipped: u64,
    /// Replaced by what was saved.
    pub overwritten: u64,
    /// Not brought back.
    pub failed: u64,
}

/// An object whose owner is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MissingOwner {
    /// The object.
    pub object: String,
    /// The owner that it named.
    pub owner: String,
}

/// An object that was not brought back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreFailure {
    /// The object.
    pub object: String,
    /// Why, in the server's words.
    pub reason: String,
}

/// The answer of `helm mural crds restore`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreReport {
    /// `mural/v1`
    pub api_version: &'static str,
    /// `CrdRestore`
    pub kind: &'static str,
    /// The context.
    pub cluster: String,
    /// The context that it was saved from.
    pub backup_cluster: String,
    /// When.
    pub backup_created_at: jiff::Timestamp,
    /// CRDs that were made.
    pub crds_created: Vec<String>,
    /// CRDs that were there and stay as they are.
    pub crds_skipped: Vec<String>,
    /// CRDs that were replaced by what was saved.
    pub crds_overwritten: Vec<String>,
    /// The objects of each CRD.
    pub objects: Vec<CrdRestoreCounts>,
    /// Links to owners that were left out.
    pub missing_owners: Vec<MissingOwner>,
    /// What was not brought back.
    pub failures: Vec<RestoreFailure>,
    /// What the save never held, since it could not be read then.
    pub crds_not_in_backup: Vec<CrdBackup>,
}

impl RestoreReport {
    /// Nothing done yet.
    #[must_use]
    pub fn new(cluster: &str, index: &BackupIndex) -> Self {
        Self {
            api_version: API_VERSION,
            kind: "CrdRestore",
            cluster: cluster.to_owned(),
            backup_cluster: index.cluster.clone(),
            backup_created_at: index.created_at,
            crds_created: Vec::new(),
            crds_skipped: Vec::new(),
            crds_overwritten: Vec::new(),
            objects: index
                .crds
                .iter()
                .map(|crd| CrdRestoreCounts { name: crd.name.clone(), ..CrdRestoreCounts::default() })
                .collect(),
            missing_owners: Vec::new(),
            failures: Vec::new(),
            crds_not_in_backup: index.crds.iter().filter(|crd| crd.read_failure.is_some()).cloned().collect(),
        }
    }

    /// What was done with the objects, in a few words.
    #[must_use]
    pub fn summarize(&self) -> String {
        let sum = |of: fn(&CrdRestoreCounts) -> u64| self.objects.iter().map(of).sum::<u64>();
        let (equal, overwritten, created) =
            (sum(|one| one.unchanged), sum(|one| one.overwritten), sum(|one| one.created));
        format!("{overwritten} objects written back, {created} made anew, {equal} as they were")
    }

    /// The line of this CRD.
    pub fn crd_counts_mut(&mut self, crd: &str) -> &mut CrdRestoreCounts {
        let at = self.objects.iter().position(|kind| kind.name == crd).unwrap_or_else(|| {
            self.objects.push(CrdRestoreCounts { name: crd.to_owned(), ..CrdRestoreCounts::default() });
            self.objects.len() - 1
        });
        &mut self.objects[at]
    }

    /// Whether everything is back that was saved.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.failures.is_empty()
    }

    /// For a person.
    #[must_use]
    pub fn render_table(&self, style: Style) -> String {
        let numbers =
            |kind: &CrdRestoreCounts| [kind.created, kind.unchanged, kind.skipped, kind.overwritten, kind.failed];
        let kinds: Vec<&CrdRestoreCounts> =
            self.objects.iter().filter(|kind| numbers(kind).iter().any(|n| *n > 0)).collect();
        let row = |kind: &&CrdRestoreCounts| {
            std::iter::once(sanitize(&kind.name)).chain(numbers(kind).iter().map(u64::to_string)).collect()
        };
        let mut out = String::new();
        if !kinds.is_empty() {
            let heading = ["NAME", "CREATED", "EQUAL", "LEFT", "OVERWRITTEN", "FAILED"];
            out = render_columns(&heading, &kinds.iter().map(row).collect::<Vec<Vec<String>>>()) + "\n";
        }
        self.write_problems(&mut out, style);
        let (created, left, replaced) = (self.crds_created.len(), self.crds_skipped.len(), self.crds_overwritten.len());
        let mark = style.mark(if self.is_complete() { Mark::Pass } else { Mark::Fail });
        let _ = writeln!(out, "{mark} CRDs: {created} created, {left} there already, {replaced} overwritten");
        out
    }

    fn write_problems(&self, out: &mut String, style: Style) {
        let (fail, warn) = (style.mark(Mark::Fail), style.mark(Mark::Warn));
        for failure in self.failures.iter().take(MAX_LISTED_ROWS) {
            let _ = writeln!(out, "{fail} {}: {}", style.bold(&sanitize(&failure.object)), sanitize(&failure.reason));
        }
        write_remainder(out, self.failures.len());
        for link in self.missing_owners.iter().take(MAX_LISTED_ROWS) {
            let (object, owner) = (style.bold(&sanitize(&link.object)), sanitize(&link.owner));
            let _ = writeln!(out, "{warn} {object}: its owner {owner} is not there, so the link is left out");
        }
        write_remainder(out, self.missing_owners.len());
        for crd in &self.crds_not_in_backup {
            let reason = sanitize(crd.read_failure.as_deref().unwrap_or_default());
            let _ = writeln!(out, "{warn} {} was not saved whole: {reason}", style.bold(&sanitize(&crd.name)));
        }
        if self.objects.iter().any(|kind| kind.skipped > 0) {
            let _ = writeln!(out, "  what is there with other content was left; --overwrite replaces it");
        }
    }
}

fn write_remainder(out: &mut String, count: usize) {
    if count > MAX_LISTED_ROWS {
        let _ = writeln!(out, "  and {} more (-o json lists them)", count - MAX_LISTED_ROWS);
    }
}

#[cfg(test)]
mod tests {
    use super::format_bytes;

    #[test]
    fn sizes_are_told_shortly() {
        assert_eq!([format_bytes(0), format_bytes(1023), format_bytes(1024)], ["0 B", "1023 B", "1.0 KiB"]);
        assert_eq!([format_bytes(3_250_586), format_bytes(5 << 40)], ["3.1 MiB", "5.0 TiB"]);
    }
}
