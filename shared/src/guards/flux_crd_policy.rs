//! The CRD policy of the HelmRelease of the CRD chart (`spec.upgrade.crds`).

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};
use crate::model::flux::{CrdPolicy, FluxObject};
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "flux-crd-policy",
    section: Section::Guards,
    title: "spec.upgrade.crds: CreateReplace in the HelmRelease of the CRD chart",
    level: Level::Error,
    why: "Without CreateReplace, helm-controller does not update existing CRDs but reports Ready. The application \
        then runs with the old schemas.",
    fix: "Set spec.upgrade.crds to CreateReplace in the HelmRelease of the CRD chart, and in its source in Git.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Fails unless `spec.upgrade.crds` is `CreateReplace`: otherwise helm-controller does not update existing CRDs.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let Some(route) = context.flux.crds.as_ref().filter(|route| route.target.is_some()) else {
        return CheckResult::new(&CARD, 0, Verdict::Pass);
    };
    let is = match route.helm_release.upgrade_crds() {
        Some(CrdPolicy::CreateReplace) => return CheckResult::new(&CARD, 1, Verdict::Pass),
        Some(CrdPolicy::Create) => "has spec.upgrade.crds: Create, which does not update existing CRDs",
        Some(CrdPolicy::Skip) => "has spec.upgrade.crds: Skip, which applies no CRD",
        None => "has no spec.upgrade.crds, so existing CRDs are not updated",
    };
    let object_ref = route.helm_release.object_ref();
    let patch = r#"{"spec":{"upgrade":{"crds":"CreateReplace"}}}"#;
    let hint = format!("kubectl patch {} --type merge --patch '{patch}'", object_ref.to_kubectl_args());
    CheckResult::new(&CARD, 1, Verdict::from_findings(vec![CARD.finding(object_ref.to_string(), is, hint)]))
}
