//! What an upgrade does on the cluster, verb by verb: no more is asked for, and nothing less is enough.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{ObjectVerb, objects};
use crate::model::crd::Crd;
use crate::model::flux::FluxRef;
use crate::model::grants::Need;
use crate::model::kinds::Kinds;
use crate::model::lease::{Place, VERBS};
use crate::model::object::ObjectRef;

/// What one run is made of, as far as permissions go.
pub struct Work<'a> {
    /// The installation's namespace.
    pub namespace: &'a str,
    /// Which CRDs are written.
    pub crds: Written,
    /// The application's manifest as it is and as it will be; none where it does not move.
    pub app: Option<(&'a [Value], &'a [Value])>,
    /// The CRDs whose objects are looked at: their change could hurt one.
    pub judged: &'a [&'a Crd],
    /// The kinds that are served.
    pub kinds: Option<&'a Kinds>,
    /// The CRDs that the charts bring.
    pub brought: &'a [&'a Crd],
    /// The objects of Flux that are patched; where there are any, helm-controller does the rest.
    pub patched: &'a [FluxRef],
}

/// Which CRDs a run writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Written {
    /// None.
    None,
    /// Some that are there.
    Changed,
    /// New ones too.
    New,
}

const CRDS: (&str, &str) = ("apiextensions.k8s.io", "customresourcedefinitions");
/// helm keeps its records as Secrets: it reads them, writes the next, marks the last one and removes the oldest.
const RECORDS: [&str; 5] = ["get", "list", "create", "update", "delete"];
/// What we and helm read while a roll-out is waited for.
const WAITED_FOR: [(&str, &str); 6] = [
    ("", "pods"),
    ("apps", "deployments"),
    ("apps", "replicasets"),
    ("apps", "statefulsets"),
    ("apps", "daemonsets"),
    ("batch", "jobs"),
];

/// What the guards look at besides: whether it is in a namespace.
const LOOKED_AT: [(&str, &str, bool); 4] = [
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations", false),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations", false),
    ("", "resourcequotas", true),
    ("policy", "poddisruptionbudgets", true),
];

/// Everything that a run does, sorted, each thing once.
#[must_use]
pub fn needs(work: &Work<'_>) -> Vec<Need> {
    let own = Some(work.namespace);
    if !work.patched.is_empty() {
        return through_flux(work);
    }
    let mut all: BTreeSet<Need> = RECORDS.iter().map(|verb| Need::new(own, "", "secrets", verb)).collect();
    for place in Place::of_a_run(work.namespace, work.crds != Written::None) {
        all.extend(VERBS.map(|verb| Need::new(Some(&place.namespace), "coordination.k8s.io", "leases", verb)));
    }
    all.extend(
        LOOKED_AT
            .iter()
            .map(|(group, kind, namespaced)| Need::new(namespaced.then_some(work.namespace), group, kind, "list")),
    );
    let verbs: &[&'static str] = match work.crds {
        Written::None => &["list"],
        Written::Changed => &["get", "list", "patch"],
        Written::New => &["get", "list", "patch", "create"],
    };
    all.extend(verbs.iter().map(|verb| Need::new(None, CRDS.0, CRDS.1, verb)));
    all.extend(work.judged.iter().map(|crd| Need::new(None, crd.group(), crd.plural(), "list")));
    if let Some((old, new)) = work.app {
        all.extend(
            WAITED_FOR.iter().flat_map(|(group, kind)| ["get", "list"].map(|verb| Need::new(own, group, kind, verb))),
        );
        all.extend(application(work, old, new));
    }
    all.into_iter().collect()
}

/// Sources and HelmReleases are patched, records and workloads read: the rest is helm-controller's.
fn through_flux(work: &Work<'_>) -> Vec<Need> {
    let own = Some(work.namespace);
    let mut all = BTreeSet::from([Need::new(own, "", "secrets", "list"), Need::new(None, CRDS.0, CRDS.1, "list")]);
    for place in Place::of_a_run(work.namespace, work.crds != Written::None) {
        all.extend(VERBS.map(|verb| Need::new(Some(&place.namespace), "coordination.k8s.io", "leases", verb)));
    }
    for object in work.patched {
        let (group, plural) = object.resource();
        all.extend(["get", "patch"].map(|verb| Need::new(Some(&object.namespace), group, &plural, verb)));
    }
    all.extend(WAITED_FOR.iter().map(|(group, kind)| Need::new(own, group, kind, "list")));
    all.extend(work.judged.iter().map(|crd| Need::new(None, crd.group(), crd.plural(), "list")));
    all.into_iter().collect()
}

/// helm reads every object of both manifests, creates the new ones, patches what changed and deletes what is gone.
fn application(work: &Work<'_>, old: &[Value], new: &[Value]) -> BTreeSet<Need> {
    let every = old.iter().chain(new).filter_map(ObjectRef::of).map(|object| (object, "get"));
    let changes = objects::changes(work.namespace, old, new).into_iter().map(|change| {
        let verb = match change.change {
            ObjectVerb::Created => "create",
            ObjectVerb::Changed => "patch",
            ObjectVerb::Removed => "delete",
        };
        (change.object, verb)
    });
    every.chain(changes).filter_map(|(object, verb)| need(work, &object, verb)).collect()
}

fn need(work: &Work<'_>, object: &ObjectRef, verb: &'static str) -> Option<Need> {
    let brought = || work.brought.iter().find(|crd| crd.group() == object.group() && crd.kind() == object.kind);
    let served = work.kinds.and_then(|kinds| kinds.of(object)).map(|kind| (kind.plural.as_str(), kind.namespaced));
    let (plural, namespaced) = served.or_else(|| brought().map(|crd| (crd.plural(), crd.namespaced())))?;
    let place = if object.namespace.is_empty() { work.namespace } else { &object.namespace };
    Some(Need::new(namespaced.then_some(place), object.group(), plural, verb))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kinds::tests::some;
    use serde_json::json;

    #[test]
    fn each_verb_has_its_reason() {
        let object = |kind: &str, version: &str, name: &str, data: &str| json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "data": data});
        let old = [object("ConfigMap", "v1", "a", "1"), object("Service", "v1", "gone", "")];
        let new = [object("ConfigMap", "v1", "a", "2"), object("Deployment", "apps/v1", "new", "")];
        let kinds = some();
        let work = Work {
            namespace: "m",
            crds: Written::None,
            app: Some((&old, &new)),
            kinds: Some(&kinds),
            brought: &[],
            patched: &[],
            judged: &[],
        };
        let told: Vec<String> = needs(&work).iter().map(ToString::to_string).collect();
        for wanted in [
            "patch configmaps",
            "delete services",
            "create deployments.apps",
            "update secrets",
            "create leases.coordination.k8s.io",
        ] {
            assert!(told.contains(&wanted.to_owned()), "{wanted}: {told:?}");
        }
        assert!(
            !told.iter().any(|need| need == "create configmaps" || need.starts_with("patch customresourcedefinitions"))
        );
        let work = Work { crds: Written::Changed, app: None, ..work };
        let cluster: Vec<&str> =
            needs(&work).iter().filter(|need| need.resource == CRDS.1).map(|need| need.verb).collect();
        assert_eq!(cluster, ["get", "list", "patch"]);
    }
}
