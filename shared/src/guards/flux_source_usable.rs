//! Flux sources of the charts to upgrade that cannot get a new version by a patch.

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::chart::ChartRef;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::cluster_view::Observed;
use crate::model::flux::{EffectiveRef, FluxObject, FluxSource, SourceKind, find_appliance_registry};
use crate::model::task::Task;
use crate::plan::flux::FluxRoute;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "flux-source-usable",
    section: Section::Guards,
    title: "a source with a version that can be patched, for each chart to upgrade",
    level: Level::Error,
    why: "The source sets the version of a Flux release. A patch has no effect if the source is missing, suspended, \
        a Git repository or a bucket. A digest in the source overrides the version.",
    fix: "Use an OCIRepository as the source of the HelmRelease. Run kubectl mural upgrade flux-manifests to write \
        the manifests.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Fails for each source that is missing, suspended, without chart versions, or not the one in the flags.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let moving: Vec<&FluxRoute> = context.flux.routes().filter(|route| route.target.is_some()).collect();
    let unseen = moving.iter().find_map(|route| source_failure(context, route));
    if let Some(reason) = unseen {
        return CheckResult::new(&CARD, moving.len(), Verdict::Undetermined { reason });
    }
    let findings = moving.iter().flat_map(|route| check_source(context, route)).collect();
    CheckResult::new(&CARD, moving.len(), Verdict::from_findings(findings))
}

fn source_failure(context: &GuardContext<'_>, route: &FluxRoute) -> Option<String> {
    let read: &Observed<_> = context.view.flux.sources.get(route.artifact.as_ref()?)?;
    read.as_ref().err().map(ToString::to_string)
}

fn check_source(context: &GuardContext<'_>, route: &FluxRoute) -> Vec<Finding> {
    let release = route.helm_release.object_ref();
    let Some(artifact) = &route.artifact else {
        let hint =
            "set spec.chartRef to an OCIRepository; write both manifests with kubectl mural upgrade flux-manifests";
        return vec![CARD.finding(release.to_string(), "has neither spec.chartRef nor spec.chart", hint)];
    };
    let Some(source) = &route.source else {
        let hint = format!("kubectl get {}; then correct its name in {release}", artifact.to_kubectl_args());
        return vec![CARD.finding(
            artifact.to_string(),
            format!("does not exist, but is the chart source of {release}"),
            hint,
        )];
    };
    let mut all: Vec<Finding> = check_required_source(route).into_iter().collect();
    let object_ref = source.object_ref();
    let chart = route.chart.iter().filter(|chart| chart.object_ref() != object_ref);
    for object_ref in chart.chain([source]).filter(|one| one.is_suspended()).map(FluxObject::object_ref) {
        let hint = format!(
            "kubectl patch {} --type merge --patch '{{\"spec\":{{\"suspend\":false}}}}'",
            object_ref.to_kubectl_args()
        );
        all.push(CARD.finding(object_ref.to_string(), "is suspended: it would not fetch the new version", hint));
    }
    if route.version_patch.is_none() {
        all.push(build_unpatchable_finding(route, source));
    }
    all.extend(check_repository(context, route, source));
    all
}

/// Reports `--source` or `--crds-source` if the HelmRelease takes its chart from another source.
fn check_required_source(route: &FluxRoute) -> Option<Finding> {
    let (object_ref, artifact) = (route.required_source.as_ref()?, route.artifact.as_ref()?);
    let behind = route.source.as_ref().is_some_and(|source| source.object_ref().name == *object_ref);
    (artifact.name != *object_ref && !behind).then(|| {
        let message = format!("takes its chart from {artifact}, not from {object_ref}");
        let hint = "remove --source and --crds-source: the HelmRelease refers to its source";
        CARD.finding(route.helm_release.object_ref().to_string(), message, hint)
    })
}

fn build_unpatchable_finding(route: &FluxRoute, source: &FluxSource) -> Finding {
    let object_ref = source.object_ref();
    if let (EffectiveRef::Digest(pin), SourceKind::OciRepository) = (source.effective_ref(), source.kind()) {
        let message = format!("is pinned to {pin}, and its registry did not return the digest of the new version");
        let hint = "log in with helm registry login, so that the digest can be read";
        return CARD.finding(object_ref.to_string(), message, hint);
    }
    let message = format!(
        "is a {}: it has no chart versions, so the version of {} cannot be set",
        object_ref.kind, route.release
    );
    CARD.finding(object_ref.to_string(), message, "change the chart in that source, CRDs first")
}

/// Reports `--chart` or `--crds-chart` if the source provides another repository.
fn check_repository(context: &GuardContext<'_>, route: &FluxRoute, source: &FluxSource) -> Option<Finding> {
    let chart = context.charts().find(|chart| chart.release == route.release)?;
    let ChartRef::Oci { repository, .. } = ChartRef::parse(&chart.reference).ok()? else { return None };
    let url = source.url();
    let inside =
        find_appliance_registry(url, context.view.flux.registries.as_ref().map_or(&[][..], Vec::as_slice)).is_some();
    let path = |text: &str| text.split_once('/').map(|(_, path)| path.to_owned());
    let wanted = url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/');
    let same = repository == wanted || repository.starts_with(&format!("{wanted}/"));
    // The appliance's registry has another address from outside.
    let same = same || (inside && path(&repository) == path(wanted));
    (!same).then(|| {
        let message = format!("provides the chart of {} from {url}, not from {}", route.release, chart.reference);
        let hint = "remove --chart and --crds-chart: the url of a source is never changed";
        CARD.finding(source.object_ref().to_string(), message, hint)
    })
}
