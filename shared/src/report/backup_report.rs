//! The result of a backup of CRDs and custom resources, and of a restore from it.

use std::fmt::Write as _;

use serde::Serialize;

use super::columns::render_columns;
use super::style::{Mark, Style, sanitize};
use crate::model::backup_format::{BackupIndex, CrdBackup};
use crate::model::text_format::format_count;
use crate::plan::API_VERSION;

/// Rows of one kind in the text output; `-o json` lists all.
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

/// The report of `helm mural crds save`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupReport {
    /// The folder.
    pub folder: String,
    /// The index of the backup.
    #[serde(flatten)]
    pub index: BackupIndex,
}

impl BackupReport {
    /// Whether every kind could be read.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.index.crds.iter().all(|crd| crd.read_failure.is_none())
    }

    /// Renders the text output.
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
        let not = if self.is_complete() { "" } else { ", INCOMPLETE" };
        let (crds, objects) = (format_count(self.index.crds.len(), "CRD"), format_plural(objects, "object"));
        let folder = &self.folder;
        let _ = writeln!(out, "{mark} backed up {crds} and {objects} in {folder}{not}");
        let _ = writeln!(out, "  the backup may contain secrets: protect the folder accordingly");
        out
    }
}

/// Counts of the restored objects of one CRD.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CrdRestoreCounts {
    /// The CRD.
    pub name: String,
    /// Created.
    pub created: u64,
    /// Exist already, equal to the backup.
    pub unchanged: u64,
    /// Exist already with different content, and were not written.
    pub skipped: u64,
    /// Replaced by the object of the backup.
    pub overwritten: u64,
    /// Not restored.
    pub failed: u64,
}

/// An object whose owner does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MissingOwner {
    /// The object.
    pub object: String,
    /// The owner in its owner reference.
    pub owner: String,
}

/// An object that was not restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreFailure {
    /// The object.
    pub object: String,
    /// The API server's reason.
    pub reason: String,
}

/// The report of `helm mural crds restore`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreReport {
    /// `mural/v1`
    pub api_version: &'static str,
    /// `CrdRestore`
    pub kind: &'static str,
    /// The context.
    pub cluster: String,
    /// The context that the backup comes from.
    pub backup_cluster: String,
    /// When the restore ran.
    pub backup_created_at: jiff::Timestamp,
    /// CRDs that were created.
    pub crds_created: Vec<String>,
    /// CRDs that exist already and were not written.
    pub crds_skipped: Vec<String>,
    /// CRDs that were replaced by those of the backup.
    pub crds_overwritten: Vec<String>,
    /// The objects of each CRD.
    pub objects: Vec<CrdRestoreCounts>,
    /// Owner references that were left out.
    pub missing_owners: Vec<MissingOwner>,
    /// Objects that were not restored.
    pub failures: Vec<RestoreFailure>,
    /// CRDs whose objects the backup does not contain, because they could not be read.
    pub crds_not_in_backup: Vec<CrdBackup>,
}

impl RestoreReport {
    /// A report before the first object.
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

    /// Counts of all objects in one line.
    #[must_use]
    pub fn summarize(&self) -> String {
        let sum = |of: fn(&CrdRestoreCounts) -> u64| self.objects.iter().map(of).sum::<u64>();
        let (equal, overwritten, created) =
            (sum(|one| one.unchanged), sum(|one| one.overwritten), sum(|one| one.created));
        format!("{} overwritten, {created} created, {equal} unchanged", format_plural(overwritten, "object"))
    }

    /// The counts of this CRD.
    pub fn crd_counts_mut(&mut self, crd: &str) -> &mut CrdRestoreCounts {
        let at = self.objects.iter().position(|kind| kind.name == crd).unwrap_or_else(|| {
            self.objects.push(CrdRestoreCounts { name: crd.to_owned(), ..CrdRestoreCounts::default() });
            self.objects.len() - 1
        });
        &mut self.objects[at]
    }

    /// Whether every object of the backup was restored.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.failures.is_empty()
    }

    /// Renders the text output.
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
            let heading = ["NAME", "CREATED", "UNCHANGED", "SKIPPED", "OVERWRITTEN", "FAILED"];
            out = render_columns(&heading, &kinds.iter().map(row).collect::<Vec<Vec<String>>>()) + "\n";
        }
        self.write_problems(&mut out, style);
        let (created, skipped, overwritten) =
            (self.crds_created.len(), self.crds_skipped.len(), self.crds_overwritten.len());
        let mark = style.mark(if self.is_complete() { Mark::Pass } else { Mark::Fail });
        let _ = writeln!(out, "{mark} CRDs: {created} created, {skipped} exist already, {overwritten} overwritten");
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
            let _ = writeln!(out, "{warn} {object}: its owner {owner} does not exist; the owner reference is left out");
        }
        write_remainder(out, self.missing_owners.len());
        for crd in &self.crds_not_in_backup {
            let reason = sanitize(crd.read_failure.as_deref().unwrap_or_default());
            let _ = writeln!(out, "{warn} {} is incomplete in the backup: {reason}", style.bold(&sanitize(&crd.name)));
        }
        if self.objects.iter().any(|kind| kind.skipped > 0) {
            let _ =
                writeln!(out, "  objects that exist with different content were skipped; --overwrite replaces them");
        }
    }
}

/// `1 object`, `2 objects`.
fn format_plural(count: u64, one: &str) -> String {
    format_count(usize::try_from(count).unwrap_or(usize::MAX), one)
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
    fn sizes_have_one_decimal_and_a_unit() {
        assert_eq!([format_bytes(0), format_bytes(1023), format_bytes(1024)], ["0 B", "1023 B", "1.0 KiB"]);
        assert_eq!([format_bytes(3_250_586), format_bytes(5 << 40)], ["3.1 MiB", "5.0 TiB"]);
    }
}
