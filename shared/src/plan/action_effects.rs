//! What each action touches. The stages ask these questions about a step; each answer is one exhaustive match.

use super::{Action, CrdMigration};
use crate::model::flux::FluxRef;
use crate::model::release_role::ReleaseRole;

impl Action {
    /// Whether this program writes CRDs itself, or objects of their kinds. Then the run needs the CRDs' Lease, not the installation's.
    #[must_use]
    pub const fn writes_crds(&self) -> bool {
        match self {
            Self::ApplyCrds { .. }
            | Self::MigrateObjects { .. }
            | Self::RestoreCrds { .. }
            | Self::RestoreObjects { .. }
            | Self::AdoptObjects { .. }
            | Self::RemoveKeepAnnotation { .. } => true,
            Self::AddKeepAnnotation { .. }
            | Self::VerifyServedSchema { .. }
            | Self::UnlockRelease { .. }
            | Self::RecordRelease { .. }
            | Self::UpgradeRelease { .. }
            | Self::SuspendHelmRelease { .. }
            | Self::UpdateSource { .. }
            | Self::AwaitHelmRelease { .. }
            | Self::AwaitArgoApplication { .. }
            | Self::ApplyManifests { .. }
            | Self::ResumeHelmRelease { .. }
            | Self::RollbackRelease { .. }
            | Self::DiscardRuns { .. }
            | Self::Validate => false,
        }
    }

    /// Whether Flux writes CRDs because of this action.
    #[must_use]
    pub fn lets_flux_write_crds(&self) -> bool {
        match self {
            Self::UpdateSource { role, .. } | Self::ApplyManifests { role, .. } => *role == ReleaseRole::Crds,
            Self::AwaitHelmRelease { role, requests_reconcile, .. } => {
                *role == ReleaseRole::Crds && *requests_reconcile
            }
            Self::AddKeepAnnotation { .. }
            | Self::MigrateObjects { .. }
            | Self::ApplyCrds { .. }
            | Self::VerifyServedSchema { .. }
            | Self::UnlockRelease { .. }
            | Self::AdoptObjects { .. }
            | Self::RecordRelease { .. }
            | Self::UpgradeRelease { .. }
            | Self::SuspendHelmRelease { .. }
            | Self::AwaitArgoApplication { .. }
            | Self::ResumeHelmRelease { .. }
            | Self::RollbackRelease { .. }
            | Self::RestoreCrds { .. }
            | Self::RestoreObjects { .. }
            | Self::RemoveKeepAnnotation { .. }
            | Self::DiscardRuns { .. }
            | Self::Validate => false,
        }
    }

    /// Whether it relies on CRDs that an earlier step verified. The run reads them again just before it.
    #[must_use]
    pub fn relies_on_verified_crds(&self) -> bool {
        match self {
            Self::UpdateSource { role, .. } | Self::ApplyManifests { role, .. } => *role == ReleaseRole::App,
            Self::UpgradeRelease { .. }
            | Self::ResumeHelmRelease { .. }
            | Self::RestoreObjects { .. }
            | Self::Validate => true,
            Self::AddKeepAnnotation { .. }
            | Self::MigrateObjects { .. }
            | Self::ApplyCrds { .. }
            | Self::VerifyServedSchema { .. }
            | Self::UnlockRelease { .. }
            | Self::AdoptObjects { .. }
            | Self::RecordRelease { .. }
            | Self::SuspendHelmRelease { .. }
            | Self::AwaitHelmRelease { .. }
            | Self::AwaitArgoApplication { .. }
            | Self::RollbackRelease { .. }
            | Self::RestoreCrds { .. }
            | Self::RemoveKeepAnnotation { .. }
            | Self::DiscardRuns { .. } => false,
        }
    }

