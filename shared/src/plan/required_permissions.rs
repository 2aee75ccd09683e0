//! The permissions that an upgrade needs, verb by verb: no more and no less.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{ObjectChangeKind, object_changes};
use crate::model::access_review::Permission;
use crate::model::crd::Crd;
use crate::model::flux::FluxRef;
use crate::model::lease::{LEASE_VERBS, LeaseRef};
use crate::model::object::ObjectRef;
use crate::model::served_kinds::ServedKinds;

/// What a run reads and writes, for its permissions.
pub struct PermissionScope<'a> {
    /// The installation's namespace.
    pub namespace: &'a str,
    /// Which CRDs the run writes.
    pub crd_writes: CrdWrites,
    /// The application's manifest now and next; none if it does not move.
    pub app_manifests: Option<(&'a [Value], &'a [Value])>,
    /// The CRDs whose objects the run reads, because their change could break one.
    pub inspected_crds: &'a [&'a Crd],
    /// The kinds that are served.
    pub kinds: Option<&'a ServedKinds>,
    /// The CRDs that the charts bring.
    pub chart_crds: &'a [&'a Crd],
    /// The Flux objects that the run patches; with any, helm-controller writes the release.
    pub patched_objects: &'a [FluxRef],
}

/// Which CRDs a run writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CrdWrites {
    /// None.
    None,
    /// Existing ones.
    Update,
    /// New ones too.
    CreateAndUpdate,
}

const CRD_RESOURCE: (&str, &str) = ("apiextensions.k8s.io", "customresourcedefinitions");
/// helm stores its records as Secrets: it reads them, writes the next, supersedes the last and removes the oldest.
const RECORD_VERBS: [&str; 5] = ["get", "list", "create", "update", "delete"];
/// What this program and helm read while they wait for a roll-out.
const WAIT_RESOURCES: [(&str, &str); 6] = [
    ("", "pods"),
    ("apps", "deployments"),
    ("apps", "replicasets"),
    ("apps", "statefulsets"),
    ("apps", "daemonsets"),
    ("batch", "jobs"),
];

/// What the guards read in addition; the flag says whether it is namespaced.
const GUARD_RESOURCES: [(&str, &str, bool); 4] = [
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations", false),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations", false),
    ("", "resourcequotas", true),
    ("policy", "poddisruptionbudgets", true),
];

/// Every permission of a run, sorted, without duplicates.
#[must_use]
pub fn collect_permissions(scope: &PermissionScope<'_>) -> Vec<Permission> {
    let namespace = Some(scope.namespace);
    if !scope.patched_objects.is_empty() {
        return collect_flux_permissions(scope);
    }
    let mut all: BTreeSet<Permission> =
        RECORD_VERBS.iter().map(|verb| Permission::new(namespace, "", "secrets", verb)).collect();
    for lease in LeaseRef::for_run(scope.namespace, scope.crd_writes != CrdWrites::None) {
        all.extend(
            LEASE_VERBS.map(|verb| Permission::new(Some(&lease.namespace), "coordination.k8s.io", "leases", verb)),
        );
    }
    all.extend(
        GUARD_RESOURCES.iter().map(|(group, kind, namespaced)| {
            Permission::new(namespaced.then_some(scope.namespace), group, kind, "list")
        }),
    );
    let verbs: &[&'static str] = match scope.crd_writes {
        CrdWrites::None => &["list"],
        CrdWrites::Update => &["get", "list", "patch"],
        CrdWrites::CreateAndUpdate => &["get", "list", "patch", "create"],
    };
    all.extend(verbs.iter().map(|verb| Permission::new(None, CRD_RESOURCE.0, CRD_RESOURCE.1, verb)));
    all.extend(scope.inspected_crds.iter().map(|crd| Permission::new(None, crd.group(), crd.plural(), "list")));
    if let Some((old, new)) = scope.app_manifests {
        all.extend(
            WAIT_RESOURCES
                .iter()
                .flat_map(|(group, kind)| ["get", "list"].map(|verb| Permission::new(namespace, group, kind, verb))),
        );
        all.extend(collect_application_permissions(scope, old, new));
    }
    all.into_iter().collect()
}

