//! Owners of the releases that cannot be upgraded by this run, such as Git or Argo CD.

use crate::ask::OwnerMode;
use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::owner::Owner;
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "owner-supported",
    section: Section::Guards,
    title: "an owner of both releases that supports this upgrade",
    level: Level::Error,
    why: "Flux and Argo CD revert changes to the objects that they own. If Git holds the version, only a change in \
        Git lasts.",
    fix: "Change the version in the source of the owner, CRDs first. --write DIR writes the files to commit.",
};

/// The tasks that it applies to.
pub const GUARD: Guard =
    Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::Rollback, Task::Repair, Task::ApplyCrds], check };

/// Fails for each owner that would revert the upgrade, that `--mode` excludes, or that differs between the releases.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
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
    let other = "remove --mode: the upgrade then uses the owner of the release";
    let (message, hint) = match (owner, mode) {
        (Owner::Flux { helm_release, managed_in_git: true }, _) => (
            format!(
                "belongs to the HelmRelease {helm_release}, which a Kustomization applies from Git: Flux would revert a patch"
            ),
            "run kubectl mural upgrade … --write DIR and commit the files in order; then verify the rollout with --follow",
        ),
        (Owner::Flux { helm_release, .. }, OwnerMode::Helm) => {
            (format!("belongs to the HelmRelease {helm_release}, which would revert the upgrade"), other)
        }
        (Owner::Flux { helm_release, .. }, OwnerMode::Appliance) => (
            format!(
                "belongs to the HelmRelease {helm_release} with a registry outside of the cluster: not an appliance"
            ),
            other,
        ),
        (Owner::Appliance { helm_release, registry }, OwnerMode::Helm | OwnerMode::Flux) => {
            (format!("belongs to the HelmRelease {helm_release} with the registry {registry} of the appliance"), other)
        }
        (Owner::Argo { application }, _) => (
            format!("belongs to the Argo CD Application {application}"),
            "change targetRevision in the source of the Application, CRDs first; --write DIR writes the files to commit",
        ),
        (Owner::NotInstalled | Owner::Helm, OwnerMode::Flux | OwnerMode::Appliance) => (
            "has no HelmRelease, so Flux does not upgrade it".to_owned(),
            "remove --mode, or use --mode helm; flux-manifests --apply hands it over to Flux",
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

/// Reports releases with different owners: nothing keeps the CRDs before the application then.
fn check_mixed_owners(context: &GuardContext<'_>) -> Option<Finding> {
    let owner = |release: &str| context.view.owners.get(release);
    let by_flux = |owner: Option<&Owner>| owner.is_some_and(Owner::is_flux);
    let (crds, app) = (owner(context.crds_release)?, owner(context.app_release)?);
    if by_flux(Some(crds)) == by_flux(Some(app)) || (*crds == Owner::NotInstalled && context.crds_chart.is_none()) {
        return None;
    }
    let message = format!("{} is owned by {crds}, {} by {app}", context.crds_release, context.app_release);
    let hint = "hand both to the same owner, for example to Flux: kubectl mural upgrade flux-manifests --apply";
    Some(CARD.finding(format!("releases {}, {}", context.crds_release, context.app_release), message, hint))
}
