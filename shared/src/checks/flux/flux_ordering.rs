//! Check `flux-ordering`.

use super::{helm_releases, maker};
use crate::ask::expect::Role;
use crate::checks::gathered::skipped;
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Level, Section, Verdict};
use crate::model::flux::FluxObject;

/// The card.
pub static CARD: Card = Card {
    id: "flux-ordering",
    section: Section::Flux,
    title: "the application's HelmRelease depends on that of the CRD chart",
    level: Level::Warning,
    why: "Without dependsOn Flux installs both at once. With it, it orders installations only: an upgrade of both sources starts the application first, since the CRD release is ready, at its old version (helm-controller#276).",
    fix: "Set spec.dependsOn to the CRD chart's HelmRelease. Upgrade with kubectl mural upgrade, which patches the application's source only when the new CRDs are served.",
};

/// Whether `spec.dependsOn` names the HelmRelease of the CRD chart.
pub fn check(seen: &Seen<'_>) -> Checked {
    if let Err(answer) = helm_releases(seen, &CARD) {
        return answer;
    }
    let (Some(app), Some(crds)) = (maker(seen, Role::App), maker(seen, Role::Crds)) else {
        return skipped(&CARD, "not both releases are made by a HelmRelease");
    };
    let (named, wanted) = (app.named(), crds.named());
    let depends = app.depends_on().iter().any(|one| one.on.name == wanted.name && one.on.namespace == wanted.namespace);
    let hint = format!(
        "kubectl patch {} --type merge --patch '{{\"spec\":{{\"dependsOn\":[{{\"name\":\"{}\",\"namespace\":\"{}\"}}]}}}}'",
        named.words(),
        wanted.name,
        wanted.namespace
    );
    let finding = (!depends).then(|| CARD.finding(named.to_string(), format!("does not depend on {wanted}"), hint));
    Checked::new(&CARD, 1, Verdict::from_findings(finding.into_iter().collect()))
}
