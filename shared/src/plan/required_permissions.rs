//! The permissions that a run needs, verb by verb: enough for the whole run with this program, kubectl and helm.
//!
//! The input is what the plan writes and reads; the output goes to the guard `permissions`, which asks the API server for each, and
//! to `report/permission_manifest.rs`, which prints them as Roles. What helm sends is in `release_permissions.rs`.

mod release_permissions;

use std::collections::BTreeSet;

use crate::model::access_review::{Permission, RequiredPermissions};
use crate::model::crd::Crd;
use crate::model::flux::FluxRef;
use crate::model::lease::{CRDS_LEASE_NAMESPACE, LEASE_VERBS, LeaseRef};
use crate::model::served_kinds::ServedKinds;

pub use release_permissions::{HelmWait, ReleaseWrites};

/// What a run reads and writes, for its permissions.
pub struct PermissionScope<'a> {
    /// The installation's namespace.
    pub namespace: &'a str,
    /// Which CRDs the run writes.
    pub crd_writes: CrdWrites,
    /// The releases that helm writes.
    pub releases: Vec<ReleaseWrites<'a>>,
    /// The CRDs whose objects the run reads, because their change could break one.
    pub inspected_crds: &'a [&'a Crd],
    /// The CRDs whose objects the run migrates to another stored version.
    pub migrated_crds: &'a [&'a Crd],
    /// The kinds that are served.
    pub kinds: Option<&'a ServedKinds>,
    /// The CRDs that the charts bring.
    pub chart_crds: &'a [&'a Crd],
    /// The Flux objects that the run patches; with any, helm-controller writes the release.
    pub patched_objects: &'a [FluxRef],
    /// The namespaces of the Services behind webhooks.
    pub webhook_namespaces: BTreeSet<&'a str>,
}

/// Which CRDs a run writes, or sends as a dry run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CrdWrites {
    /// None.
    None,
    /// Only dry runs: every CRD is as the chart has it.
    DryRunOnly,
    /// Existing ones.
    Update,
    /// New ones too.
    CreateAndUpdate,
}

impl CrdWrites {
    const fn verbs(self) -> &'static [&'static str] {
        match self {
            Self::None => &["list"],
            // The API server authorizes a dry run as the write that it stands for.
            Self::DryRunOnly => &["list", "patch"],
            Self::Update => &["get", "list", "patch"],
            Self::CreateAndUpdate => &["get", "list", "patch", "create"],
        }
    }

    const fn writes(self) -> bool {
        matches!(self, Self::Update | Self::CreateAndUpdate)
    }
}

const CRD_RESOURCE: (&str, &str) = ("apiextensions.k8s.io", "customresourcedefinitions");
const MIGRATION_RESOURCE: (&str, &str) = ("storagemigration.k8s.io", "storageversionmigrations");
/// helm stores its records as Secrets: it reads them, writes the next, supersedes the last and removes the oldest. The journal is a
/// Secret too.
const RECORD_VERBS: [&str; 5] = ["get", "list", "create", "update", "delete"];
/// What this program reads of the workloads, and helm while it waits for a rollout.
const WORKLOAD_RESOURCES: [(&str, &str); 7] = [
    ("", "pods"),
    ("", "persistentvolumeclaims"),
    ("apps", "deployments"),
    ("apps", "replicasets"),
    ("apps", "statefulsets"),
    ("apps", "daemonsets"),
    ("batch", "jobs"),
];
/// The owners that could revert a write. The API server answers 403 before 404, so a cluster without these kinds asks for them too.
const OWNER_RESOURCES: [(&str, &str); 2] =
    [("helm.toolkit.fluxcd.io", "helmreleases"), ("argoproj.io", "applications")];
