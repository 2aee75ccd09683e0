//! Health check `flux-depends-on`: requires spec.dependsOn on the HelmRelease of the CRD chart in that of the application.

use super::{find_helm_release, helm_releases};
use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::skipped_result;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};
use crate::model::flux::FluxObject;
use crate::model::release_role::ReleaseRole;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "flux-depends-on",
    section: Section::Flux,
    title: "spec.dependsOn on the HelmRelease of the CRD chart in that of the application",
    level: Level::Warning,
    why: "Without dependsOn, Flux installs both charts at once. dependsOn orders only installations: if both sources \
        change, the application upgrades first, because the CRD release is Ready at its old version \
        (https://github.com/fluxcd/helm-controller/issues/276).",
    fix: "Set spec.dependsOn to the HelmRelease of the CRD chart. Upgrade with kubectl mural upgrade: it patches the \
        source of the application after the new CRDs are served.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck = HealthCheck { card: &CARD, reads: &[], heals_with_time: false, run: check };

/// Checks that `spec.dependsOn` of the application refers to the HelmRelease of the CRD chart.
fn check(context: &CheckContext<'_>) -> CheckResult {
    if let Err(answer) = helm_releases(context, &CARD) {
        return answer;
    }
    let (Some(app), Some(crds)) =
        (find_helm_release(context, ReleaseRole::App), find_helm_release(context, ReleaseRole::Crds))
    else {
        return skipped_result(&CARD, "not both releases belong to a HelmRelease");
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
