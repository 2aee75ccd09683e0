//! Changes of the names, the scope and the metadata of a CRD.

use crate::checks::crd_changes::{AffectedParty, ChangeCheck};
use crate::diff::NameChange;
use crate::model::check::{Card, Level, Section};

static IDENTITY_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "identity-changed",
        section: Section::CrdChanges,
        title: "a changed group, scope, kind or plural",
        level: Level::Error,
        why: "These fields are immutable in an established CRD. The API server rejects the CRD.",
        fix: "Create a new CRD with another name and move the objects to it.",
    },
    affects: AffectedParty::Server,
    source: "https://github.com/kubernetes/kubernetes/blob/v1.34.0/staging/src/k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation/validation.go",
};

static NAMES_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "names-changed",
        section: Section::CrdChanges,
        title: "a changed singular, list kind, short name or category",
        level: Level::Warning,
        why: "Scripts and people use these names. Typed clients decode lists by the list kind.",
        fix: "Keep the old names and add the new ones. Announce a name that you remove.",
    },
    affects: AffectedParty::Clients,
    source: "https://github.com/kubernetes/kubernetes/blob/v1.34.0/staging/src/k8s.io/apiextensions-apiserver/pkg/controller/status/naming_controller.go",
};

static METADATA_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "metadata-changed",
        section: Section::CrdChanges,
        title: "a changed label or annotation that a tool acts on",
        level: Level::Warning,
        why: "Without helm.sh/resource-policy: keep, helm deletes a CRD that leaves its manifest, with every object \
            of the kind. The cert-manager annotation fills in the CA of the conversion webhook.",
        fix: "Keep the annotation, or verify that no tool relies on it.",
    },
    affects: AffectedParty::Clients,
    source: "https://github.com/helm/helm/issues/7279",
};

/// The checks of this file, in the order of the documentation.
pub(crate) static CHECKS: &[&ChangeCheck] = &[&IDENTITY_CHANGED, &NAMES_CHANGED, &METADATA_CHANGED];

/// Selects the check of a change. The match is exhaustive: a new kind of change does not compile without a check.
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
