//! Check `flux-source-version`.

use super::{find_helm_release, helm_releases};
use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::CheckResultBuilder;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::flux::{EffectiveRef, FluxObject, FluxSource, range_allows};
use crate::model::release_role::ReleaseRole;

/// The card.
pub static CARD: Card = Card {
    id: "flux-source-version",
    section: Section::Flux,
    title: "each source names one version, once",
    level: Level::Warning,
    why: "Beside a digest, semver and tag are ignored without a word: a patch of semver changes nothing. A range moves by itself, the application perhaps before its CRDs; and a range lets no pre-release through.",
    fix: "Name one exact version in spec.ref.semver, and remove what stands beside it.",
};

/// Whether a source of ours has more than one of digest, semver and tag, moves by itself, or leaves out the expected version.
pub fn check(context: &CheckContext<'_>) -> CheckResult {
    if let Err(answer) = helm_releases(context, &CARD) {
        return answer;
    }
    let mut result = CheckResultBuilder::new(&CARD);
    for (role, expected) in
        [(ReleaseRole::Crds, &context.expectations.crds_version), (ReleaseRole::App, &context.expectations.app_version)]
    {
        let source = find_helm_release(context, role)
            .and_then(crate::model::flux::HelmRelease::chart_origin)
            .map(|from| from.artifact_ref());
        let Some(source) = source.and_then(|object_ref| context.view.flux.source(&object_ref)) else { continue };
        result.record(judge(source, expected.as_ref()));
    }
    result.record_skip("no source was found");
    result.build()
}

fn judge(source: &FluxSource, expected: Option<&semver::Version>) -> Vec<Finding> {
    let object_ref = source.object_ref();
    let hint = format!(
        "kubectl patch {} --type merge --patch '{{\"spec\":{{\"ref\":{{\"digest\":null,\"tag\":null,\"semver\":\"{}\"}}}}}}'",
        object_ref.to_kubectl_args(),
        target_version(source, expected)
    );
    let build = |level: Level, message: String| Finding {
        level,
        ..CARD.finding(object_ref.to_string(), message, hint.clone())
    };
    let set: Vec<&str> = ["digest", "semver", "tag"]
        .into_iter()
        .filter(|key| !source.text(&format!("/spec/ref/{key}")).is_empty())
        .collect();
    let mut found = Vec::new();
    if let [first, rest @ ..] = set.as_slice()
        && !rest.is_empty()
    {
        found.push(build(Level::Warning, format!("{first} counts, and {} beside it is ignored", rest.join(" and "))));
    }
    if let Some(why) = source.floating_reason() {
        found.push(build(Level::Warning, why));
    }
    if let (EffectiveRef::Semver(range), Some(expected)) = (source.effective_ref(), expected)
        && range_allows(range, expected) == Some(false)
    {
        found.push(build(Level::Error, format!("semver {range:?} does not let {expected} through")));
    }
    found
}

/// The version to pin: what is expected, else what it holds.
fn target_version(source: &FluxSource, expected: Option<&semver::Version>) -> String {
    let holds =
        || source.artifact().map(|artifact| artifact.version().to_owned()).filter(|version| !version.is_empty());
    expected.map(ToString::to_string).or_else(holds).unwrap_or_else(|| "VERSION".to_owned())
}
