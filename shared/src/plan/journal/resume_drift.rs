//! The drift since a run was interrupted: what the run itself wrote is no drift, what anyone else wrote is.

use std::collections::{BTreeMap, BTreeSet};

use super::RunEntry;
use crate::model::release_status::ReleaseStatus;
use crate::plan::drift::{DriftItem, DriftSubject};
use crate::plan::recorded_state::{RecordedRevision, RecordedState, find_drift as moved_since};

/// What the cluster shows now, apart from the recorded state.
#[derive(Debug, Default)]
pub struct RunEffects {
    /// The CRDs that are as the charts have them.
    pub crds_matching_charts: BTreeSet<String>,
    /// The run of ours that made the newest revision of each release.
    pub newest_revision_runs: BTreeMap<String, String>,
    /// Releases owned by Flux or Argo CD whose newest revision has the version that the run requested, or that their owner rolled back
    /// to the version before.
    pub releases_done_by_owner: BTreeSet<String>,
}

/// Everything that differs both from the state before the run and from the state that the run would leave.
#[must_use]
pub fn find_resume_drift(run: &RunEntry, now: &RecordedState, effects: &RunEffects) -> Vec<DriftItem> {
    let ours = expected_state(run, now, effects);
    let all = moved_since(&ours, now);
    all.into_iter()
        .map(|moved| DriftItem {
            hint: if moved.subject == DriftSubject::Values { RESUME_VALUES_HINT } else { moved.hint },
            ..moved
        })
        .collect()
}

const RESUME_VALUES_HINT: &str = "pass resume the value flags of that run; with other values, start a new upgrade";

/// The state before the run, with everything applied that the run did.
fn expected_state(run: &RunEntry, now: &RecordedState, effects: &RunEffects) -> RecordedState {
    let mut then = run.recorded_state.clone();
    let ids = run.run_ids();
    for (release, is) in &now.releases {
        let by_us = effects.newest_revision_runs.get(release).is_some_and(|by| ids.contains(by));
        let was = then.releases.get(release).and_then(Option::as_ref);
        if by_us || effects.releases_done_by_owner.contains(release) || has_ended(was, is.as_ref()) {
            then.releases.insert(release.clone(), is.clone());
        }
        // A release that the run installed had no owner before.
        if let (true, None, Some(owner)) = (by_us, previous_owner(run, release), now.owners.get(release)) {
            then.owners.insert(release.clone(), owner.clone());
        }
    }
    let moving = run.migrating_crds();
    for (name, is) in &now.crds {
        let between = moving.contains(&name.as_str())
            && then.crds.get(name).and_then(Option::as_ref).map(|was| &was.uid) == is.as_ref().map(|is| &is.uid);
        let left = is.is_some() && is.as_ref() == run.crds_after_run.get(name);
        if between || left || effects.crds_matching_charts.contains(name) {
            then.crds.insert(name.clone(), is.clone());
        }
    }
    then
}

/// The owner of a release before the run, if it had one.
fn previous_owner<'a>(run: &'a RunEntry, release: &str) -> Option<&'a String> {
    run.recorded_state
        .owners
        .get(release)
        .filter(|_| run.recorded_state.releases.get(release).is_some_and(Option::is_some))
}

