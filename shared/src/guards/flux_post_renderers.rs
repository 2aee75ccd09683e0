//! What HelmReleases change of the charts' objects is in the forecast.

use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};

/// The card.
pub static CARD: Card = Card {
    id: "flux-post-renderers",
    section: Section::Guards,
    title: "what HelmReleases change of the charts' objects is in the forecast",
    level: Level::Warning,
    why: "spec.postRenderers changes objects after the chart has rendered them. It is forecast with kubectl's own kustomize; where that fails, the dry-runs are of other objects than helm-controller will write.",
    fix: "Mend what kustomize says: helm-controller would most likely fail over it too. kubectl kustomize FOLDER tries it by hand.",
};

/// The guard.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    let findings: Vec<Finding> = context
        .charts()
        .filter_map(|chart| {
            let reason = chart.post_renderer_error?;
            let maker = context.view.flux.sole_helm_release(chart.release, &context.view.cluster.namespace);
            let subject = maker.map_or_else(
                || chart.release.to_owned(),
                |maker| crate::model::flux::FluxObject::object_ref(maker).to_string(),
            );
            Some(CARD.finding(subject, format!("its spec.postRenderers are not in the forecast: {reason}"), CARD.fix))
        })
        .collect();
    CheckResult::new(&CARD, context.charts().count(), Verdict::from_findings(findings))
}
