//! Health check `flux-revision`: requires every HelmRelease at the chart version of its source.

use super::helm_releases;
use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::CheckResultBuilder;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::flux::{FluxObject, HelmRelease};

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "flux-revision",
    section: Section::Flux,
    title: "every HelmRelease at the chart version of its source",
    level: Level::Warning,
    why: "A HelmRelease stays Ready with its old chart while its source has a new one: a new artifact does not \
        change its generation (https://github.com/fluxcd/helm-controller/issues/276).",
    fix: "Wait for the next interval, or run flux reconcile helmrelease NAME. If it stays, check the dependencies of \
        the HelmRelease.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck = HealthCheck { card: &CARD, reads: &[], heals_with_time: true, run: check };

/// Compares the newest revision in each history with the version and digest of the source's artifact.
fn check(context: &CheckContext<'_>) -> CheckResult {
    let all = match helm_releases(context, &CARD) {
        Ok(all) => all,
        Err(answer) => return answer,
    };
    let mut result = CheckResultBuilder::new(&CARD);
    for one in all {
        let source = one.chart_origin().and_then(|from| context.view.flux.source(&from.artifact_ref()));
        match source.and_then(|source| Some((source.artifact()?, one.history().into_iter().next()?))) {
            Some((artifact, newest)) => {
                // The digest decides, because a version can be pushed again with other content.
                let same = match (artifact.digest(), newest.oci_digest.as_str()) {
                    (Some(digest), own) if !own.is_empty() => digest == own,
                    _ => newest.is_version(artifact.version()),
                };
                result.record((!same).then(|| build_finding(one, &newest.chart_version, &artifact.revision)));
            }
            None => result.record_skip("no artifact, or no release from it yet"),
        }
    }
    result.build()
}

fn build_finding(one: &HelmRelease, runs: &str, holds: &str) -> Finding {
    let object_ref = one.object_ref();
    let hint = format!("kubectl describe {}", object_ref.to_kubectl_args());
    CARD.finding(object_ref.to_string(), format!("runs {runs}, but its source has {holds}"), hint)
}
