//! What became of stored versions.

use std::fmt::Write as _;

use serde::Serialize;

use super::style::{Mark, Style, sanitize};
use crate::model::crd::Crd;
use crate::model::migration::{MigrationPass, outdated_stored_versions};
use crate::plan::API_VERSION;

/// Objects that a person is shown by name; `-o json` has more.
const MAX_LISTED_FAILURES: usize = 10;

/// Who rewrote the objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum MigratedBy {
    /// The cluster's own `StorageVersionMigration`.
    Cluster {
        /// Objects that it said it had moved, and had not: we moved them.
        missed_objects: u64,
    },
    /// We, with empty patches.
    Plugin {
        /// Why not the cluster.
        reason: String,
    },
}

/// What became of the objects of one CRD.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CrdMigrationResult {
    /// The CRD.
    pub name: String,
    /// The versions that it claimed objects might be stored in, besides `to`.
    pub from_versions: Vec<String>,
    /// The storage version.
    pub storage_version: String,
    /// Who rewrote the objects.
    pub migrated_by: MigratedBy,
    /// How many objects there were, in the last walk.
    pub objects: u64,
    /// How many we moved.
    pub migrated_objects: u64,
    /// Objects whose managed fields named a version that is gone.
    pub repaired_objects: u64,
    /// Walks over all objects.
    pub passes: u64,
    /// Whether the last walk found every object stored as it should be, and `storedVersions` says so too.
    pub verified: bool,
    /// Objects that could not be written.
    pub failures: Vec<(String, String)>,
    /// Nothing was written.
    pub dry_run: bool,
    /// How long it took.
    pub seconds: f64,
}

impl CrdMigrationResult {
    /// Nothing done yet.
    #[must_use]
    pub fn new(crd: &Crd) -> Self {
        Self {
            name: crd.name().to_owned(),
            from_versions: outdated_stored_versions(crd),
            storage_version: crd.storage_version().to_owned(),
            migrated_by: MigratedBy::Plugin { reason: String::new() },
            objects: 0,
            migrated_objects: 0,
            repaired_objects: 0,
            passes: 0,
            verified: false,
            failures: Vec::new(),
            dry_run: false,
            seconds: 0.0,
        }
    }

    /// Adds a walk.
    pub fn add_pass(&mut self, walk: &MigrationPass) {
        self.passes += 1;
        self.objects = walk.objects;
        self.migrated_objects += walk.migrated_objects;
        self.repaired_objects += walk.repaired_objects;
        self.failures.clone_from(&walk.failures);
        if let MigratedBy::Cluster { missed_objects: left_behind } = &mut self.migrated_by {
            *left_behind += walk.migrated_objects;
        }
    }

    /// Whether it went well: proved, or, asked for a dry-run, no object refused.
    #[must_use]
    pub fn is_successful(&self) -> bool {
        self.failures.is_empty() && (self.verified || self.dry_run)
    }

    /// One sentence.
    #[must_use]
    pub fn summarize(&self) -> String {
        let Self { objects, migrated_objects: moved, repaired_objects: repaired, storage_version: to, .. } = self;
        if self.dry_run && self.passes == 0 {
            return format!("its objects would be stored as {to}; --dry-run=server asks the server for each");
        }
        if self.dry_run {
            return format!("{objects} objects would be stored as {to}; the server takes {}", self.format_accepted());
        }
        let migrated_by = match &self.migrated_by {
            MigratedBy::Cluster { missed_objects: 0 } => "by the cluster".to_owned(),
            MigratedBy::Cluster { missed_objects: left_behind } => {
                format!("by the cluster, which left {left_behind} behind: moved by us")
            }
            MigratedBy::Plugin { .. } => format!("{moved} moved by us"),
        };
        let fields = if *repaired > 0 { format!(", managed fields of {repaired} repaired") } else { String::new() };
        let end = if self.verified { "proved by a last walk" } else { "NOT proved" };
        format!("{objects} objects stored as {to}, {migrated_by}{fields}; {end}")
    }

    fn format_accepted(&self) -> String {
        match self.failures.len() {
            0 => "all".to_owned(),
            refused => format!("all but {refused}"),
        }
    }
}

/// The answer of `helm mural crds migrate`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MigrateReport {
    /// `mural/v1`
    pub api_version: &'static str,
    /// `CrdMigrate`
    pub kind: &'static str,
    /// The context.
    pub cluster: String,
    /// The CRDs that were migrated.
    pub crds: Vec<CrdMigrationResult>,
    /// How many CRDs say that nothing is left behind, and were not walked.
    pub skipped_crds: usize,
}

impl MigrateReport {
    /// The answer for these CRDs.
    #[must_use]
    pub fn new(cluster: &str, crds: Vec<CrdMigrationResult>, skipped_crds: usize) -> Self {
        Self { api_version: API_VERSION, kind: "CrdMigrate", cluster: cluster.to_owned(), crds, skipped_crds }
    }

    /// Whether every CRD went well.
    #[must_use]
    pub fn is_successful(&self) -> bool {
        self.crds.iter().all(CrdMigrationResult::is_successful)
    }

    /// For a person.
    #[must_use]
    pub fn render_table(&self, style: Style) -> String {
        let mut out = String::new();
        for crd in &self.crds {
            let mark = style.mark(if crd.is_successful() { Mark::Pass } else { Mark::Fail });
            let from = if crd.from_versions.is_empty() {
                String::new()
            } else {
                format!("{} → ", crd.from_versions.join(", "))
            };
            let _ = writeln!(out, "{mark} {}  {from}{}", style.bold(&sanitize(&crd.name)), crd.storage_version);
            let _ = writeln!(out, "    {}", crd.summarize());
            if let MigratedBy::Plugin { reason: because } = &crd.migrated_by
                && !because.is_empty()
            {
                let _ = writeln!(out, "    {}", style.dim(&sanitize(&format!("not by the cluster: {because}"))));
            }
            for (object, reason) in crd.failures.iter().take(MAX_LISTED_FAILURES) {
                let _ = writeln!(out, "    {} {}: {}", style.mark(Mark::Fail), sanitize(object), sanitize(reason));
            }
            if crd.failures.len() > MAX_LISTED_FAILURES {
                let _ = writeln!(out, "    and {} more (-o json lists them)", crd.failures.len() - MAX_LISTED_FAILURES);
            }
        }
        if self.skipped_crds > 0 {
            let note = "other CRDs claim that nothing is left behind; name one to have it proved";
            let _ = writeln!(out, "{} {} {note}", style.mark(Mark::Skip), self.skipped_crds);
        }
        out
    }
}