    /// The CRDs that it annotates or applies by name.
    #[must_use]
    pub fn written_crds(&self) -> &[String] {
        match self {
            Self::AddKeepAnnotation { names }
            | Self::ApplyCrds { names }
            | Self::RestoreCrds { names }
            | Self::RemoveKeepAnnotation { names } => names,
            Self::MigrateObjects { .. }
            | Self::VerifyServedSchema { .. }
            | Self::UnlockRelease { .. }
            | Self::AdoptObjects { .. }
            | Self::RecordRelease { .. }
            | Self::UpgradeRelease { .. }
            | Self::SuspendHelmRelease { .. }
            | Self::UpdateSource { .. }
            | Self::AwaitHelmRelease { .. }
            | Self::AwaitArgoApplication { .. }
            | Self::ApplyManifests { .. }
            | Self::ResumeHelmRelease { .. }
            | Self::RollbackRelease { .. }
            | Self::RestoreObjects { .. }
            | Self::DiscardRuns { .. }
            | Self::Validate => &[],
        }
    }

    /// The CRDs whose objects it migrates.
    #[must_use]
    pub fn migrations(&self) -> &[CrdMigration] {
        match self {
            Self::MigrateObjects { crds } => crds,
            Self::AddKeepAnnotation { .. }
            | Self::ApplyCrds { .. }
            | Self::VerifyServedSchema { .. }
            | Self::UnlockRelease { .. }
            | Self::AdoptObjects { .. }
            | Self::RecordRelease { .. }
            | Self::UpgradeRelease { .. }
            | Self::SuspendHelmRelease { .. }
            | Self::UpdateSource { .. }
            | Self::AwaitHelmRelease { .. }
            | Self::AwaitArgoApplication { .. }
            | Self::ApplyManifests { .. }
            | Self::ResumeHelmRelease { .. }
            | Self::RollbackRelease { .. }
            | Self::RestoreCrds { .. }
            | Self::RestoreObjects { .. }
            | Self::RemoveKeepAnnotation { .. }
            | Self::DiscardRuns { .. }
            | Self::Validate => &[],
        }
    }

    /// The release whose record it writes with helm.
    #[must_use]
    pub fn written_release(&self) -> Option<&str> {
        match self {
            Self::UnlockRelease { release, .. }
            | Self::RecordRelease { release }
            | Self::UpgradeRelease { release }
            | Self::RollbackRelease { release, .. } => Some(release),
            Self::AddKeepAnnotation { .. }
            | Self::AdoptObjects { .. }
            | Self::MigrateObjects { .. }
            | Self::ApplyCrds { .. }
            | Self::VerifyServedSchema { .. }
            | Self::SuspendHelmRelease { .. }
            | Self::UpdateSource { .. }
            | Self::AwaitHelmRelease { .. }
            | Self::AwaitArgoApplication { .. }
            | Self::ApplyManifests { .. }
            | Self::ResumeHelmRelease { .. }
            | Self::RestoreCrds { .. }
            | Self::RestoreObjects { .. }
            | Self::RemoveKeepAnnotation { .. }
            | Self::DiscardRuns { .. }
            | Self::Validate => None,
        }
    }

    /// The Flux object that it patches.
    #[must_use]
    pub const fn patched_object(&self) -> Option<&FluxRef> {
        match self {
            Self::UpdateSource { object, .. } => Some(object),
            Self::SuspendHelmRelease { helm_release } | Self::ResumeHelmRelease { helm_release, .. } => {
                Some(helm_release)
            }
            Self::AddKeepAnnotation { .. }
            | Self::MigrateObjects { .. }
            | Self::ApplyCrds { .. }
            | Self::VerifyServedSchema { .. }
            | Self::UnlockRelease { .. }
            | Self::AdoptObjects { .. }
            | Self::RecordRelease { .. }
            | Self::UpgradeRelease { .. }
            | Self::AwaitHelmRelease { .. }
            | Self::AwaitArgoApplication { .. }
            | Self::ApplyManifests { .. }
            | Self::RollbackRelease { .. }
            | Self::RestoreCrds { .. }
            | Self::RestoreObjects { .. }
            | Self::RemoveKeepAnnotation { .. }
            | Self::DiscardRuns { .. }
            | Self::Validate => None,
        }
    }

