//! `spec.postRenderers` of HelmReleases that the forecast could not apply.

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "flux-post-renderers",
    section: Section::Guards,
    title: "a forecast that includes spec.postRenderers of the HelmReleases",
    level: Level::Warning,
    why: "spec.postRenderers changes objects after the chart is rendered. The forecast uses kubectl kustomize for \
        it. If kustomize fails, the dry runs cover other objects than helm-controller will write.",
    fix: "Fix the kustomize error; helm-controller most likely fails with it too. Test it: kubectl kustomize FOLDER",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Reports each HelmRelease whose post-renderers failed in `kubectl kustomize`.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let findings: Vec<Finding> = context
        .charts()
        .filter_map(|chart| {
            let reason = chart.post_renderer_error?;
            let maker = context.view.flux.sole_helm_release(chart.release, &context.view.cluster.namespace);
            let subject = maker.map_or_else(
                || chart.release.to_owned(),
                |maker| crate::model::flux::FluxObject::object_ref(maker).to_string(),
            );
            Some(CARD.finding(subject, format!("spec.postRenderers is not in the forecast: {reason}"), CARD.fix))
        })
        .collect();
    CheckResult::new(&CARD, context.charts().count(), Verdict::from_findings(findings))
}
