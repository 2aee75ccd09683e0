//! Versions: which there are, which is served, stored, deprecated.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::kind::Effect;
use super::outline::{Outline, VersionOutline};

/// A change of the list of versions, or of a version as a whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase")]
pub enum VersionChange {
    /// A new version.
    #[serde(rename = "version-added")]
    Added {
        /// Whether clients can use it.
        served: bool,
    },
    /// A version is gone. Refused where `status.storedVersions` still names it.
    #[serde(rename = "version-removed")]
    Removed {
        /// Whether clients could use it.
        served: bool,
        /// Whether objects were stored in it.
        storage: bool,
    },
    /// Clients can use it now.
    #[serde(rename = "version-served")]
    Served,
    /// Clients of this version get 404 from now on.
    #[serde(rename = "version-unserved")]
    Unserved,
    /// Objects are stored in another version from their next write on.
    #[serde(rename = "storage-version-moved")]
    StorageVersionChanged {
        /// Before.
        old: Option<String>,
        /// After.
        new: Option<String>,
    },
    /// Its users are warned from now on.
    #[serde(rename = "version-deprecated")]
    Deprecated {
        /// In these words, where the CRD has its own.
        warning: Option<String>,
    },
    /// Its users are warned no longer.
    #[serde(rename = "deprecation-withdrawn")]
    DeprecationWithdrawn,
    /// Other words of the warning.
    #[serde(rename = "deprecation-warning-changed")]
    WarningChanged {
        /// Before.
        old: Option<String>,
        /// After.
        new: Option<String>,
    },
    /// A schema for a version that had none: validation and pruning begin.
    #[serde(rename = "schema-added")]
    SchemaAdded {
        /// The schema.
        new: Value,
    },
    /// No schema any more.
    #[serde(rename = "schema-removed")]
    SchemaRemoved {
        /// The schema.
        old: Value,
    },
    /// `spec.preserveUnknownFields`: false begins pruning in every version, true is refused.
    #[serde(rename = "crd-preserve-unknown-fields-changed")]
    PreserveUnknownFieldsChanged {
        /// Before.
        old: bool,
        /// After.
        new: bool,
    },
}

impl VersionChange {
    /// How grave this can be.
    #[must_use]
    pub const fn effect(&self) -> Effect {
        match self {
            Self::DeprecationWithdrawn | Self::WarningChanged { .. } => Effect::Text,
            Self::Added { .. } | Self::Served | Self::Deprecated { .. } => Effect::Safe,
            // No client can read it, but managedFields may still name it (cluster-api's CRD migrator cleans those up).
            Self::Removed { served: false, storage: false } | Self::StorageVersionChanged { .. } => Effect::Risky,
            Self::Removed { .. }
            | Self::Unserved
            | Self::SchemaAdded { .. }
            | Self::SchemaRemoved { .. }
            | Self::PreserveUnknownFieldsChanged { .. } => Effect::Breaking,
        }
    }
}

impl fmt::Display for VersionChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name_or_none = |name: &Option<String>| name.clone().unwrap_or_else(|| "none".to_owned());
        match self {
            Self::Added { served: true } => f.write_str("version added"),
            Self::Added { served: false } => f.write_str("version added, not served"),
            Self::Removed { served, storage } => {
                let was = match (served, storage) {
                    (true, true) => " (it was served and the storage version)",
                    (false, true) => " (it was the storage version)",
                    (true, false) => " (it was served)",
                    (false, false) => " (it was not served)",
                };
                write!(f, "version removed{was}")
            }
            Self::Served => f.write_str("now served"),
            Self::Unserved => f.write_str("no longer served"),
            Self::StorageVersionChanged { old, new } => {
                write!(f, "storage version changed: {} → {}", name_or_none(old), name_or_none(new))
            }
            Self::Deprecated { warning: None } => f.write_str("now deprecated"),
            Self::Deprecated { warning: Some(words) } => write!(f, "now deprecated: {words}"),
            Self::DeprecationWithdrawn => f.write_str("no longer deprecated"),
            Self::WarningChanged { old, new } => {
                write!(f, "deprecation warning changed: {} → {}", name_or_none(old), name_or_none(new))
            }
            Self::SchemaAdded { .. } => f.write_str("schema added"),
            Self::SchemaRemoved { .. } => f.write_str("schema removed"),
            Self::PreserveUnknownFieldsChanged { new: false, .. } => {
                f.write_str("unknown fields are now pruned in every version")
            }
            Self::PreserveUnknownFieldsChanged { new: true, .. } => {
                f.write_str("unknown fields are now preserved in every version")
            }
        }
    }
}

/// Changes of the whole CRD.
pub(super) fn compare_crd(old: &Outline, new: &Outline) -> Vec<VersionChange> {
    let mut all = Vec::new();
    if old.preserves_unknown_fields != new.preserves_unknown_fields {
        all.push(VersionChange::PreserveUnknownFieldsChanged {
            old: old.preserves_unknown_fields,
            new: new.preserves_unknown_fields,
        });
    }
    let (before, after) = (old.storage_version(), new.storage_version());
    if before != after {
        let to_owned_name = |name: Option<&str>| name.map(str::to_owned);
        all.push(VersionChange::StorageVersionChanged { old: to_owned_name(before), new: to_owned_name(after) });
    }
    all
}

/// Changes of one version, which either side may lack.
pub(super) fn compare_version(old: Option<&VersionOutline>, new: Option<&VersionOutline>) -> Vec<VersionChange> {
    match (old, new) {
        (None, Some(new)) => vec![VersionChange::Added { served: new.served }],
        (Some(old), None) => vec![VersionChange::Removed { served: old.served, storage: old.storage }],
        (Some(old), Some(new)) => compare_both(old, new),
        (None, None) => Vec::new(),
    }
}

fn compare_both(old: &VersionOutline, new: &VersionOutline) -> Vec<VersionChange> {
    let mut all = Vec::new();
    match (old.served, new.served) {
        (false, true) => all.push(VersionChange::Served),
        (true, false) => all.push(VersionChange::Unserved),
        _ => {}
    }
    match (old.deprecated, new.deprecated) {
        (false, true) => all.push(VersionChange::Deprecated { warning: new.deprecation_warning.clone() }),
        (true, false) => all.push(VersionChange::DeprecationWithdrawn),
        _ if old.deprecation_warning != new.deprecation_warning => {
            all.push(VersionChange::WarningChanged {
                old: old.deprecation_warning.clone(),
                new: new.deprecation_warning.clone(),
            });
        }
        _ => {}
    }
    match (&old.schema, &new.schema) {
        (None, Some(new)) => all.push(VersionChange::SchemaAdded { new: new.clone() }),
        (Some(old), None) => all.push(VersionChange::SchemaRemoved { old: old.clone() }),
        _ => {}
    }
    all
}
