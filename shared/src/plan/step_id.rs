//! The ids of steps. The journal, the reports, the Leases and the event stream use them.
//!
//! An id says what a step is for and never contains a release's name: `--release served` is a legal name. Within one plan an
//! id occurs once (`order::check_order`), so the journal marks the step that ran. The texts are part of the JSON output and
//! of every journal. They are read back here alone, and a text that is no id is an error.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::release_role::ReleaseRole;

/// Which step of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StepId {
    /// Annotates CRDs with `helm.sh/resource-policy: keep`.
    AnnotateKeep,
    /// Migrates stored objects out of the versions that a chart drops.
    Migrate,
    /// Applies CRDs.
    Crds,
    /// Verifies that the API server serves the CRDs that a step before it wrote.
    Served,
    /// Verifies the CRDs that are templates of a chart: helm writes them with the release.
    ServedTemplates(ReleaseRole),
    /// Marks a pending revision failed.
    Unlock(ReleaseRole),
    /// Makes helm the owner of objects that kubectl applied, before it writes their release.
    Adopt(ReleaseRole),
    /// Writes the release record of the CRD chart.
    Record,
    /// Brings a release to its chart's version, or waits until its owner has done so.
    Release(ReleaseRole),
    /// Updates the Flux source of a release.
    Source(ReleaseRole),
    /// Applies the Flux manifests of a release.
    Manifests(ReleaseRole),
    /// Suspends the application's HelmRelease.
    Suspend,
    /// Resumes the application's HelmRelease.
    Resume,
    /// Waits until a HelmRelease that repair resumed is Ready.
    Ready,
    /// Restores custom resources from the backup.
    Objects,
    /// Removes the keep annotation that a run of ours has set.
    RemoveKeepAnnotation,
    /// Discards unreadable runs from the journal.
    DiscardRuns,
    /// Runs the final check.
    Validate,
}

/// Lists every id with its text, once for both directions.
macro_rules! step_id_texts {
    ($($id:ident $(($role:ident))? => $text:literal,)*) => {
        impl StepId {
            /// Every id.
            pub const ALL: &'static [Self] = &[$(Self::$id $((ReleaseRole::$role))?,)*];

            /// The id's text, the same in every version.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$id $((ReleaseRole::$role))? => $text,)*
                }
            }
        }
    };
}

step_id_texts! {
    AnnotateKeep => "annotate-keep",
    Migrate => "migrate",
    Crds => "crds",
    Served => "served",
    ServedTemplates(Crds) => "served-mural-crds",
    ServedTemplates(App) => "served-mural",
    Unlock(Crds) => "unlock-mural-crds",
    Unlock(App) => "unlock-mural",
    Adopt(Crds) => "adopt-mural-crds",
    Adopt(App) => "adopt-mural",
    Record => "record",
    Release(Crds) => "mural-crds",
    Release(App) => "mural",
    Source(Crds) => "mural-crds-source",
    Source(App) => "mural-source",
    Manifests(Crds) => "mural-crds-manifests",
    Manifests(App) => "mural-manifests",
    Suspend => "suspend",
    Resume => "resume",
    Ready => "ready",
    Objects => "objects",
    RemoveKeepAnnotation => "remove-keep-annotation",
    DiscardRuns => "discard-runs",
    Validate => "validate",
}

/// A text that is the id of no step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a step id of this version")]
pub struct UnknownStepId(String);

impl FromStr for StepId {
    type Err = UnknownStepId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|id| id.as_str() == text).ok_or_else(|| UnknownStepId(text.to_owned()))
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for StepId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for StepId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_id_has_a_text_of_its_own_and_is_read_back_from_it() {
        let texts: BTreeSet<&str> = StepId::ALL.iter().map(|id| id.as_str()).collect();
        assert_eq!(texts.len(), StepId::ALL.len());
        for id in StepId::ALL {
            let json = serde_json::to_string(id).unwrap();
            assert_eq!(serde_json::from_str::<StepId>(&json).unwrap(), *id);
        }
        assert_eq!(
            "mural-2".parse::<StepId>().unwrap_err().to_string(),
            "\"mural-2\" is not a step id of this version"
        );
    }
}
