//! What became of stored versions.

use std::fmt::Write as _;

use serde::Serialize;

use super::style::{Mark, Style, harmless};
use crate::model::crd::Crd;
use crate::model::migration::{Walk, left_behind};
use crate::plan::API_VERSION;

/// Objects that a person is shown by name; `-o json` has more.
const LISTED: usize = 10;

/// Who rewrote the objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum MovedBy {
    /// The cluster's own `StorageVersionMigration`.
    Cluster {
        /// Objects that it said it had moved, and had not: we moved them.
        left_behind: u64,
    },
    /// We, with empty patches.
    Us {
        /// Why not the cluster.
        because: String,
    },
}

/// What became of the objects of one CRD.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Migrated {
    /// The CRD.
    pub name: String,
    /// The versions that it claimed objects might be stored in, besides `to`.
    pub from: Vec<String>,
    /// The storage version.
    pub to: String,
    /// Who rewrote the objects.
    pub by: MovedBy,
    /// How many objects there were, in the last walk.
    pub objects: u64,
    /// How many we moved.
    pub moved: u64,
    /// Objects whose managed fields named a version that is gone.
    pub repaired: u64,
    /// Walks over all objects.
    pub walks: u64,
    /// Whether the last walk found every object stored as it should be, and `storedVersions` says so too.
    pub proved: bool,
    /// Objects that could not be written.
    pub failures: Vec<(String, String)>,
    /// Nothing was written.
    pub dry_run: bool,
    /// How long it took.
    pub seconds: f64,
}

impl Migrated {
    /// Nothing done yet.
    #[must_use]
    pub fn of(crd: &Crd) -> Self {
        Self {
            name: crd.name().to_owned(),
            from: left_behind(crd),
            to: crd.storage_version().to_owned(),
            by: MovedBy::Us { because: String::new() },
            objects: 0,
            moved: 0,
            repaired: 0,
            walks: 0,
            proved: false,
            failures: Vec::new(),
            dry_run: false,
            seconds: 0.0,
        }
    }

    /// Adds a walk.
    pub fn add(&mut self, walk: &Walk) {
        self.walks += 1;
        self.objects = walk.objects;
        self.moved += walk.moved;
        self.repaired += walk.repaired;
        self.failures.clone_from(&walk.failures);
        if let MovedBy::Cluster { left_behind } = &mut self.by {
            *left_behind += walk.moved;
        }
    }

    /// Whether it went well: proved, or, asked for a dry-run, no object refused.
    #[must_use]
    pub fn well(&self) -> bool {
        self.failures.is_empty() && (self.proved || self.dry_run)
    }

    /// One sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Self { objects, moved, repaired, to, .. } = self;
        if self.dry_run && self.walks == 0 {
            return format!("its objects would be stored as {to}; --dry-run=server asks the server for each");
        }
        if self.dry_run {
            return format!("{objects} objects would be stored as {to}; the server takes {}", self.taken());
        }
        let who = match &self.by {
            MovedBy::Cluster { left_behind: 0 } => "by the cluster".to_owned(),
            MovedBy::Cluster { left_behind } => format!("by the cluster, which left {left_behind} behind: moved by us"),
            MovedBy::Us { .. } => format!("{moved} moved by us"),
        };
        let fields = if *repaired > 0 { format!(", managed fields of {repaired} repaired") } else { String::new() };
        let end = if self.proved { "proved by a last walk" } else { "NOT proved" };
        format!("{objects} objects stored as {to}, {who}{fields}; {end}")
    }

    fn taken(&self) -> String {
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
    pub crds: Vec<Migrated>,
    /// How many CRDs say that nothing is left behind, and were not walked.
    pub clean: usize,
}

impl MigrateReport {
    /// The answer for these CRDs.
    #[must_use]
    pub fn new(cluster: &str, crds: Vec<Migrated>, clean: usize) -> Self {
        Self { api_version: API_VERSION, kind: "CrdMigrate", cluster: cluster.to_owned(), crds, clean }
    }

    /// Whether every CRD went well.
    #[must_use]
    pub fn well(&self) -> bool {
        self.crds.iter().all(Migrated::well)
    }

    /// For a person.
    #[must_use]
    pub fn table(&self, style: Style) -> String {
        let mut out = String::new();
        for crd in &self.crds {
            let mark = style.mark(if crd.well() { Mark::Pass } else { Mark::Fail });
            let from = if crd.from.is_empty() { String::new() } else { format!("{} → ", crd.from.join(", ")) };
            let _ = writeln!(out, "{mark} {}  {from}{}", style.bold(&harmless(&crd.name)), crd.to);
            let _ = writeln!(out, "    {}", crd.sentence());
            if let MovedBy::Us { because } = &crd.by
                && !because.is_empty()
            {
                let _ = writeln!(out, "    {}", style.dim(&harmless(&format!("not by the cluster: {because}"))));
            }
            for (object, reason) in crd.failures.iter().take(LISTED) {
                let _ = writeln!(out, "    {} {}: {}", style.mark(Mark::Fail), harmless(object), harmless(reason));
            }
            if crd.failures.len() > LISTED {
                let _ = writeln!(out, "    and {} more (-o json lists them)", crd.failures.len() - LISTED);
            }
        }
        if self.clean > 0 {
            let say = "other CRDs claim that nothing is left behind; name one to have it proved";
            let _ = writeln!(out, "{} {} {say}", style.mark(Mark::Skip), self.clean);
        }
        out
    }
}