/// A revision that was pending may have ended since: by its own helm, or because this program marked it failed.
fn has_ended(was: Option<&RecordedRevision>, is: Option<&RecordedRevision>) -> bool {
    was.zip(is).is_some_and(|(was, is)| {
        was.revision == is.revision && was.status.is_pending() && is.status == ReleaseStatus::Failed
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{entry, recorded_state};
    use super::*;
    use crate::ask::StoredValues;
    use crate::plan::StepId;
    use crate::plan::recorded_state::RecordedCrd;
    use crate::plan::value_hash::ValueHash;
    use serde_json::json;

    fn drift_lines(bend: impl FnOnce(&mut RecordedState), effects: &RunEffects) -> Vec<String> {
        let mut now = recorded_state();
        bend(&mut now);
        find_resume_drift(&entry(), &now, effects)
            .iter()
            .map(|moved| format!("{} {}", moved.subject, moved.change))
            .collect()
    }

    fn change_crd(now: &mut RecordedState) {
        let crd = RecordedCrd { uid: "1".into(), spec_digest: "new".into(), stored_versions: vec!["v1".into()] };
        now.crds.insert("hubs.x".into(), Some(crd));
    }

    fn upgrade_release(now: &mut RecordedState) {
        let newest = RecordedRevision { revision: 2, status: "pending-upgrade".into() };
        now.releases.insert("mural".into(), Some(newest));
    }

    #[test]
    fn changes_of_the_run_itself_are_not_drift() {
        let as_wanted = BTreeSet::from(["hubs.x".to_owned()]);
        let made_by = BTreeMap::from([("mural".to_owned(), "20261123-0712".to_owned())]);
        let effects =
            RunEffects { crds_matching_charts: as_wanted, newest_revision_runs: made_by, ..RunEffects::default() };
        assert_eq!(drift_lines(|_| (), &RunEffects::default()), Vec::<String>::new());
        assert_eq!(drift_lines(|now| (change_crd(now), upgrade_release(now)).0, &effects), Vec::<String>::new());
    }

    #[test]
    fn a_release_that_the_run_installed_had_no_owner_before() {
        let mut run = entry();
        run.recorded_state.releases.insert("mural-crds".into(), None);
        run.recorded_state.owners.insert("mural-crds".into(), "not installed".into());
        let mut now = run.recorded_state.clone();
        let revision = RecordedRevision { revision: 1, status: "deployed".into() };
        now.releases.insert("mural-crds".into(), Some(revision));
        now.owners.insert("mural-crds".into(), "Helm".into());
        let made_by = BTreeMap::from([("mural-crds".to_owned(), run.run.clone())]);
        assert!(
            find_resume_drift(&run, &now, &RunEffects { newest_revision_runs: made_by, ..RunEffects::default() })
                .is_empty()
        );
        assert_eq!(find_resume_drift(&run, &now, &RunEffects::default()).len(), 2, "someone else wrote it");
    }

    #[test]
    fn changes_of_other_clients_are_drift() {
        let others = RunEffects {
            newest_revision_runs: BTreeMap::from([("mural".to_owned(), "other".to_owned())]),
            ..RunEffects::default()
        };
        assert_eq!(
            drift_lines(upgrade_release, &others),
            ["release mural is pending-upgrade at revision 2, and was deployed at revision 1"]
        );
        assert_eq!(drift_lines(change_crd, &others), ["CRD hubs.x has another spec: someone else changed it"]);
        let drift = drift_lines(|now| now.cluster_uid = "uid-2".into(), &others);
        assert!(drift[0].starts_with("the cluster is not the one"), "{drift:?}");
    }

    #[test]
    fn other_values_are_named_by_their_keys() {
        let other = |now: &mut RecordedState| {
            now.values = ValueHash::new("salt", StoredValues::HelmDefault, &json!({"password": "other", "more": 1}));
        };
        let mut now = recorded_state();
        other(&mut now);
        let found = find_resume_drift(&entry(), &now, &RunEffects::default());
        assert!(found.len() == 1 && found[0].change.contains("more") && found[0].hint.contains("resume"), "{found:?}");
    }

    #[test]
    fn a_crd_in_migration_is_neither_old_nor_new() {
        let mut run = entry();
        let crds = vec![crate::plan::CrdMigration {
            name: "hubs.x".into(),
            dropped_versions: vec!["v1".into()],
            target_version: "v2".into(),
            needs_transitional_crd: true,
            in_stored_versions: true,
        }];
        run.steps[0].action = crate::plan::Action::MigrateObjects { crds };
        let mut now = recorded_state();
        change_crd(&mut now);
        assert_eq!(find_resume_drift(&run, &now, &RunEffects::default()).len(), 1, "it was not begun");
        run.begin_step(StepId::Crds, jiff::Timestamp::UNIX_EPOCH);
        assert!(find_resume_drift(&run, &now, &RunEffects::default()).is_empty());
    }
}
