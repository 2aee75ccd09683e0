//! The run's own steps, each with what becomes of it: what a person remembers having seen.

use serde::Serialize;

use super::{Back, Way};
use crate::plan::Action;
use crate::plan::journal::{RunEntry, StepEntry, StepStands};

/// One step of the run that is undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepBack {
    /// The step's id.
    pub step: String,
    /// Whether it goes back.
    pub way: Way,
    /// What becomes of it, in a few words.
    pub told: String,
}

/// Every step that was begun and wrote something.
pub(super) fn of(run: &RunEntry, back: &Back) -> Vec<StepBack> {
    let begun = run.steps.iter().filter(|step| step.stands != StepStands::Planned && step.action.writes());
    begun.map(|step| one(step, back)).collect()
}

fn one(step: &StepEntry, back: &Back) -> StepBack {
    let (way, told) = match &step.action {
        Action::KeepCrds { names } => marks(names, back),
        Action::MigrateObjects { crds } => {
            let all: Vec<String> = crds.iter().map(|one| format!("{} as {}", one.name, one.to)).collect();
            (Way::Stays, format!("objects that were rewritten stay so: {}", all.join(", ")))
        }
        Action::ApplyCrds { names } => crds(names, back),
        Action::UnlockRelease { revision, .. } => {
            (Way::Stays, format!("revision {revision} stays marked failed: helm was cut off in it"))
        }
        Action::RecordRelease { release } | Action::UpgradeRelease { release } => of_release(release, back),
        _ => (Way::Stays, "goes back through its owner".to_owned()),
    };
    StepBack { step: step.id.clone(), way, told }
}

fn marks(names: &[String], back: &Back) -> (Way, String) {
    let taken = names.iter().filter(|name| back.unmarked.contains(name)).count();
    match taken {
        0 => (
            Way::Stays,
            "the marks stay: a release may still leave these CRDs, or they are not ours any more".to_owned(),
        ),
        _ => (Way::GoesBack, format!("{taken} of {} marks are taken away in the end", names.len())),
    }
}

fn crds(names: &[String], back: &Back) -> (Way, String) {
    let count = |way: Way| back.crds.iter().filter(|crd| crd.way == way && names.contains(&crd.name)).count();
    let all = [
        (count(Way::GoesBack), "back as saved"),
        (count(Way::AsBefore), "as before already"),
        (count(Way::Stays), "stay, each with its reason below"),
    ];
    let told: Vec<String> =
        all.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    let way = match (all[0].0, all[2].0) {
        (0, 0) => Way::AsBefore,
        (0, _) => Way::Stays,
        _ => Way::GoesBack,
    };
    (way, told.join(", "))
}

fn of_release(release: &str, back: &Back) -> (Way, String) {
    let Some(found) = back.releases.iter().find(|one| one.release == release) else {
        return (Way::AsBefore, "no such release".to_owned());
    };
    let told = match (&found.way, &found.to, &found.to_version) {
        (Way::GoesBack, Some(to), Some(version)) => format!("{release} as revision {to} was, {version}"),
        (Way::AsBefore, ..) if found.because.is_empty() => format!("{release} is as it was before"),
        _ => format!("{release}: {}", found.because),
    };
    (found.way, told)
}
