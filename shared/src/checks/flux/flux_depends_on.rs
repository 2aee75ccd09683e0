//! Check `flux-depends-on`.

use super::{find_helm_release, helm_releases};
use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::skipped_result;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};
use crate::model::flux::FluxObject;
use crate::model::release_role::ReleaseRole;

/// The card.
pub static CARD: Card = Card {
    id: "flux-depends-on",
    section: Section::Flux,
    title: "the application's HelmRelease depends on that of the CRD chart",
    level: Level::Warning,
    why: "Without dependsOn Flux installs both at once. With it, it orders installations only: an upgrade of both sources starts the application first, since the CRD release is ready, at its old version (helm-controller#276).",
    fix: "Set spec.dependsOn to the CRD chart's HelmRelease. Upgrade with kubectl mural upgrade, which patches the application's source only when the new CRDs are served.",
};

/// Whether `spec.dependsOn` names the HelmRelease of the CRD chart.
pub fn check(context: &CheckContext<'_>) -> CheckResult {
    if let Err(answer) = helm_releases(context, &CARD) {
        return answer;
    }
    let (Some(app), Some(crds)) =
        (find_helm_release(context, ReleaseRole::App), find_helm_release(context, ReleaseRole::Crds))
    else {
        return skipped_result(&CARD, "not both releases are made by a HelmRelease");
    };
    let (object_ref, wanted) = (app.object_ref(), crds.object_ref());
    let depends = app
        .depends_on()
        .iter()
        .any(|one| one.helm_release.name == wanted.name && one.helm_release.namespace == wanted.namespace);
    let hint = format!(
        "kubectl patch {} --type merge --patch '{{\"spec\":{{\"dependsOn\":[{{\"name\":\"{}\",\"namespace\":\"{}\"}}]}}}}'",
        object_ref.to_kubectl_args(),
        wanted.name,
        wanted.namespace
    );
    let finding =
        (!depends).then(|| CARD.finding(object_ref.to_string(), format!("does not depend on {wanted}"), hint));
    CheckResult::new(&CARD, 1, Verdict::from_findings(finding.into_iter().collect()))
}
