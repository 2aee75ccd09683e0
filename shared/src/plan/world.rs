//! What a plan was made from, small enough to keep: whoever does the plan later sees what has moved since.
//!
//! Judged by uid, spec, stored versions, revision, status and digests; not by resourceVersion, which every status update moves.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::seal::Seal;
use crate::model::crd::Crd;
use crate::plan::drift::Moved;

/// The world of a plan. Holds no values and nothing secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct World {
    /// The uid of `kube-system`.
    pub cluster: String,
    /// Who keeps each release.
    pub owners: BTreeMap<String, String>,
    /// The bytes of each chart that moves, by release.
    pub charts: BTreeMap<String, String>,
    /// The newest revision of each release; none where there is no release.
    pub releases: BTreeMap<String, Option<Revision>>,
    /// The live CRDs that the charts name; none where there is no such CRD.
    pub crds: BTreeMap<String, Option<LiveCrd>>,
    /// The digest of each CRD as the charts render it.
    pub rendered: BTreeMap<String, String>,
    /// The application's values.
    pub values: Seal,
}

/// A revision of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// 1, 2, …
    pub revision: u64,
    /// `deployed`, `failed`, …
    pub status: String,
}

/// A live CRD.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveCrd {
    /// Tells a CRD from one that was deleted and made anew.
    pub uid: String,
    /// The digest of its spec.
    pub spec: String,
    /// `status.storedVersions`
    pub stored_versions: Vec<String>,
}

impl LiveCrd {
    /// What is kept of a live CRD.
    #[must_use]
    pub fn of(crd: &Crd) -> Self {
        Self {
            uid: crd.uid().to_owned(),
            spec: super::seal::digest(&crd.json()["spec"]),
            stored_versions: crd.stored_versions().into_iter().map(str::to_owned).collect(),
        }
    }

    fn other_than(&self, then: &Self) -> Option<String> {
        if self.uid != then.uid {
            return Some("was deleted and made anew".to_owned());
        }
        if self.spec != then.spec {
            return Some("somebody has changed its spec".to_owned());
        }
        let versions = |crd: &Self| crd.stored_versions.join(", ");
        (self.stored_versions != then.stored_versions)
            .then(|| format!("its stored versions are {}, and were {}", versions(self), versions(then)))
    }
}

/// Everything that is other than it was, gravest first.
#[must_use]
pub fn moved(then: &World, now: &World) -> Vec<Moved> {
    let plain = |what: String, how: String| Moved { what, how, hint: "" };
    if then.cluster != now.cluster {
        let how = "is another one than the plan was made for: the uid of kube-system differs".to_owned();
        let hint = "name the right one with --context or --kubeconfig, or make a plan for this one";
        return vec![Moved { what: "the cluster".to_owned(), how, hint }];
    }
    let mut all = Vec::new();
    let mut each = |found: Vec<(String, String)>, prefix: &str| {
        all.extend(found.into_iter().map(|(name, how)| plain(format!("{prefix} {name}"), how)));
    };
    each(differing(&then.owners, &now.owners, |then, now| format!("is kept by {now}, and was by {then}")), "release");
    each(differing(&then.releases, &now.releases, |then, now| format!("{}, and {}", is(now), was(then))), "release");
    each(crds(&then.crds, &now.crds), "CRD");
    each(differing(&then.charts, &now.charts, |then, now| format!("is {now}, and was {then}")), "the chart of");
    if then.charts == now.charts {
        let how = |_: &String, _: &String| "this helm renders it to another text than the plan's helm did".to_owned();
        each(differing(&then.rendered, &now.rendered, how), "the chart's CRD");
    }
    all.extend(then.values.other_than(&now.values));
    all
}

fn differing<T: PartialEq>(
    then: &BTreeMap<String, T>,
    now: &BTreeMap<String, T>,
    how: impl Fn(&T, &T) -> String,
) -> Vec<(String, String)> {
    let both = then.iter().filter_map(|(name, was)| now.get(name).map(|is| (name, was, is)));
    both.filter(|(_, was, is)| was != is).map(|(name, was, is)| (name.clone(), how(was, is))).collect()
}

fn is(revision: &Option<Revision>) -> String {
    revision.as_ref().map_or_else(|| "is gone".to_owned(), |now| format!("is {} at {}", now.status, now.revision))
}

