//! Check `webhook-ca`.

use jiff::{SignedDuration, Timestamp};

use super::{Asked, each, finding};
use crate::checks::seen::Seen;
use crate::model::certificate::{self, Certificate};
use crate::model::check::{Card, Checked, Finding, Level, Section};

/// The card.
pub static CARD: Card = Card {
    id: "webhook-ca",
    section: Section::Webhooks,
    title: "the certificate authority of each webhook is valid",
    level: Level::Error,
    why: "The API server trusts a webhook by the caBundle in its configuration. When that has expired, or is empty and nobody filled it in, no answer is believed: it is as if the webhook were down.",
    fix: "Have the certificate renewed (cert-manager: cmctl renew; else repeat the upgrade, which makes a new one), and see that the caBundle is written anew.",
};

/// So long before its end a certificate is worth a word.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Whether each `caBundle` holds a certificate that is valid now, and some days more.
pub fn check(seen: &Seen<'_>) -> Checked {
    each(seen, &CARD, |asked, gathered| gathered.looked(judge(asked, seen.now)))
}

fn judge(asked: &Asked<'_>, now: Timestamp) -> Option<Finding> {
    let hint = match asked.subject.split_once(' ') {
        Some(("CRD", name)) => format!("kubectl get crd {name} --output yaml"),
        Some((kind, name)) => format!("kubectl get {} {name} --output yaml", kind.to_lowercase()),
        None => String::new(),
    };
    let told = |level: Level, message: &str| Some(Finding { level, ..finding(&CARD, asked, message, hint.clone()) });
    let bundle = asked.client_config["caBundle"].as_str().unwrap_or_default();
    if bundle.is_empty() {
        // Without one the system's own roots count: right for a url of the world, wrong for a Service of the cluster.
        return asked
            .service()
            .and_then(|_| told(Level::Error, "its caBundle is empty, so no Service of the cluster is trusted"));
    }
    let Some(found) = certificate::bundle(bundle) else {
        return told(Level::Error, "its caBundle holds no certificate that can be read");
    };
    // Any one of a bundle that is valid is enough: an old and a new one stand side by side while they are changed.
    let last = found.iter().max_by_key(|one| one.ends)?;
    let Certificate { begins, ends } = last;
    match () {
        () if *ends <= now => {
            told(Level::Error, &format!("its certificate authority ended at {ends}; {}", asked.without_answer()))
        }
        () if *begins > now => told(Level::Error, &format!("its certificate authority is valid only from {begins} on")),
        () if now.duration_since(*ends).abs() < SOON => {
            told(Level::Warning, &format!("its certificate authority ends at {ends}"))
        }
        () => None,
    }
}
