//! The API server itself accepts every CRD.

use crate::diff;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};

/// The card.
pub static CARD: Card = Card {
    id: "crds-dry-run",
    section: Section::Guards,
    title: "the API server accepts every CRD",
    level: Level::Error,
    why: "A CRD that the server refuses half-way leaves some CRDs new and some old, with the application between them.",
    fix: "Mend what the server names. A stored version that would vanish needs its objects moved first: --migrate.",
};

/// The guard: a server-side dry-run of each CRD of the charts runs the same validation as the write. Without one, what is known of
/// the server's rules still refuses, and never passes.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    if !context.server_dry_run {
        return CheckResult::new(&CARD, context.forecasts.len(), predict_verdict(context));
    }
    let refused = context.forecasts.iter().filter_map(|(name, answer)| Some((name, answer.as_ref().err()?)));
    let findings = refused.map(|(name, words)| build_finding(name, "the server refuses it", words));
    CheckResult::new(&CARD, context.forecasts.len(), Verdict::from_findings(findings.collect()))
}

fn predict_verdict(context: &GuardContext<'_>) -> Verdict {
    let live = match &context.view.crds {
        Ok(live) => live,
        Err(failure) => return Verdict::Undetermined { reason: failure.to_string() },
    };
    let pairs = context.forecasts.iter().filter_map(|(name, wanted)| Some((live.get(name)?, wanted.as_ref().ok()?)));
    let findings: Vec<Finding> = pairs
        .flat_map(|(old, new)| {
            diff::predict_update_rejections(old.json(), new.json()).into_iter().map(move |refusal| (old, refusal))
        })
        .map(|(old, refusal)| build_finding(old.name(), "the server would refuse it", &refusal.to_string()))
        .collect();
    if findings.is_empty() {
        return Verdict::Undetermined { reason: "--dry-run=client asks the server for no dry-run".to_owned() };
    }
    Verdict::from_findings(findings)
}

fn build_finding(name: &str, says: &str, words: &str) -> Finding {
    let hint = if words.contains("storedVersions") {
        "--migrate moves the objects that are stored in that version first"
    } else {
        CARD.fix
    };
    CARD.finding(format!("CRD {name}"), format!("{says}: {words}"), hint)
}
