//! helm-controller replaces the CRDs of the CRD chart.

use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};
use crate::model::flux::{CrdPolicy, FluxObject};

/// The card.
pub static CARD: Card = Card {
    id: "flux-crd-policy",
    section: Section::Guards,
    title: "the CRD chart's HelmRelease replaces CRDs on upgrade",
    level: Level::Error,
    why: "Without spec.upgrade.crds: CreateReplace helm-controller leaves a CRD that is there as it is, calls the release Ready, and the application meets the old schema.",
    fix: "Set spec.upgrade.crds to CreateReplace in the CRD chart's HelmRelease, and in what keeps it.",
};

/// The guard.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    let Some(route) = context.flux.crds.as_ref().filter(|route| route.target.is_some()) else {
        return CheckResult::new(&CARD, 0, Verdict::Pass);
    };
    let is = match route.helm_release.upgrade_crds() {
        Some(CrdPolicy::CreateReplace) => return CheckResult::new(&CARD, 1, Verdict::Pass),
        Some(CrdPolicy::Create) => "has spec.upgrade.crds: Create, which replaces no CRD",
        Some(CrdPolicy::Skip) => "has spec.upgrade.crds: Skip, which writes no CRD",
        None => "has no spec.upgrade.crds, which replaces no CRD",
    };
    let object_ref = route.helm_release.object_ref();
    let patch = r#"{"spec":{"upgrade":{"crds":"CreateReplace"}}}"#;
    let hint = format!("kubectl patch {} --type merge --patch '{patch}'", object_ref.to_kubectl_args());
    CheckResult::new(&CARD, 1, Verdict::from_findings(vec![CARD.finding(object_ref.to_string(), is, hint)]))
}
