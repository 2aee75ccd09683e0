//! Health check `webhook-ca`: requires a valid CA certificate for each webhook.

use jiff::{SignedDuration, Timestamp};

use super::{WebhookTarget, build_finding, check_each_webhook};
use crate::checks::check_context::CheckContext;
use crate::checks::health_check::HealthCheck;
use crate::model::certificate::{self, CertificateValidity};
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::health_inputs::ReadScope;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "webhook-ca",
    section: Section::Webhooks,
    title: "a valid CA certificate for each webhook",
    level: Level::Error,
    why: "The API server verifies a webhook with the caBundle in its configuration. With an expired or empty \
        caBundle, every call fails.",
    fix: "Renew the certificate (cert-manager: cmctl renew NAME; otherwise repeat the upgrade), and verify that the \
        caBundle is updated.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck =
    HealthCheck { card: &CARD, reads: &[ReadScope::Webhooks], heals_with_time: false, run: check };

/// Time before the expiry of a certificate from which it is reported.
const EXPIRY_WARNING_PERIOD: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Checks that each `caBundle` contains a certificate that is valid now and for some days more.
fn check(context: &CheckContext<'_>) -> CheckResult {
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
        // Without a caBundle, the system roots are used: right for a public url, wrong for a Service in the cluster.
        return target
            .service()
            .and_then(|_| fail(Level::Error, "its caBundle is empty, so the API server trusts no Service"));
    }
    let Some(found) = certificate::parse_ca_bundle(bundle) else {
        return fail(Level::Error, "its caBundle contains no readable certificate");
    };
    // Any one of a bundle that is valid is enough: an old and a new one stand side by side while they are changed.
    let last = found.iter().max_by_key(|one| one.not_after)?;
    let CertificateValidity { not_before: begins, not_after: ends } = last;
    match () {
        () if *ends <= now => {
            fail(Level::Error, &format!("its CA certificate expired at {ends}; {}", target.outage_effect()))
        }
        () if *begins > now => fail(Level::Error, &format!("its CA certificate is not valid before {begins}")),
        () if now.duration_since(*ends).abs() < EXPIRY_WARNING_PERIOD => {
            fail(Level::Warning, &format!("its CA certificate expires at {ends}"))
        }
        () => None,
    }
}
