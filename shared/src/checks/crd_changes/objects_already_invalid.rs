//! Objects that fit neither the old nor the new CRD.

use crate::checks::crd_changes::{AffectedParty, ChangeCheck};
use crate::model::check::{Card, Level, Section};

pub(crate) static CHECK: ChangeCheck = ChangeCheck {
    card: Card {
        id: "objects-already-invalid",
        section: Section::CrdChanges,
        title: "objects that fit neither the old nor the new CRD",
        level: Level::Warning,
        why: "The API server rejects such an object at a create, with the old CRD and with the new one. A stored object \
            stays, but updates that change the wrong field fail.",
        fix: "Correct the object in its file, or on the cluster.",
    },
    affects: AffectedParty::Objects,
    source: "https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-ratcheting",
};
