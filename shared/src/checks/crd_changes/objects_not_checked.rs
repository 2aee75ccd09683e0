//! Objects that could not be read, or whose rules could not all be evaluated.

use crate::checks::crd_changes::{AffectedParty, ChangeCheck};
use crate::model::check::{Card, Level, Section};

pub(crate) static CHECK: ChangeCheck = ChangeCheck {
    card: Card {
        id: "objects-not-checked",
        section: Section::CrdChanges,
        title: "objects that could not be read or validated",
        level: Level::Error,
        why: "Objects can be unreadable (forbidden, or the conversion webhook does not answer), or a rule cannot be \
            evaluated here. Unchecked objects never count as safe.",
        fix: "Fix the cause, then check again: kubectl auth can-i list KIND --all-namespaces",
    },
    affects: AffectedParty::Objects,
    source: "https://github.com/operator-framework/operator-lifecycle-manager/issues/3342",
};
