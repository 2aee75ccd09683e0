//! Health check `flux-source-version`: requires exactly one fixed version in each source.

use super::{find_helm_release, helm_releases};
use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::CheckResultBuilder;
use crate::checks::health_check::HealthCheck;
use crate::model::chart_version::ChartVersion;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::flux::{EffectiveRef, FluxObject, FluxSource, HelmRelease, range_allows};
use crate::model::release_role::ReleaseRole;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "flux-source-version",
    section: Section::Flux,
    title: "exactly one fixed version in each source",
    level: Level::Warning,
    why: "A digest overrides semver, and semver overrides tag, without a message. A range upgrades at any time, \
        possibly the application before its CRDs, and does not match pre-releases.",
    fix: "Set one exact version in spec.ref.semver, and remove the other fields of spec.ref. The digest of this version \
        may stay beside it.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck = HealthCheck { card: &CARD, reads: &[], heals_with_time: false, run: check };

/// Reports sources with more than one of digest, semver and tag (unless it is a version with its own digest), with a floating version, or that exclude the expected version.
fn check(context: &CheckContext<'_>) -> CheckResult {
    if let Err(answer) = helm_releases(context, &CARD) {
        return answer;
    }
    let mut result = CheckResultBuilder::new(&CARD);
    for (role, expected) in
        [(ReleaseRole::Crds, &context.expectations.crds_version), (ReleaseRole::App, &context.expectations.app_version)]
    {
        let Some(helm_release) = find_helm_release(context, role) else { continue };
        let source = helm_release.chart_origin().map(|from| from.artifact_ref());
        let Some(source) = source.and_then(|object_ref| context.view.flux.source(&object_ref)) else { continue };
        result.record(judge(source, helm_release, expected.as_ref()));
    }
    result.record_skip("no source was found");
    result.build()
}

fn judge(source: &FluxSource, helm_release: &HelmRelease, expected: Option<&ChartVersion>) -> Vec<Finding> {
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
        && !is_confirmed_pin(source, helm_release, rest)
    {
        found.push(build(Level::Warning, format!("{first} overrides {}", rest.join(" and "))));
    }
    if let Some(why) = source.floating_reason() {
        found.push(build(Level::Warning, why));
    }
    if let (EffectiveRef::Semver(range), Some(expected)) = (source.effective_ref(), expected)
        && range_allows(range, expected.semantic()) == Some(false)
    {
        found.push(build(Level::Error, format!("semver {range:?} does not match {expected}")));
    }
    found
}

/// Whether a digest stands beside its own version, as Renovate and `flux-manifests --pin-digest` write it: the HelmRelease has deployed
/// this version with this digest.
fn is_confirmed_pin(source: &FluxSource, helm_release: &HelmRelease, beside: &[&str]) -> bool {
    let (EffectiveRef::Digest(pin), [field]) = (source.effective_ref(), beside) else { return false };
    let version = source.text(&format!("/spec/ref/{field}"));
    helm_release.history().iter().any(|revision| revision.oci_digest == pin && revision.is_version(version))
}

/// The version to pin: the expected one, else that of its artifact.
fn target_version(source: &FluxSource, expected: Option<&ChartVersion>) -> String {
    let holds =
        || source.artifact().map(|artifact| artifact.version().to_owned()).filter(|version| !version.is_empty());
    expected.map(ToString::to_string).or_else(holds).unwrap_or_else(|| "VERSION".to_owned())
}
