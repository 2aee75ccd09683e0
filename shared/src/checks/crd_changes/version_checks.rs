//! Changes of versions, and which of them is served and stored.

use crate::checks::crd_changes::{AffectedParty, ChangeCheck};
use crate::diff::VersionChange;
use crate::model::check::{Card, Level, Section};

/// Every stored version stays in the CRD.
static STORED_VERSION_REMOVED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "stored-version-removed",
        section: Section::CrdChanges,
        title: "every stored version stays in the CRD",
        level: Level::Error,
        why: "Objects may still be stored in it, and without the version nobody can read them: the API server refuses the CRD as long as status.storedVersions names it.",
        fix: "Let its objects be moved first: helm mural crds apply CHART --migrate, or kubectl mural upgrade --migrate. A chart keeps the version until they are.",
    },
    affects: AffectedParty::Server,
    source: "crdify storedVersionRemoval; kapp NoStoredVersionRemoved; validation.go",
};

/// No version goes.
static VERSION_REMOVED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "version-removed",
        section: Section::CrdChanges,
        title: "no version goes",
        level: Level::Error,
        why: "Clients of that version get 404 for ever, manifests in it no longer apply, and managedFields that name it can make later writes fail.",
        fix: "Keep it one release longer, deprecated and not served, and tell who uses it.",
    },
    affects: AffectedParty::Clients,
    source: "crds.md 1.3; Sherpack RemoveVersion",
};

/// Every served version stays served.
static VERSION_UNSERVED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "version-unserved",
        section: Section::CrdChanges,
        title: "every served version stays served",
        level: Level::Error,
        why: "Clients of that version get 404 at once, their watches end, and manifests in it no longer apply.",
        fix: "Find who uses it (managedFields, stored manifests, API server metrics), move them, then stop serving it.",
    },
    affects: AffectedParty::Clients,
    source: "crds.md 1.3",
};

/// Versions are added.
static VERSION_ADDED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "version-added",
        section: Section::CrdChanges,
        title: "versions are added",
        level: Level::Info,
        why: "A new version changes nothing for those who use the old ones.",
        fix: "Nothing has to be done.",
    },
    affects: AffectedParty::None,
    source: "C.6",
};

/// The storage version stays.
static STORAGE_VERSION_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "storage-version-moved",
        section: Section::CrdChanges,
        title: "the storage version stays",
        level: Level::Warning,
        why: "From its next write on an object is stored in the new version, and loses what that version does not know; until then it stays in the old one, which cannot be dropped.",
        fix: "Migrate before the old version goes: helm mural crds migrate NAME.",
    },
    affects: AffectedParty::Objects,
    source: "crds.md 1.3",
};

/// Versions are deprecated.
static VERSION_DEPRECATED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "version-deprecated",
        section: Section::CrdChanges,
        title: "versions are deprecated",
        level: Level::Info,
        why: "Who uses a deprecated version is warned with every request.",
        fix: "Move to the newer version before this one goes.",
    },
    affects: AffectedParty::Clients,
    source: "C.6",
};

/// Every version keeps its schema.
static SCHEMA_REMOVED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "schema-removed",
        section: Section::CrdChanges,
        title: "every version keeps its schema",
        level: Level::Error,
        why: "A schema that comes begins to validate and prune what nobody validated before; one that goes ends both.",
        fix: "Look at the live objects first: helm mural crds check CHART.",
    },
    affects: AffectedParty::Objects,
    source: "crds.md 1.3",
};

/// The checks of this file.
pub(crate) static CHECKS: &[&ChangeCheck] = &[
    &STORED_VERSION_REMOVED,
    &VERSION_REMOVED,
    &VERSION_UNSERVED,
    &VERSION_ADDED,
    &STORAGE_VERSION_CHANGED,
    &VERSION_DEPRECATED,
    &SCHEMA_REMOVED,
];

/// Which check judges a change. Every kind of change has one: the compiler sees to it.
pub(crate) const fn select_check(change: &VersionChange) -> &'static ChangeCheck {
    match change {
        VersionChange::Removed { storage: true, .. } => &STORED_VERSION_REMOVED,
        VersionChange::Removed { .. } => &VERSION_REMOVED,
        VersionChange::Unserved => &VERSION_UNSERVED,
        VersionChange::Added { .. } | VersionChange::Served => &VERSION_ADDED,
        VersionChange::StorageVersionChanged { .. } => &STORAGE_VERSION_CHANGED,
        VersionChange::Deprecated { .. }
        | VersionChange::DeprecationWithdrawn
        | VersionChange::WarningChanged { .. } => &VERSION_DEPRECATED,
        VersionChange::SchemaAdded { .. }
        | VersionChange::SchemaRemoved { .. }
        | VersionChange::PreserveUnknownFieldsChanged { .. } => &SCHEMA_REMOVED,
    }
}