    /// The CRDs that it annotates with `helm.sh/resource-policy: keep`.
    #[must_use]
    pub fn annotated_crds(&self) -> &[String] {
        match self {
            Self::AddKeepAnnotation { names } => names,
            Self::MigrateObjects { .. }
            | Self::ApplyCrds { .. }
            | Self::VerifyServedSchema { .. }
            | Self::UnlockRelease { .. }
            | Self::AdoptObjects { .. }
            | Self::RecordRelease { .. }
            | Self::UpgradeRelease { .. }
            | Self::SuspendHelmRelease { .. }
            | Self::UpdateSource { .. }
            | Self::AwaitHelmRelease { .. }
            | Self::AwaitArgoApplication { .. }
            | Self::ApplyManifests { .. }
            | Self::ResumeHelmRelease { .. }
            | Self::RollbackRelease { .. }
            | Self::RestoreCrds { .. }
            | Self::RestoreObjects { .. }
            | Self::RemoveKeepAnnotation { .. }
            | Self::DiscardRuns { .. }
            | Self::Validate => &[],
        }
    }

    /// The CRDs that it verifies: the API server must serve them.
    #[must_use]
    pub fn verified_crds(&self) -> &[String] {
        match self {
            Self::VerifyServedSchema { names } => names,
            Self::AddKeepAnnotation { .. }
            | Self::MigrateObjects { .. }
            | Self::ApplyCrds { .. }
            | Self::UnlockRelease { .. }
            | Self::AdoptObjects { .. }
            | Self::RecordRelease { .. }
            | Self::UpgradeRelease { .. }
            | Self::SuspendHelmRelease { .. }
            | Self::UpdateSource { .. }
            | Self::AwaitHelmRelease { .. }
            | Self::AwaitArgoApplication { .. }
            | Self::ApplyManifests { .. }
            | Self::ResumeHelmRelease { .. }
            | Self::RollbackRelease { .. }
            | Self::RestoreCrds { .. }
            | Self::RestoreObjects { .. }
            | Self::RemoveKeepAnnotation { .. }
            | Self::DiscardRuns { .. }
            | Self::Validate => &[],
        }
    }

    /// Whether Flux writes a release because of it. helm-controller then compares with the manifest of the newest revision.
    #[must_use]
    pub const fn moves_flux_chart(&self) -> bool {
        match self {
            Self::UpdateSource { .. } | Self::ApplyManifests { .. } => true,
            Self::AddKeepAnnotation { .. }
            | Self::MigrateObjects { .. }
            | Self::ApplyCrds { .. }
            | Self::VerifyServedSchema { .. }
            | Self::UnlockRelease { .. }
            | Self::AdoptObjects { .. }
            | Self::RecordRelease { .. }
            | Self::UpgradeRelease { .. }
            | Self::SuspendHelmRelease { .. }
            | Self::AwaitHelmRelease { .. }
            | Self::AwaitArgoApplication { .. }
            | Self::ResumeHelmRelease { .. }
            | Self::RollbackRelease { .. }
            | Self::RestoreCrds { .. }
            | Self::RestoreObjects { .. }
            | Self::RemoveKeepAnnotation { .. }
            | Self::DiscardRuns { .. }
            | Self::Validate => false,
        }
    }

    /// Whether an earlier step of this run may have patched the same Flux object.
    #[must_use]
    pub fn follows_own_patch(&self) -> bool {
        match self {
            Self::UpdateSource { role, .. } => *role == ReleaseRole::App,
            Self::ResumeHelmRelease { .. } => true,
            Self::AddKeepAnnotation { .. }
            | Self::MigrateObjects { .. }
            | Self::ApplyCrds { .. }
            | Self::VerifyServedSchema { .. }
            | Self::UnlockRelease { .. }
            | Self::AdoptObjects { .. }
            | Self::RecordRelease { .. }
            | Self::UpgradeRelease { .. }
            | Self::SuspendHelmRelease { .. }
            | Self::AwaitHelmRelease { .. }
            | Self::AwaitArgoApplication { .. }
            | Self::ApplyManifests { .. }
            | Self::RollbackRelease { .. }
            | Self::RestoreCrds { .. }
            | Self::RestoreObjects { .. }
            | Self::RemoveKeepAnnotation { .. }
            | Self::DiscardRuns { .. }
            | Self::Validate => false,
        }
    }
}