fn was(revision: &Option<Revision>) -> String {
    revision
        .as_ref()
        .map_or_else(|| "was not there".to_owned(), |then| format!("was {} at {}", then.status, then.revision))
}

fn crds(then: &BTreeMap<String, Option<LiveCrd>>, now: &BTreeMap<String, Option<LiveCrd>>) -> Vec<(String, String)> {
    let other = |name: &String, was: &Option<LiveCrd>| match (was, now.get(name).and_then(Option::as_ref)) {
        (None, None) => None,
        (None, Some(_)) => Some("is there now, and was not".to_owned()),
        (Some(_), None) => Some("is gone".to_owned()),
        (Some(was), Some(is)) => is.other_than(was),
    };
    then.iter().filter_map(|(name, was)| other(name, was).map(|how| (name.clone(), how))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::StoredValues;
    use serde_json::json;

    fn world() -> World {
        let crd = |uid: &str, spec: &str| {
            Some(LiveCrd { uid: uid.into(), spec: spec.into(), stored_versions: vec!["v1".into()] })
        };
        let named = |value: &str| BTreeMap::from([("mural".to_owned(), value.to_owned())]);
        World {
            cluster: "uid-1".into(),
            owners: named("Helm"),
            charts: named("sha256:1"),
            releases: BTreeMap::from([
                ("mural".to_owned(), Some(Revision { revision: 3, status: "deployed".into() })),
                ("mural-crds".to_owned(), None),
            ]),
            crds: BTreeMap::from([("hubs.x".to_owned(), crd("1", "a")), ("new.x".to_owned(), None)]),
            rendered: BTreeMap::from([("hubs.x".to_owned(), "sha256:2".to_owned())]),
            values: Seal::new("salt", StoredValues::HelmDefault, &json!({"a": {"password": "canary"}, "b": 1})),
        }
    }

    fn told(bend: impl FnOnce(&mut World)) -> Vec<String> {
        let mut now = world();
        bend(&mut now);
        moved(&world(), &now).iter().map(|moved| format!("{} {}", moved.what, moved.how)).collect()
    }

    #[test]
    fn the_same_world_has_not_moved() {
        assert!(told(|_| ()).is_empty());
    }

    #[test]
    fn what_moved_is_named() {
        let crd = |world: &mut World, bend: fn(&mut LiveCrd)| {
            bend(world.crds.get_mut("hubs.x").unwrap().as_mut().unwrap());
        };
        let one = |told: Vec<String>| {
            assert_eq!(told.len(), 1, "{told:?}");
            told[0].clone()
        };
        assert!(one(told(|now| crd(now, |crd| crd.spec = "b".into()))).contains("CRD hubs.x somebody has changed"));
        assert!(one(told(|now| crd(now, |crd| crd.uid = "2".into()))).contains("made anew"));
        assert!(one(told(|now| crd(now, |crd| crd.stored_versions = vec!["v2".into()]))).contains("v2, and were v1"));
        assert!(one(told(|now| drop(now.crds.insert("hubs.x".into(), None)))).contains("CRD hubs.x is gone"));
        let there = |now: &mut World| drop(now.crds.insert("new.x".into(), world().crds["hubs.x"].clone()));
        assert!(one(told(there)).contains("CRD new.x is there now"));
        let failed = Some(Revision { revision: 4, status: "failed".into() });
        let release = one(told(|now| drop(now.releases.insert("mural".into(), failed))));
        assert_eq!(release, "release mural is failed at 4, and was deployed at 3");
        assert!(one(told(|now| drop(now.charts.insert("mural".into(), "sha256:9".into())))).contains("sha256:9"));
        assert!(one(told(|now| drop(now.rendered.insert("hubs.x".into(), "sha256:9".into())))).contains("renders"));
        assert!(one(told(|now| drop(now.owners.insert("mural".into(), "Flux".into())))).contains("kept by Flux"));
    }

    #[test]
    fn another_cluster_is_told_alone() {
        let told = told(|now| {
            now.cluster = "uid-2".into();
            now.crds.clear();
        });
        assert!(told.len() == 1 && told[0].starts_with("the cluster is another one"), "{told:?}");
    }
}
