//! Check `flux-revision`.

use super::helm_releases;
use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::CheckResultBuilder;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::flux::{FluxObject, HelmRelease};

/// The card.
pub static CARD: Card = Card {
    id: "flux-revision",
    section: Section::Flux,
    title: "every HelmRelease runs what its source holds",
    level: Level::Warning,
    why: "A HelmRelease stays Ready on its old chart while a new one lies in its source: a new artifact does not change its generation (helm-controller#276). Looking at Ready alone, one sees nothing.",
    fix: "Wait for the HelmRelease's next turn, or ask for it: flux reconcile helmrelease NAME. Where it stays, look at what it depends on.",
};

/// Whether the newest revision in each history is of the version and digest that the source's artifact has.
pub fn check(context: &CheckContext<'_>) -> CheckResult {
    let all = match helm_releases(context, &CARD) {
        Ok(all) => all,
        Err(answer) => return answer,
    };
    let mut result = CheckResultBuilder::new(&CARD);
    for one in all {
        let source = one.chart_origin().and_then(|from| context.view.flux.source(&from.artifact_ref()));
        match source.and_then(|source| Some((source.artifact()?, one.history().into_iter().next()?))) {
            Some((artifact, newest)) => {
                // A registry's digest tells more than a version that may be pushed anew.
                let same = match (artifact.digest(), newest.oci_digest.as_str()) {
                    (Some(digest), own) if !own.is_empty() => digest == own,
                    _ => newest.is_version(artifact.version()),
                };
                result.record((!same).then(|| build_finding(one, &newest.chart_version, &artifact.revision)));
            }
            None => result.record_skip("no artifact, or no release made of it yet"),
        }
    }
    result.build()
}

fn build_finding(one: &HelmRelease, runs: &str, holds: &str) -> Finding {
    let object_ref = one.object_ref();
    let hint = format!("kubectl describe {}", object_ref.to_kubectl_args());
    CARD.finding(object_ref.to_string(), format!("runs {runs}, and its source holds {holds}"), hint)
}
