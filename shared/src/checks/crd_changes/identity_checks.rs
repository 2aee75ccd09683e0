//! Changes of what a CRD is called and where it stands.

use crate::checks::crd_changes::{AffectedParty, ChangeCheck};
use crate::diff::NameChange;
use crate::model::check::{Card, Level, Section};

/// Group, scope, kind and plural stay.
static IDENTITY_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "identity-changed",
        section: Section::CrdChanges,
        title: "group, scope, kind and plural stay",
        level: Level::Error,
        why: "The API server takes no other group, scope, kind or plural for an established CRD: the apply is refused.",
        fix: "Give the kind a new CRD under another name, and move its objects there.",
    },
    affects: AffectedParty::Server,
    source: "crdify scope; kapp NoScopeChange; validation.go ValidateUpdate",
};

/// The other names stay.
static NAMES_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "names-changed",
        section: Section::CrdChanges,
        title: "the other names stay",
        level: Level::Warning,
        why: "Scripts and people use singular, list kind, short names and categories; typed clients decode lists by the list kind.",
        fix: "Keep the old names beside the new ones where that is possible, and tell who uses them.",
    },
    affects: AffectedParty::Clients,
    source: "crds.md 1.3",
};

/// Labels and annotations that somebody acts on stay.
static METADATA_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "metadata-changed",
        section: Section::CrdChanges,
        title: "labels and annotations that somebody acts on stay",
        level: Level::Warning,
        why: "Without helm.sh/resource-policy: keep, helm deletes a CRD that leaves its manifest, with every object of the kind; cert-manager fills the conversion webhook from another.",
        fix: "Keep the annotation, or see that nobody relies on it.",
    },
    affects: AffectedParty::Clients,
    source: "helm/helm#7279; cert-manager cainjector",
};

/// The checks of this file.
pub(crate) static CHECKS: &[&ChangeCheck] = &[&IDENTITY_CHANGED, &NAMES_CHANGED, &METADATA_CHANGED];

/// Which check judges a change. Every kind of change has one: the compiler sees to it.
pub(crate) const fn select_check(change: &NameChange) -> &'static ChangeCheck {
    match change {
        NameChange::Group { .. } | NameChange::Scope { .. } | NameChange::Kind { .. } | NameChange::Plural { .. } => {
            &IDENTITY_CHANGED
        }
        NameChange::Singular { .. }
        | NameChange::ListKind { .. }
        | NameChange::ShortNames { .. }
        | NameChange::Categories { .. } => &NAMES_CHANGED,
        NameChange::Label { .. } | NameChange::Annotation { .. } => &METADATA_CHANGED,
    }
}
