//! Nobody else keeps the releases at their versions.

use super::Admission;
use crate::ask::Mode;
use crate::checks::{Card, Checked, Finding, Level, Section, Verdict};
use crate::model::owner::Owner;

/// The card.
pub static CARD: Card = Card {
    id: "owner-is-helm",
    section: Section::Guards,
    title: "helm owns both releases",
    level: Level::Error,
    why: "Flux and Argo CD put back what they own: an upgrade by helm would be undone, half-way or later.",
    fix: "Upgrade through the owner: change the version in its source, CRDs first.",
};

/// The guard.
#[must_use]
pub fn check(admission: &Admission<'_>) -> Checked {
    let owners = &admission.view.owners;
    let unseen = owners.iter().find_map(|(release, owner)| match owner {
        Owner::Undetermined { reason } => Some(format!("the owner of {release}: {reason}")),
        Owner::Nobody | Owner::Helm | Owner::Flux { .. } | Owner::Appliance { .. } | Owner::Argo { .. } => None,
    });
    if let Some(reason) = unseen {
        return Checked::new(&CARD, owners.len(), Verdict::Undetermined { reason });
    }
    let findings = owners.iter().filter_map(|(release, owner)| foreign(release, owner, admission.mode));
    Checked::new(&CARD, owners.len(), Verdict::from_findings(findings.collect()))
}

fn foreign(release: &str, owner: &Owner, mode: Mode) -> Option<Finding> {
    let (message, hint) = match owner {
        Owner::Flux { helm_release, kept_in_git } => {
            let git = if *kept_in_git { ", and a Kustomization keeps that in Git" } else { "" };
            let hint = "the Flux path is not in this version: patch the CRD chart's source, wait until its HelmRelease shows the new version, then patch the application's";
            (format!("is made by the HelmRelease {helm_release}{git}"), hint)
        }
        Owner::Appliance { helm_release, registry } => (
            format!("is made by the HelmRelease {helm_release} from the registry {registry} of an appliance"),
            "the appliance path is not in this version",
        ),
        Owner::Argo { application } => (
            format!("belongs to the Argo CD Application {application}"),
            "change the version in the Application's source, CRDs first",
        ),
        Owner::Nobody | Owner::Helm if matches!(mode, Mode::Flux | Mode::Appliance) => (
            "has no HelmRelease behind it, so nothing here is upgraded by Flux".to_owned(),
            "leave --mode out, or use --mode helm",
        ),
        Owner::Nobody | Owner::Helm | Owner::Undetermined { .. } => return None,
    };
    Some(CARD.finding(format!("release {release}"), message, hint))
}
