//! CRDs that the new side no longer holds.

use crate::checks::crd_changes::{AffectedParty, ChangeCheck};
use crate::model::check::{Card, Level, Section};

pub(crate) static CHECK: ChangeCheck = ChangeCheck {
    card: Card {
        id: "crd-removed",
        section: Section::CrdChanges,
        title: "a CRD that the new side does not hold",
        level: Level::Error,
        why: "If a template of the chart rendered the CRD, helm upgrade deletes it with every object of the kind. A CRD \
            from the crds/ folder of the chart stays, and is no longer updated.",
        fix: "Annotate the CRD before the upgrade: kubectl annotate crd NAME helm.sh/resource-policy=keep",
    },
    affects: AffectedParty::Clients,
    source: "https://helm.sh/docs/howto/charts_tips_and_tricks/#tell-helm-not-to-uninstall-a-resource",
};
