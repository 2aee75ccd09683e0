//! Whoever keeps the releases at their versions lets us upgrade them: helm, or Flux through its sources.

use crate::ask::OwnerMode;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::owner::Owner;

/// The card.
pub static CARD: Card = Card {
    id: "owner-supported",
    section: Section::Guards,
    title: "the owner of both releases is one that we can upgrade through",
    level: Level::Error,
    why: "Flux and Argo CD put back what they own: an upgrade past the owner would be undone, half-way or later. What Git keeps is changed in Git alone.",
    fix: "Upgrade through the owner: change the version in its source, CRDs first. --write DIR writes what to commit.",
};

/// The guard.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    let owners = &context.view.owners;
    let unseen = owners.iter().find_map(|(release, owner)| match owner {
        Owner::Undetermined { reason } => Some(format!("the owner of {release}: {reason}")),
        Owner::NotInstalled | Owner::Helm | Owner::Flux { .. } | Owner::Appliance { .. } | Owner::Argo { .. } => None,
    });
    if let Some(reason) = unseen {
        return CheckResult::new(&CARD, owners.len(), Verdict::Undetermined { reason });
    }
    let mut findings: Vec<Finding> =
        owners.iter().filter_map(|(release, owner)| check_owner(release, owner, context.mode)).collect();
    if findings.is_empty() {
        findings.extend(check_mixed_owners(context));
    }
    CheckResult::new(&CARD, owners.len(), Verdict::from_findings(findings))
}

fn check_owner(release: &str, owner: &Owner, mode: OwnerMode) -> Option<Finding> {
    let other = "leave --mode out: the upgrade goes through whoever owns the release";
    let (message, hint) = match (owner, mode) {
        (Owner::Flux { helm_release, managed_in_git: true }, _) => (
            format!(
                "is made by the HelmRelease {helm_release}, and a Kustomization keeps that in Git: a patch would be undone"
            ),
            "kubectl mural upgrade … --write DIR writes what to commit, in order; --follow then proves the roll-out",
        ),
        (Owner::Flux { helm_release, .. }, OwnerMode::Helm) => {
            (format!("is made by the HelmRelease {helm_release}, which would put it back"), other)
        }
        (Owner::Flux { helm_release, .. }, OwnerMode::Appliance) => (
            format!("is made by the HelmRelease {helm_release} from a registry outside of the cluster: no appliance"),
            other,
        ),
        (Owner::Appliance { helm_release, registry }, OwnerMode::Helm | OwnerMode::Flux) => {
            (format!("is made by the HelmRelease {helm_release} from the appliance's registry {registry}"), other)
        }
        (Owner::Argo { application }, _) => (
            format!("belongs to the Argo CD Application {application}"),
            "change targetRevision in the Application's source, CRDs first: --write DIR writes what to commit",
        ),
        (Owner::NotInstalled | Owner::Helm, OwnerMode::Flux | OwnerMode::Appliance) => (
            "has no HelmRelease behind it, so nothing here is upgraded by Flux".to_owned(),
            "leave --mode out, or use --mode helm; flux-manifests --apply would hand it over to Flux",
        ),
        (
            Owner::Flux { .. }
            | Owner::Appliance { .. }
            | Owner::NotInstalled
            | Owner::Helm
            | Owner::Undetermined { .. },
            _,
        ) => {
            return None;
        }
    };
    Some(CARD.finding(format!("release {release}"), message, hint))
}

/// One release by Flux and the other by helm: nobody keeps the order between them, and a half of each path is none.
fn check_mixed_owners(context: &GuardContext<'_>) -> Option<Finding> {
    let owner = |release: &str| context.view.owners.get(release);
    let by_flux = |owner: Option<&Owner>| matches!(owner, Some(Owner::Flux { .. } | Owner::Appliance { .. }));
    let (crds, app) = (owner(context.crds_release)?, owner(context.app_release)?);
    if by_flux(Some(crds)) == by_flux(Some(app)) || (*crds == Owner::NotInstalled && context.crds_chart.is_none()) {
        return None;
    }
    let message = format!("{} is kept by {crds}, {} by {app}", context.crds_release, context.app_release);
    let hint = "hand both to the same owner: kubectl mural upgrade flux-manifests --apply hands them to Flux";
    Some(CARD.finding(format!("releases {}, {}", context.crds_release, context.app_release), message, hint))
}
