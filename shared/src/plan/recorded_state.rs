//! The state that a plan was made from, small enough to store. A later run compares with it and finds the drift.
//!
//! It compares uid, spec, stored versions, revision, status and digests; not resourceVersion, which every status update changes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::value_hash::ValueHash;
use crate::model::crd::Crd;
use crate::model::release_status::ReleaseStatus;
use crate::plan::drift::{DriftItem, DriftSubject};

/// The recorded state of a plan. It holds no values and nothing secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedState {
    /// The uid of `kube-system`.
    pub cluster_uid: String,
    /// The owner of each release.
    pub owners: BTreeMap<String, String>,
    /// The digest of each chart that moves, by release.
    pub chart_digests: BTreeMap<String, String>,
    /// The newest revision of each release; none if it is not installed.
    pub releases: BTreeMap<String, Option<RecordedRevision>>,
    /// The live CRDs that the charts have; none if a CRD does not exist.
    pub crds: BTreeMap<String, Option<RecordedCrd>>,
    /// The digest of each CRD as the charts render it.
    pub rendered_crd_digests: BTreeMap<String, String>,
    /// The hash of the application's values.
    pub values: ValueHash,
}

/// A revision of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedRevision {
    /// 1, 2, …
    pub revision: u64,
    /// Its status.
    pub status: ReleaseStatus,
}

/// A live CRD.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedCrd {
    /// Distinguishes a CRD from one that was deleted and created again.
    pub uid: String,
    /// The digest of its spec.
    pub spec_digest: String,
    /// `status.storedVersions`
    pub stored_versions: Vec<String>,
}

impl RecordedCrd {
    /// The recorded part of a live CRD.
    #[must_use]
    pub fn from_crd(crd: &Crd) -> Self {
        Self {
            uid: crd.uid().to_owned(),
            spec_digest: super::value_hash::digest_json(&crd.json()["spec"]),
            stored_versions: crd.stored_versions().into_iter().map(str::to_owned).collect(),
        }
    }

    fn describe_difference(&self, then: &Self) -> Option<String> {
        if self.uid != then.uid {
            return Some("was deleted and created again".to_owned());
        }
        if self.spec_digest != then.spec_digest {
            return Some("has another spec: someone else changed it".to_owned());
        }
        let versions = |crd: &Self| crd.stored_versions.join(", ");
        (self.stored_versions != then.stored_versions)
            .then(|| format!("has the stored versions {}, and had {}", versions(self), versions(then)))
    }
}

/// Every difference, most severe first.
#[must_use]
pub fn find_drift(then: &RecordedState, now: &RecordedState) -> Vec<DriftItem> {
    if then.cluster_uid != now.cluster_uid {
        let how = "is not the one of the plan: the uid of kube-system differs".to_owned();
        let hint = "pass the right one with --context or --kubeconfig, or make a plan for this one";
        return vec![DriftItem { subject: DriftSubject::Cluster, change: how, hint }];
    }
    let mut all = Vec::new();
    let mut each = |found: Vec<(String, String)>, subject: fn(String) -> DriftSubject| {
        all.extend(found.into_iter().map(|(name, how)| DriftItem { subject: subject(name), change: how, hint: "" }));
    };
    each(
        diff_entries(&then.owners, &now.owners, |then, now| format!("is owned by {now}, and was owned by {then}")),
        DriftSubject::Release,
    );
    each(
        diff_entries(&then.releases, &now.releases, |then, now| {
            format!("{}, and {}", describe_current(now), describe_previous(then))
        }),
        DriftSubject::Release,
    );
    each(diff_crds(&then.crds, &now.crds), DriftSubject::Crd);
    each(
        diff_entries(&then.chart_digests, &now.chart_digests, |then, now| format!("is {now}, and was {then}")),
        DriftSubject::Chart,
    );
    if then.chart_digests == now.chart_digests {
        let how = |_: &String, _: &String| "this helm renders it differently from the helm of the plan".to_owned();
        each(diff_entries(&then.rendered_crd_digests, &now.rendered_crd_digests, how), DriftSubject::RenderedCrd);
    }
    all.extend(then.values.find_drift(&now.values));
    all
}

fn diff_entries<T: PartialEq>(
    then: &BTreeMap<String, T>,
    now: &BTreeMap<String, T>,
    how: impl Fn(&T, &T) -> String,
) -> Vec<(String, String)> {
    let both = then.iter().filter_map(|(name, was)| now.get(name).map(|is| (name, was, is)));
    both.filter(|(_, was, is)| was != is).map(|(name, was, is)| (name.clone(), how(was, is))).collect()
}

fn describe_current(revision: &Option<RecordedRevision>) -> String {
    revision
        .as_ref()
        .map_or_else(|| "is gone".to_owned(), |now| format!("is {} at revision {}", now.status, now.revision))
}

