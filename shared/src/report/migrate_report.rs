//! The result of a migration of stored versions.

use std::fmt::Write as _;

use serde::Serialize;

use super::style::{Mark, Style, sanitize};
use crate::checks::crd_changes::object_evidence::LostField;
use crate::model::crd::Crd;
use crate::model::migration::{MigrationPass, outdated_stored_versions};
use crate::model::text_format::format_count;
use crate::plan::API_VERSION;

/// How many failed objects the text output lists; `-o json` lists more.
const MAX_LISTED_FAILURES: usize = 10;

/// Who rewrote the objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum MigratedBy {
    /// The cluster's own `StorageVersionMigration`.
    Cluster {
        /// Objects that it reported as migrated but had not migrated: the plugin migrated them.
        missed_objects: u64,
    },
    /// The plugin, with empty patches.
    Plugin {
        /// Why the cluster did not migrate them.
        reason: String,
    },
}

/// Result of the migration of one CRD.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CrdMigrationResult {
    /// The CRD.
    pub name: String,
    /// The other versions in `status.storedVersions`.
    pub from_versions: Vec<String>,
    /// The storage version.
    pub storage_version: String,
    /// Who rewrote the objects.
    pub migrated_by: MigratedBy,
    /// Number of objects in the last pass.
    pub objects: u64,
    /// Objects that the plugin migrated.
    pub migrated_objects: u64,
    /// Objects whose managed fields named a removed version.
    pub repaired_objects: u64,
    /// Passes over all objects.
    pub passes: u64,
    /// Whether the last pass found every object in the storage version and `status.storedVersions` agrees.
    pub verified: bool,
    /// Objects that could not be written, each with the reason.
    pub failures: Vec<(String, String)>,
    /// The fields that the migration deletes for good, each with the number of objects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lost_fields: Vec<LostField>,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// How long it took.
    pub seconds: f64,
}

impl CrdMigrationResult {
    /// A result before the first pass.
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
            lost_fields: Vec::new(),
            dry_run: false,
            seconds: 0.0,
        }
    }

    /// Adds a pass.
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

    /// Whether the migration is verified, or a dry run was accepted for every object.
    #[must_use]
    pub fn is_successful(&self) -> bool {
        self.failures.is_empty() && (self.verified || self.dry_run)
    }

    /// One sentence.
    #[must_use]
    pub fn summarize(&self) -> String {
        let Self { migrated_objects: moved, repaired_objects: repaired, storage_version: to, .. } = self;
        let objects = format_count(usize::try_from(self.objects).unwrap_or(usize::MAX), "object");
        if self.dry_run && self.passes == 0 {
            return format!("its objects would be stored as {to}; --dry-run=server checks each on the API server");
        }
        if self.dry_run {
            return format!("{objects} would be stored as {to}; the API server accepts {}", self.format_accepted());
        }
        let migrated_by = match &self.migrated_by {
            MigratedBy::Cluster { missed_objects: 0 } => "migrated by the cluster".to_owned(),
            MigratedBy::Cluster { missed_objects: missed } => {
                format!("migrated by the cluster, which missed {missed}: migrated by the plugin")
            }
            MigratedBy::Plugin { .. } => format!("{moved} migrated by the plugin"),
        };
        let fields = if *repaired > 0 { format!(", managed fields of {repaired} repaired") } else { String::new() };
        let end = if self.verified { "verified" } else { "NOT verified" };
        format!("{objects} stored as {to}, {migrated_by}{fields}; {end}")
    }

    fn format_accepted(&self) -> String {
        match self.failures.len() {
            0 => "all".to_owned(),
            refused => format!("all but {refused}"),
        }
    }
}

/// The report of `helm mural crds migrate`.
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
    /// CRDs that list no other stored version and were skipped.
    pub skipped_crds: usize,
}

impl MigrateReport {
    /// Builds the report for these CRDs.
    #[must_use]
    pub fn new(cluster: &str, crds: Vec<CrdMigrationResult>, skipped_crds: usize) -> Self {
        Self { api_version: API_VERSION, kind: "CrdMigrate", cluster: cluster.to_owned(), crds, skipped_crds }
    }

    /// Whether every CRD was migrated or checked without a failure.
    #[must_use]
    pub fn is_successful(&self) -> bool {
        self.crds.iter().all(CrdMigrationResult::is_successful)
    }

    /// Renders the text output.
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
            for LostField { field, version, objects } in &crd.lost_fields {
                let verb = if crd.dry_run { "would lose" } else { "lost" };
                let text =
                    format!("{} {verb} {field}, which {version} does not have", format_count(*objects, "object"));
                let _ = writeln!(out, "    {} {}", style.mark(Mark::Warn), sanitize(&text));
            }
            for (object, reason) in crd.failures.iter().take(MAX_LISTED_FAILURES) {
                let _ = writeln!(out, "    {} {}: {}", style.mark(Mark::Fail), sanitize(object), sanitize(reason));
            }
            if crd.failures.len() > MAX_LISTED_FAILURES {
                let _ = writeln!(out, "    and {} more (-o json lists them)", crd.failures.len() - MAX_LISTED_FAILURES);
            }
        }
        if self.skipped_crds > 0 {
            let note = "without other stored versions; name a CRD to verify it anyway";
            let _ = writeln!(out, "{} {} {note}", style.mark(Mark::Skip), format_count(self.skipped_crds, "more CRD"));
        }
        out
    }
}
