//! Changes of versions, and which of them is served and stored.

use crate::checks::crd_changes::{Check, Hurts};
use crate::diff::VersionChange;
use crate::model::check::{Card, Level, Section};

/// Every stored version stays in the CRD.
static STORED_REMOVED: Check = Check {
    card: Card {
        id: "stored-version-removed",
        section: Section::Changes,
        title: "every stored version stays in the CRD",
        level: Level::Error,
        why: "Objects may still be stored in it, and without the version nobody can read them: the API server refuses the CRD as long as status.storedVersions names it.",
        fix: "Let its objects be moved first: helm mural crds apply CHART --migrate, or kubectl mural upgrade --migrate. A chart keeps the version until they are.",
    },
    hurts: Hurts::Server,
    source: "crdify storedVersionRemoval; kapp NoStoredVersionRemoved; validation.go",
};

/// No version goes.
static REMOVED: Check = Check {
    card: Card {
        id: "version-removed",
        section: Section::Changes,
        title: "no version goes",
        level: Level::Error,
        why: "Clients of that version get 404 for ever, manifests in it no longer apply, and managedFields that name it can make later writes fail.",
        fix: "Keep it one release longer, deprecated and not served, and tell who uses it.",
    },
    hurts: Hurts::Clients,
    source: "crds.md 1.3; Sherpack RemoveVersion",
};

/// Every served version stays served.
static UNSERVED: Check = Check {
    card: Card {
        id: "version-unserved",
        section: Section::Changes,
        title: "every served version stays served",
        level: Level::Error,
        why: "Clients of that version get 404 at once, their watches end, and manifests in it no longer apply.",
        fix: "Find who uses it (managedFields, stored manifests, API server metrics), move them, then stop serving it.",
    },
    hurts: Hurts::Clients,
    source: "crds.md 1.3",
};

/// Versions are added.
static ADDED: Check = Check {
    card: Card {
        id: "version-added",
        section: Section::Changes,
        title: "versions are added",
        level: Level::Info,
        why: "A new version changes nothing for those who use the old ones.",
        fix: "Nothing has to be done.",
    },
    hurts: Hurts::Nobody,
    source: "C.6",
};

/// The storage version stays.
static STORAGE: Check = Check {
    card: Card {
        id: "storage-version-moved",
        section: Section::Changes,
        title: "the storage version stays",
        level: Level::Warning,
        why: "From its next write on an object is stored in the new version, and loses what that version does not know; until then it stays in the old one, which cannot be dropped.",
        fix: "Migrate before the old version goes: helm mural crds migrate NAME.",
    },
    hurts: Hurts::Objects,
    source: "crds.md 1.3",
};

/// Versions are deprecated.
static DEPRECATED: Check = Check {
    card: Card {
        id: "version-deprecated",
        section: Section::Changes,
        title: "versions are deprecated",
        level: Level::Info,
        why: "Who uses a deprecated version is warned with every request.",
        fix: "Move to the newer version before this one goes.",
    },
    hurts: Hurts::Clients,
    source: "C.6",
};

/// Every version keeps its schema.
static SCHEMA: Check = Check {
    card: Card {
        id: "schema-dropped",
        section: Section::Changes,
        title: "every version keeps its schema",
        level: Level::Error,
        why: "A schema that comes begins to validate and prune what nobody validated before; one that goes ends both.",
        fix: "Look at the live objects first: helm mural crds check CHART.",
    },
    hurts: Hurts::Objects,
    source: "crds.md 1.3",
};

/// The checks of this file.
pub(crate) static ALL: &[&Check] = &[&STORED_REMOVED, &REMOVED, &UNSERVED, &ADDED, &STORAGE, &DEPRECATED, &SCHEMA];

/// Which check judges a change. Every kind of change has one: the compiler sees to it.
pub(crate) const fn claim(change: &VersionChange) -> &'static Check {
    match change {
        VersionChange::Removed { storage: true, .. } => &STORED_REMOVED,
        VersionChange::Removed { .. } => &REMOVED,
        VersionChange::Unserved => &UNSERVED,
        VersionChange::Added { .. } | VersionChange::Served => &ADDED,
        VersionChange::StorageMoved { .. } => &STORAGE,
        VersionChange::Deprecated { .. }
        | VersionChange::DeprecationWithdrawn
        | VersionChange::WarningChanged { .. } => &DEPRECATED,
        VersionChange::SchemaAdded { .. }
        | VersionChange::SchemaRemoved { .. }
        | VersionChange::KeepsUnknown { .. } => &SCHEMA,
    }
}
