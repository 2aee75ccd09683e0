//! Check `webhook-service`.

use super::{each, finding};
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Finding, Level, Section};

/// The card.
pub static CARD: Card = Card {
    id: "webhook-service",
    section: Section::Webhooks,
    title: "the Service behind each webhook exists",
    level: Level::Error,
    why: "A webhook outlives the application that brought it: an uninstall that hung, a Service that was deleted. With failurePolicy Fail every write to its kinds is refused until somebody removes it.",
    fix: "Put the Service back (repeat the upgrade to the installed version), or delete the configuration of a webhook whose application is gone.",
};

/// Whether each Service that a webhook names is there. A webhook behind a url has none.
pub fn check(seen: &Seen<'_>) -> Checked {
    each(seen, &CARD, |asked, gathered| {
        let Some(service) = asked.service() else { return gathered.skipped("the webhooks answer at urls") };
        match seen.vitals.backends.get(&service) {
            Some(Err(not_seen)) => gathered.not_seen(not_seen),
            Some(Ok(backend)) if backend.exists => gathered.looked(None),
            Some(Ok(_)) | None => {
                let level = if asked.must_answer { Level::Error } else { Level::Warning };
                let message = format!("{service} is not there; {}", asked.without_answer());
                let kind = asked.subject.split(' ').next().unwrap_or_default().to_lowercase();
                let kind = if kind == "crd" { "crd".to_owned() } else { kind };
                let name = asked.subject.split(' ').nth(1).unwrap_or_default();
                let hint = format!("put it back by repeating the upgrade; left over? kubectl delete {kind} {name}");
                gathered.looked([Finding { level, ..finding(&CARD, asked, &message, hint) }]);
            }
        }
    })
}
