//! What has moved since a run was cut off: what it wrote itself is no move, what anybody else did is one.

use std::collections::{BTreeMap, BTreeSet};

use super::RunEntry;
use crate::plan::drift::Moved;
use crate::plan::world::{Revision, World, moved as moved_since};

/// What is known of the world now, besides what a plan keeps of it.
#[derive(Debug, Default)]
pub struct Now {
    /// The CRDs that are as the charts have them.
    pub as_wanted: BTreeSet<String>,
    /// The run of ours that made the newest revision of each release.
    pub made_by: BTreeMap<String, String>,
    /// Releases that Flux or Argo CD makes, where the newest revision is of the version that the run asked them for, or they went back
    /// to the one before.
    pub through_owner: BTreeSet<String>,
}

/// Everything that is neither as it was before the run nor as the run would leave it.
#[must_use]
pub fn moved(run: &RunEntry, now: &World, more: &Now) -> Vec<Moved> {
    let ours = ours(run, now, more);
    let all = moved_since(&ours, now);
    all.into_iter()
        .map(|moved| Moved { hint: if moved.what == "values" { VALUES } else { moved.hint }, ..moved })
        .collect()
}

const VALUES: &str = "give resume the value flags that the run was given; with other values, begin a new upgrade";

/// The world before the run, with everything in it that the run did.
fn ours(run: &RunEntry, now: &World, more: &Now) -> World {
    let mut then = run.world.clone();
    let ids = run.ids();
    for (release, is) in &now.releases {
        let by_us = more.made_by.get(release).is_some_and(|by| ids.contains(by));
        let was = then.releases.get(release).and_then(Option::as_ref);
        if by_us || more.through_owner.contains(release) || ended_since(was, is.as_ref()) {
            then.releases.insert(release.clone(), is.clone());
        }
        // A release that we made anew was nobody's before.
        if let (true, None, Some(owner)) = (by_us, was_owner(run, release), now.owners.get(release)) {
            then.owners.insert(release.clone(), owner.clone());
        }
    }
    let moving = run.moving();
    for (name, is) in &now.crds {
        let between = moving.contains(&name.as_str())
            && then.crds.get(name).and_then(Option::as_ref).map(|was| &was.uid) == is.as_ref().map(|is| &is.uid);
        let left = is.is_some() && is.as_ref() == run.left.get(name);
        if between || left || more.as_wanted.contains(name) {
            then.crds.insert(name.clone(), is.clone());
        }
    }
    then
}

/// Who kept a release before, where somebody did.
fn was_owner<'a>(run: &'a RunEntry, release: &str) -> Option<&'a String> {
    run.world.owners.get(release).filter(|_| run.world.releases.get(release).is_some_and(Option::is_some))
}

/// A revision that was pending then may have ended since: by its own helm, or marked by us.
fn ended_since(was: Option<&Revision>, is: Option<&Revision>) -> bool {
    was.zip(is).is_some_and(|(was, is)| {
        was.revision == is.revision && was.status.starts_with("pending-") && is.status == "failed"
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{entry, world};
    use super::*;
    use crate::ask::StoredValues;
    use crate::plan::seal::Seal;
    use crate::plan::world::LiveCrd;
    use serde_json::json;

    fn told(bend: impl FnOnce(&mut World), more: &Now) -> Vec<String> {
        let mut now = world();
        bend(&mut now);
        moved(&entry(), &now, more).iter().map(|moved| format!("{} {}", moved.what, moved.how)).collect()
    }

    fn changed(now: &mut World) {
        let crd = LiveCrd { uid: "1".into(), spec: "new".into(), stored_versions: vec!["v1".into()] };
        now.crds.insert("hubs.x".into(), Some(crd));
    }

    fn upgraded(now: &mut World) {
        let newest = Revision { revision: 2, status: "pending-upgrade".into() };
        now.releases.insert("mural".into(), Some(newest));
    }

    #[test]
    fn what_the_run_did_is_no_move() {
        let as_wanted = BTreeSet::from(["hubs.x".to_owned()]);
        let made_by = BTreeMap::from([("mural".to_owned(), "20261123-0712".to_owned())]);
        let more = Now { as_wanted, made_by, ..Now::default() };
        assert_eq!(told(|_| (), &Now::default()), Vec::<String>::new());
        assert_eq!(told(|now| (changed(now), upgraded(now)).0, &more), Vec::<String>::new());
    }

    #[test]
    fn a_release_that_the_run_made_was_nobodys_before() {
        let mut run = entry();
        run.world.releases.insert("mural-crds".into(), None);
        run.world.owners.insert("mural-crds".into(), "nobody".into());
        let mut now = run.world.clone();
        let made = Revision { revision: 1, status: "deployed".into() };
        now.releases.insert("mural-crds".into(), Some(made));
        now.owners.insert("mural-crds".into(), "Helm".into());
        let made_by = BTreeMap::from([("mural-crds".to_owned(), run.run.clone())]);
        assert!(moved(&run, &now, &Now { made_by, ..Now::default() }).is_empty());
        assert_eq!(moved(&run, &now, &Now::default()).len(), 2, "somebody else made it");
    }

    #[test]
    fn what_somebody_else_did_is_named() {
        let others = Now { made_by: BTreeMap::from([("mural".to_owned(), "other".to_owned())]), ..Now::default() };
        assert_eq!(told(upgraded, &others), ["release mural is pending-upgrade at 2, and was deployed at 1"]);
        assert_eq!(told(changed, &others), ["CRD hubs.x somebody has changed its spec"]);
        let told = told(|now| now.cluster = "uid-2".into(), &others);
        assert!(told[0].starts_with("the cluster is another one"), "{told:?}");
    }

    #[test]
    fn other_values_are_named_by_their_keys() {
        let other = |now: &mut World| {
            now.values = Seal::new("salt", StoredValues::HelmDefault, &json!({"password": "other", "more": 1}));
        };
        let mut now = world();
        other(&mut now);
        let found = moved(&entry(), &now, &Now::default());
        assert!(found.len() == 1 && found[0].how.contains("more") && found[0].hint.contains("resume"), "{found:?}");
    }

    #[test]
    fn a_crd_whose_objects_are_moving_stands_between() {
        let mut run = entry();
        let crds = vec![crate::plan::Migration {
            name: "hubs.x".into(),
            drops: vec!["v1".into()],
            to: "v2".into(),
            bridge: true,
            claimed: true,
        }];
        run.steps[0].action = crate::plan::Action::MigrateObjects { crds };
        let mut now = world();
        changed(&mut now);
        assert_eq!(moved(&run, &now, &Now::default()).len(), 1, "it was not begun");
        run.begin("crds", jiff::Timestamp::UNIX_EPOCH);
        assert!(moved(&run, &now, &Now::default()).is_empty());
    }
}
