//! Changes of versions: which exist, are served, are deprecated, or are the storage version.

use crate::checks::crd_changes::{AffectedParty, ChangeCheck};
use crate::diff::VersionChange;
use crate::model::check::{Card, Level, Section};

static STORED_VERSION_REMOVED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "stored-version-removed",
        section: Section::CrdChanges,
        title: "a removed version that objects may still be stored in",
        level: Level::Error,
        why: "Objects that are stored in a removed version cannot be read. The API server rejects the CRD while \
            status.storedVersions lists the version.",
        fix: "Migrate the objects first: helm mural crds apply CHART --migrate, or kubectl mural upgrade --migrate. \
            Keep the version in the chart until then.",
    },
    affects: AffectedParty::Server,
    source: "https://github.com/kubernetes/kubernetes/blob/v1.34.0/staging/src/k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation/validation.go",
};

static VERSION_REMOVED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "version-removed",
        section: Section::CrdChanges,
        title: "a removed version",
        level: Level::Error,
        why: "Requests for the version get 404, and manifests in it no longer apply. managedFields entries of the \
            version can make later writes fail.",
        fix: "Keep the version for one more release, deprecated and not served. Announce the removal to its users.",
    },
    affects: AffectedParty::Clients,
    source: "https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/#version-removal",
};

static VERSION_UNSERVED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "version-unserved",
        section: Section::CrdChanges,
        title: "a version that is no longer served",
        level: Level::Error,
        why: "Requests for the version get 404 at once, watches on it end, and manifests in it no longer apply.",
        fix: "Find the clients of the version (managedFields, stored manifests, API server metrics) and move them \
            before it is no longer served.",
    },
    affects: AffectedParty::Clients,
    source: "https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/#version-removal",
};

static VERSION_ADDED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "version-added",
        section: Section::CrdChanges,
        title: "an added version",
        level: Level::Info,
        why: "A new version changes nothing for clients of the old ones.",
        fix: "Do nothing: the change is safe.",
    },
    affects: AffectedParty::None,
    source: "https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/#specify-multiple-versions",
};

static STORAGE_VERSION_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "storage-version-moved",
        section: Section::CrdChanges,
        title: "a changed storage version",
        level: Level::Warning,
        why: "An object moves to the new storage version with its next write and loses fields that this version \
            lacks. Until then it stays stored in the old version, which must not be removed.",
        fix: "Migrate the objects before the old version is removed: helm mural crds migrate NAME",
    },
    affects: AffectedParty::Objects,
    source: "https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/#upgrade-existing-objects-to-a-new-stored-version",
};

static VERSION_DEPRECATED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "version-deprecated",
        section: Section::CrdChanges,
        title: "a version that is deprecated, or no longer deprecated",
        level: Level::Info,
        why: "The API server sends a warning with every response in a deprecated version.",
        fix: "Move clients to a newer version before this one is removed.",
    },
    affects: AffectedParty::Clients,
    source: "https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/#version-deprecation",
};

static SCHEMA_REMOVED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "schema-removed",
        section: Section::CrdChanges,
        title: "a version that gains or loses its whole schema",
        level: Level::Error,
        why: "A new schema validates and prunes objects that were not validated before. Without a schema, both end.",
        fix: "Check the live objects: helm mural crds check CHART",
    },
    affects: AffectedParty::Objects,
    source: "https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema",
};

/// The checks of this file, in the order of the documentation.
pub(crate) static CHECKS: &[&ChangeCheck] = &[
    &STORED_VERSION_REMOVED,
    &VERSION_REMOVED,
    &VERSION_UNSERVED,
    &VERSION_ADDED,
    &STORAGE_VERSION_CHANGED,
    &VERSION_DEPRECATED,
    &SCHEMA_REMOVED,
];

/// Selects the check of a change. The match is exhaustive: a new kind of change does not compile without a check.
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