fn describe_previous(revision: &Option<RecordedRevision>) -> String {
    revision
        .as_ref()
        .map_or_else(|| "did not exist".to_owned(), |then| format!("was {} at revision {}", then.status, then.revision))
}

fn diff_crds(
    then: &BTreeMap<String, Option<RecordedCrd>>,
    now: &BTreeMap<String, Option<RecordedCrd>>,
) -> Vec<(String, String)> {
    let other = |name: &String, was: &Option<RecordedCrd>| match (was, now.get(name).and_then(Option::as_ref)) {
        (None, None) => None,
        (None, Some(_)) => Some("exists now, and did not before".to_owned()),
        (Some(_), None) => Some("is gone".to_owned()),
        (Some(was), Some(is)) => is.describe_difference(was),
    };
    then.iter().filter_map(|(name, was)| other(name, was).map(|how| (name.clone(), how))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::StoredValues;
    use serde_json::json;

    fn recorded_state() -> RecordedState {
        let crd = |uid: &str, spec: &str| {
            Some(RecordedCrd { uid: uid.into(), spec_digest: spec.into(), stored_versions: vec!["v1".into()] })
        };
        let named = |value: &str| BTreeMap::from([("mural".to_owned(), value.to_owned())]);
        RecordedState {
            cluster_uid: "uid-1".into(),
            owners: named("Helm"),
            chart_digests: named("sha256:1"),
            releases: BTreeMap::from([
                ("mural".to_owned(), Some(RecordedRevision { revision: 3, status: "deployed".into() })),
                ("mural-crds".to_owned(), None),
            ]),
            crds: BTreeMap::from([("hubs.x".to_owned(), crd("1", "a")), ("new.x".to_owned(), None)]),
            rendered_crd_digests: BTreeMap::from([("hubs.x".to_owned(), "sha256:2".to_owned())]),
            values: ValueHash::new("salt", StoredValues::HelmDefault, &json!({"a": {"password": "canary"}, "b": 1})),
        }
    }

    fn drift_lines(bend: impl FnOnce(&mut RecordedState)) -> Vec<String> {
        let mut now = recorded_state();
        bend(&mut now);
        find_drift(&recorded_state(), &now).iter().map(|moved| format!("{} {}", moved.subject, moved.change)).collect()
    }

    #[test]
    fn the_same_world_has_not_moved() {
        assert!(drift_lines(|_| ()).is_empty());
    }

    #[test]
    fn drift_names_the_object() {
        let crd = |world: &mut RecordedState, bend: fn(&mut RecordedCrd)| {
            bend(world.crds.get_mut("hubs.x").unwrap().as_mut().unwrap());
        };
        let one = |drift: Vec<String>| {
            assert_eq!(drift.len(), 1, "{drift:?}");
            drift[0].clone()
        };
        assert!(
            one(drift_lines(|now| crd(now, |crd| crd.spec_digest = "b".into())))
                .contains("CRD hubs.x has another spec")
        );
        assert!(one(drift_lines(|now| crd(now, |crd| crd.uid = "2".into()))).contains("created again"));
        assert!(
            one(drift_lines(|now| crd(now, |crd| crd.stored_versions = vec!["v2".into()]))).contains("v2, and had v1")
        );
        assert!(one(drift_lines(|now| drop(now.crds.insert("hubs.x".into(), None)))).contains("CRD hubs.x is gone"));
        let there =
            |now: &mut RecordedState| drop(now.crds.insert("new.x".into(), recorded_state().crds["hubs.x"].clone()));
        assert!(one(drift_lines(there)).contains("CRD new.x exists now"));
        let failed = Some(RecordedRevision { revision: 4, status: "failed".into() });
        let release = one(drift_lines(|now| drop(now.releases.insert("mural".into(), failed))));
        assert_eq!(release, "release mural is failed at revision 4, and was deployed at revision 3");
        assert!(
            one(drift_lines(|now| drop(now.chart_digests.insert("mural".into(), "sha256:9".into()))))
                .contains("sha256:9")
        );
        assert!(
            one(drift_lines(|now| drop(now.rendered_crd_digests.insert("hubs.x".into(), "sha256:9".into()))))
                .contains("renders")
        );
        assert!(
            one(drift_lines(|now| drop(now.owners.insert("mural".into(), "Flux".into())))).contains("owned by Flux")
        );
    }

    #[test]
    fn another_cluster_is_the_only_drift() {
        let drift = drift_lines(|now| {
            now.cluster_uid = "uid-2".into();
            now.crds.clear();
        });
        assert!(drift.len() == 1 && drift[0].starts_with("the cluster is not the one"), "{drift:?}");
    }
}
