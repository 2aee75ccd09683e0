//! Check `flux-crds-policy`.

use super::{helm_releases, maker};
use crate::ask::expect::Role;
use crate::checks::gathered::skipped;
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Level, Section, Verdict};
use crate::model::flux::{CrdPolicy, FluxObject};

/// The card.
pub static CARD: Card = Card {
    id: "flux-crds-policy",
    section: Section::Flux,
    title: "the CRD chart's HelmRelease replaces CRDs on upgrade",
    level: Level::Warning,
    why: "Without upgrade.crds: CreateReplace helm-controller leaves the CRDs of a chart's crds/ folder as they are: the release says the new version, and the API server serves the old schemas.",
    fix: "Set spec.upgrade.crds to CreateReplace, as the vendor's page has it.",
};

/// Whether `spec.upgrade.crds` is `CreateReplace` where the chart's CRDs are in its `crds/` folder.
pub fn check(seen: &Seen<'_>) -> Checked {
    if let Err(answer) = helm_releases(seen, &CARD) {
        return answer;
    }
    let Some(one) = maker(seen, Role::Crds) else {
        return skipped(&CARD, "no HelmRelease makes the CRD chart's release");
    };
    if let Ok(Some(record)) = seen.view.newest(seen.crds_release)
        && record.crds.is_empty()
    {
        return skipped(&CARD, "the chart has no CRDs in its crds/ folder");
    }
    let named = one.named();
    let told = match one.upgrade_crds() {
        Some(CrdPolicy::CreateReplace) => None,
        Some(policy) => Some(format!("spec.upgrade.crds is {policy:?}: CRDs that are there stay as they are")),
        None => Some("spec.upgrade.crds is not set: CRDs that are there stay as they are".to_owned()),
    };
    let hint = format!(
        "kubectl patch {} --type merge --patch '{{\"spec\":{{\"upgrade\":{{\"crds\":\"CreateReplace\"}}}}}}'",
        named.words()
    );
    let findings = told.map(|message| CARD.finding(named.to_string(), message, hint));
    Checked::new(&CARD, 1, Verdict::from_findings(findings.into_iter().collect()))
}
