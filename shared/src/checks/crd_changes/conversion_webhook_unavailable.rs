//! A conversion webhook that does not answer.

use crate::checks::crd_changes::{AffectedParty, ChangeCheck};
use crate::model::check::{Card, Level, Section};

pub(crate) static CHECK: ChangeCheck = ChangeCheck {
    card: Card {
        id: "conversion-webhook-unavailable",
        section: Section::CrdChanges,
        title: "a conversion webhook without a ready backend",
        level: Level::Error,
        why: "Objects that are stored in another version can be neither read nor written while the webhook does not \
            answer, and their namespaces cannot be deleted. The API server does not check the webhook when the CRD \
            is written.",
        fix: "Start the backend of the webhook before you apply the CRD: kubectl get endpointslices --namespace \
            NAMESPACE",
    },
    affects: AffectedParty::Clients,
    source: "https://github.com/kubernetes/kubernetes/blob/v1.34.0/staging/src/k8s.io/apiextensions-apiserver/pkg/apiserver/conversion/webhook_converter.go",
};
