//! The charts are signed by a key that is trusted, where that is asked for.

use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::signature::{SignatureCheck, SignatureOutcome, SignatureVerifier};

/// The card.
pub static CARD: Card = Card {
    id: "charts-signed",
    section: Section::Guards,
    title: "the charts are signed by a key that is trusted, where --verify or --cosign-key ask for it",
    level: Level::Error,
    why: "A digest says which bytes a chart is, not who made it. Whoever can push to the registry can push a chart that takes over the hub.",
    fix: "Ask the vendor for a signed chart and the public key. --verify takes helm's provenance file (--keyring names the keys), --cosign-key a key that cosign knows.",
};

/// The guard; skipped where no signature is asked for.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    let all = context.signatures;
    if all.is_empty() {
        return CheckResult::new(&CARD, 0, Verdict::Skipped { reason: "no signature is asked for".to_owned() });
    }
    let findings: Vec<Finding> = all.iter().filter_map(check_signature).collect();
    let unseen = all.iter().find_map(|one| match &one.outcome {
        SignatureOutcome::Undetermined(reason) => Some(format!("the chart of {}: {reason}", one.release)),
        SignatureOutcome::Verified | SignatureOutcome::Rejected(_) => None,
    });
    let verdict = match unseen.filter(|_| findings.is_empty()) {
        Some(reason) => Verdict::Undetermined { reason },
        None => Verdict::from_findings(findings),
    };
    CheckResult::new(&CARD, all.len(), verdict)
}

fn check_signature(one: &SignatureCheck) -> Option<Finding> {
    let SignatureOutcome::Rejected(words) = &one.outcome else { return None };
    let hint = match one.verifier {
        SignatureVerifier::Helm => {
            "is it the vendor's public key that --keyring names? helm verify FILE.tgz tells more"
        }
        SignatureVerifier::Cosign => {
            "is it the vendor's public key that --cosign-key names? where the signature is in no transparency log, see cosign verify --help"
        }
    };
    let message = format!("{} does not take its signature: {words}", one.verifier.program());
    Some(CARD.finding(format!("the chart of {}", one.release), message, hint))
}
