//! A conversion webhook that does not answer.

use crate::checks::crd_changes::{AffectedParty, ChangeCheck};
use crate::model::check::{Card, Level, Section};

/// The conversion webhook answers.
pub(crate) static CHECK: ChangeCheck = ChangeCheck {
    card: Card {
        id: "conversion-webhook-unavailable",
        section: Section::CrdChanges,
        title: "the conversion webhook has a living backend",
        level: Level::Error,
        why: "Objects that are not stored in the version asked for can be neither read nor written while nobody answers, and namespaces with such objects cannot be deleted. The API server does not look when the CRD is written.",
        fix: "Start the webhook's backend before the CRD names it: kubectl get endpointslices --namespace NAMESPACE",
    },
    affects: AffectedParty::Clients,
    source: "crds.md 1.2",
};
