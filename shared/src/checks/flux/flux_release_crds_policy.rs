//! Health check `flux-release-crds-policy`: requires spec.upgrade.crds: CreateReplace in the HelmRelease of the CRD chart.

use super::{find_helm_release, helm_releases};
use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::skipped_result;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};
use crate::model::flux::{CrdPolicy, FluxObject};
use crate::model::release_role::ReleaseRole;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "flux-release-crds-policy",
    section: Section::Flux,
    title: "spec.upgrade.crds: CreateReplace in the HelmRelease of the CRD chart",
    level: Level::Warning,
    why: "Without CreateReplace, helm-controller does not update CRDs in the crds/ folder of a chart: the release \
        has the new version, but the API server serves the old schemas.",
    fix: "Set spec.upgrade.crds to CreateReplace, as in the vendor's upgrade guide.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck = HealthCheck { card: &CARD, reads: &[], heals_with_time: false, run: check };

/// Checks for `spec.upgrade.crds: CreateReplace` if the CRD chart has CRDs in its `crds/` folder.
fn check(context: &CheckContext<'_>) -> CheckResult {
    if let Err(answer) = helm_releases(context, &CARD) {
        return answer;
    }
    let Some(one) = find_helm_release(context, ReleaseRole::Crds) else {
        return skipped_result(&CARD, "no HelmRelease manages the release of the CRD chart");
    };
    if let Ok(Some(record)) = context.view.newest_revision(context.crds_release)
        && record.crd_names.is_empty()
    {
        return skipped_result(&CARD, "the chart has no CRDs in its crds/ folder");
    }
    let object_ref = one.object_ref();
    let told = match one.upgrade_crds() {
        Some(CrdPolicy::CreateReplace) => None,
        Some(policy) => Some(format!("spec.upgrade.crds is {policy:?}: existing CRDs are not updated")),
        None => Some("spec.upgrade.crds is not set: existing CRDs are not updated".to_owned()),
    };
    let hint = format!(
        "kubectl patch {} --type merge --patch '{{\"spec\":{{\"upgrade\":{{\"crds\":\"CreateReplace\"}}}}}}'",
        object_ref.to_kubectl_args()
    );
    let findings = told.map(|message| CARD.finding(object_ref.to_string(), message, hint));
    CheckResult::new(&CARD, 1, Verdict::from_findings(findings.into_iter().collect()))
}
