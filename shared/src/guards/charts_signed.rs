//! Results of the signature checks that `--verify` and `--cosign-key` request.

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::signature::{SignatureCheck, SignatureOutcome, SignatureVerifier};
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "charts-signed",
    section: Section::Guards,
    title: "charts that are signed with a trusted key, if --verify or --cosign-key is set",
    level: Level::Error,
    why: "A digest identifies the bytes of a chart, not its author. Anyone who can push to the registry can push a \
        chart that takes over the hub.",
    fix: "Ask the vendor for a signed chart and the public key. --verify reads the provenance file of helm (keys: \
        --keyring), --cosign-key a cosign key.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Fails for each chart whose signature was rejected. Skipped if neither `--verify` nor `--cosign-key` is set.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let all = context.signatures;
    if all.is_empty() {
        return CheckResult::new(
            &CARD,
            0,
            Verdict::Skipped { reason: "neither --verify nor --cosign-key is set".to_owned() },
        );
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
            "set --keyring to the vendor's public key, then run helm verify FILE.tgz for details"
        }
        SignatureVerifier::Cosign => {
            "set --cosign-key to the vendor's public key; if the signature is not in a transparency log, see cosign verify --help"
        }
    };
    let message = format!("{} rejects its signature: {words}", one.verifier.program());
    Some(CARD.finding(format!("the chart of {}", one.release), message, hint))
}
