//! Check `webhook-ca`.

use jiff::{SignedDuration, Timestamp};

use super::{WebhookTarget, build_finding, check_each_webhook};
use crate::checks::check_context::CheckContext;
use crate::model::certificate::{self, CertificateValidity};
use crate::model::check::{Card, CheckResult, Finding, Level, Section};

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
const EXPIRY_WARNING_PERIOD: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Whether each `caBundle` holds a certificate that is valid now, and some days more.
pub fn check(context: &CheckContext<'_>) -> CheckResult {
    check_each_webhook(context, &CARD, |target, result| result.record(judge(target, context.now)))
}

fn judge(target: &WebhookTarget<'_>, now: Timestamp) -> Option<Finding> {
    let hint = match target.subject.split_once(' ') {
        Some(("CRD", name)) => format!("kubectl get crd {name} --output yaml"),
        Some((kind, name)) => format!("kubectl get {} {name} --output yaml", kind.to_lowercase()),
        None => String::new(),
    };
    let fail =
        |level: Level, message: &str| Some(Finding { level, ..build_finding(&CARD, target, message, hint.clone()) });
    let bundle = target.client_config["caBundle"].as_str().unwrap_or_default();
    if bundle.is_empty() {
        // Without one the system's own roots count: right for a url of the world, wrong for a Service of the cluster.
        return target
            .service()
            .and_then(|_| fail(Level::Error, "its caBundle is empty, so no Service of the cluster is trusted"));
    }
    let Some(found) = certificate::parse_ca_bundle(bundle) else {
        return fail(Level::Error, "its caBundle holds no certificate that can be read");
    };
    // Any one of a bundle that is valid is enough: an old and a new one stand side by side while they are changed.
    let last = found.iter().max_by_key(|one| one.not_after)?;
    let CertificateValidity { not_before: begins, not_after: ends } = last;
    match () {
        () if *ends <= now => {
            fail(Level::Error, &format!("its certificate authority ended at {ends}; {}", target.outage_effect()))
        }
        () if *begins > now => fail(Level::Error, &format!("its certificate authority is valid only from {begins} on")),
        () if now.duration_since(*ends).abs() < EXPIRY_WARNING_PERIOD => {
            fail(Level::Warning, &format!("its certificate authority ends at {ends}"))
        }
        () => None,
    }
}