/// The run patches sources and HelmReleases and reads records and workloads; helm-controller does the rest.
fn collect_flux_permissions(scope: &PermissionScope<'_>) -> Vec<Permission> {
    let namespace = Some(scope.namespace);
    let mut all = BTreeSet::from([
        Permission::new(namespace, "", "secrets", "list"),
        Permission::new(None, CRD_RESOURCE.0, CRD_RESOURCE.1, "list"),
    ]);
    for lease in LeaseRef::for_run(scope.namespace, scope.crd_writes != CrdWrites::None) {
        all.extend(
            LEASE_VERBS.map(|verb| Permission::new(Some(&lease.namespace), "coordination.k8s.io", "leases", verb)),
        );
    }
    for object in scope.patched_objects {
        let (group, plural) = object.group_and_plural();
        all.extend(["get", "patch"].map(|verb| Permission::new(Some(&object.namespace), group, &plural, verb)));
    }
    all.extend(WAIT_RESOURCES.iter().map(|(group, kind)| Permission::new(namespace, group, kind, "list")));
    all.extend(scope.inspected_crds.iter().map(|crd| Permission::new(None, crd.group(), crd.plural(), "list")));
    all.into_iter().collect()
}

/// helm reads every object of both manifests, creates new ones, patches changed ones and deletes removed ones.
fn collect_application_permissions(scope: &PermissionScope<'_>, old: &[Value], new: &[Value]) -> BTreeSet<Permission> {
    let every = old.iter().chain(new).filter_map(ObjectRef::from_manifest).map(|object| (object, "get"));
    let changes = object_changes::diff_manifests(scope.namespace, old, new).into_iter().map(|change| {
        let verb = match change.change {
            ObjectChangeKind::Create => "create",
            ObjectChangeKind::Update => "patch",
            ObjectChangeKind::Delete => "delete",
        };
        (change.object, verb)
    });
    every.chain(changes).filter_map(|(object, verb)| build_permission(scope, &object, verb)).collect()
}

fn build_permission(scope: &PermissionScope<'_>, object: &ObjectRef, verb: &'static str) -> Option<Permission> {
    let chart_crd = || scope.chart_crds.iter().find(|crd| crd.group() == object.group() && crd.kind() == object.kind);
    let served = scope.kinds.and_then(|kinds| kinds.get(object)).map(|kind| (kind.plural.as_str(), kind.namespaced));
    let (plural, namespaced) = served.or_else(|| chart_crd().map(|crd| (crd.plural(), crd.is_namespaced())))?;
    let namespace = if object.namespace.is_empty() { scope.namespace } else { &object.namespace };
    Some(Permission::new(namespaced.then_some(namespace), object.group(), plural, verb))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::served_kinds::tests::sample_kinds;
    use serde_json::json;

    #[test]
    fn each_verb_has_its_reason() {
        let object = |kind: &str, version: &str, name: &str, data: &str| json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "data": data});
        let old = [object("ConfigMap", "v1", "a", "1"), object("Service", "v1", "gone", "")];
        let new = [object("ConfigMap", "v1", "a", "2"), object("Deployment", "apps/v1", "new", "")];
        let kinds = sample_kinds();
        let scope = PermissionScope {
            namespace: "m",
            crd_writes: CrdWrites::None,
            app_manifests: Some((&old, &new)),
            kinds: Some(&kinds),
            chart_crds: &[],
            patched_objects: &[],
            inspected_crds: &[],
        };
        let permissions: Vec<String> = collect_permissions(&scope).iter().map(ToString::to_string).collect();
        for wanted in [
            "patch configmaps",
            "delete services",
            "create deployments.apps",
            "update secrets",
            "create leases.coordination.k8s.io",
        ] {
            assert!(permissions.contains(&wanted.to_owned()), "{wanted}: {permissions:?}");
        }
        assert!(
            !permissions
                .iter()
                .any(|need| need == "create configmaps" || need.starts_with("patch customresourcedefinitions"))
        );
        let scope = PermissionScope { crd_writes: CrdWrites::Update, app_manifests: None, ..scope };
        let cluster: Vec<&str> = collect_permissions(&scope)
            .iter()
            .filter(|need| need.resource == CRD_RESOURCE.1)
            .map(|need| need.verb)
            .collect();
        assert_eq!(cluster, ["get", "list", "patch"]);
    }
}
