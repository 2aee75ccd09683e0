//! Objects that could not be looked at, or not judged in every rule.

use crate::checks::crd_changes::{AffectedParty, ChangeCheck};
use crate::model::check::{Card, Level, Section};

/// Every object can be judged.
pub(crate) static CHECK: ChangeCheck = ChangeCheck {
    card: Card {
        id: "objects-not-checked",
        section: Section::CrdChanges,
        title: "every object can be looked at and judged",
        level: Level::Error,
        why: "What nobody could look at (forbidden, a conversion webhook that does not answer, a rule that cannot be evaluated here) may be hurt: it is never taken for safe.",
        fix: "Mend what kept us from looking (kubectl auth can-i list KIND --all-namespaces; the webhook's pods), then look again.",
    },
    affects: AffectedParty::Objects,
    source: "product: could not look is never a pass",
};
