//! Check `webhook-endpoints`.

use super::{each, finding};
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Finding, Level, Section};

/// The card.
pub static CARD: Card = Card {
    id: "webhook-endpoints",
    section: Section::Webhooks,
    title: "each webhook has a ready endpoint",
    level: Level::Error,
    why: "A Service without a ready endpoint answers nothing. With failurePolicy Fail the API server refuses what it would have asked about; with Ignore it writes it unasked.",
    fix: "Bring the pods behind the Service back: look at the workload that its selector names.",
};

/// Whether each Service behind a webhook has a ready endpoint. One that is not there is told by `webhook-service`.
pub fn check(seen: &Seen<'_>) -> Checked {
    each(seen, &CARD, |asked, gathered| {
        let Some(service) = asked.service() else { return gathered.skipped("the webhooks answer at urls") };
        match seen.vitals.backends.get(&service) {
            Some(Err(not_seen)) => gathered.not_seen(not_seen),
            Some(Ok(backend)) if backend.exists && backend.ready == 0 => {
                let level = if asked.must_answer { Level::Error } else { Level::Warning };
                let message = format!("{service} has no ready endpoint; {}", asked.without_answer());
                let (namespace, name) = (&service.namespace, &service.name);
                let hint = format!(
                    "kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={name}; kubectl -n {namespace} get deployments,pods"
                );
                gathered.looked([Finding { level, ..finding(&CARD, asked, &message, hint) }]);
            }
            Some(Ok(_)) => gathered.looked(None),
            None => gathered.skipped("their Services are not there"),
        }
    })
}