/// What tells why a pod does not start, what only the health checks read, and the result for machines. Without these, details are
/// missing.
const DETAIL_PERMISSIONS: [(&str, &str, &str); 7] = [
    // The result of the run, by server-side apply.
    ("", "configmaps", "create"),
    ("", "configmaps", "patch"),
    ("", "events", "list"),
    ("", "pods/log", "get"),
    ("", "services", "list"),
    ("", "configmaps", "list"),
    ("discovery.k8s.io", "endpointslices", "list"),
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
pub fn collect_permissions(scope: &PermissionScope<'_>) -> RequiredPermissions {
    let mut required = collect_common_permissions(scope);
    if scope.patched_objects.is_empty() {
        required.extend(collect_helm_permissions(scope));
    } else {
        required.extend(collect_flux_permissions(scope));
    }
    let namespace = Some(scope.namespace);
    let details = DETAIL_PERMISSIONS.map(|(group, resource, verb)| Permission::new(namespace, group, resource, verb));
    // The number of API servers, to ask each for the new schema.
    let servers = Permission::new(Some(CRDS_LEASE_NAMESPACE), "coordination.k8s.io", "leases", "list");
    let optional: BTreeSet<Permission> = details.into_iter().chain([servers]).collect();
    RequiredPermissions {
        optional: optional.difference(&required).cloned().collect(),
        required: required.into_iter().collect(),
    }
}

/// What every run does: it identifies the cluster, finds the owner, holds the Leases, and reads what affects a write.
fn collect_common_permissions(scope: &PermissionScope<'_>) -> BTreeSet<Permission> {
    let namespace = Some(scope.namespace);
    let mut all = BTreeSet::new();
    // A Role in a namespace may grant `get` of the namespace itself.
    all.extend(
        [CRDS_LEASE_NAMESPACE, scope.namespace].map(|name| Permission::new(Some(name), "", "namespaces", "get")),
    );
    all.extend(OWNER_RESOURCES.map(|(group, resource)| Permission::new(None, group, resource, "list")));
    for lease in LeaseRef::for_run(scope.namespace, scope.crd_writes.writes()) {
        all.extend(
            LEASE_VERBS.map(|verb| Permission::new(Some(&lease.namespace), "coordination.k8s.io", "leases", verb)),
        );
    }
    all.extend(GUARD_RESOURCES.map(|(group, resource, is_namespaced)| {
        Permission::new(is_namespaced.then_some(scope.namespace), group, resource, "list")
    }));
    all.extend(scope.webhook_namespaces.iter().map(|webhook_namespace| {
        Permission::new(Some(webhook_namespace), "discovery.k8s.io", "endpointslices", "list")
    }));
    all.extend(WORKLOAD_RESOURCES.map(|(group, resource)| Permission::new(namespace, group, resource, "list")));
    all.extend(scope.crd_writes.verbs().iter().map(|verb| Permission::new(None, CRD_RESOURCE.0, CRD_RESOURCE.1, verb)));
    all.extend(scope.inspected_crds.iter().map(|crd| Permission::new(None, crd.group(), crd.plural(), "list")));
    all
}

/// What helm writes and reads, and the migration of stored objects.
fn collect_helm_permissions(scope: &PermissionScope<'_>) -> BTreeSet<Permission> {
    let namespace = Some(scope.namespace);
    let mut all: BTreeSet<Permission> =
        RECORD_VERBS.iter().map(|verb| Permission::new(namespace, "", "secrets", verb)).collect();
    if !scope.releases.is_empty() {
        all.extend(WORKLOAD_RESOURCES.map(|(group, resource)| Permission::new(namespace, group, resource, "get")));
    }
    all.extend(scope.releases.iter().flat_map(|release| release.collect_permissions(scope)));
    for crd in scope.migrated_crds {
        let verbs = ["get", "list", "patch"];
        all.extend(verbs.map(|verb| Permission::new(None, crd.group(), crd.plural(), verb)));
        all.insert(Permission::new(None, CRD_RESOURCE.0, "customresourcedefinitions/status", "patch"));
        let verbs = ["get", "list", "create", "delete"];
        all.extend(verbs.map(|verb| Permission::new(None, MIGRATION_RESOURCE.0, MIGRATION_RESOURCE.1, verb)));
    }
    all
}

/// The run patches sources and HelmReleases and reads records and workloads; helm-controller does the rest.
fn collect_flux_permissions(scope: &PermissionScope<'_>) -> BTreeSet<Permission> {
    let mut all = BTreeSet::from([
        Permission::new(Some(scope.namespace), "", "secrets", "list"),
        // Flux's controllers, and the registry of an appliance, wherever they run.
        Permission::new(None, "apps", "deployments", "list"),
        Permission::new(None, "", "services", "list"),
    ]);
    for object in scope.patched_objects {
        let (group, plural) = object.group_and_plural();
        all.extend(["get", "patch"].map(|verb| Permission::new(Some(&object.namespace), group, &plural, verb)));
    }
    all
}

#[cfg(test)]
mod tests;
