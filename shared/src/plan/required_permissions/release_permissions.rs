//! What helm sends to the API server for one release.
//!
//! Sources: helm 3 `pkg/kube/client.go` and `pkg/kube/ready.go`
//! (<https://github.com/helm/helm/tree/v3.17.2/pkg/kube>), helm 4 `pkg/kube/client.go` and `pkg/kube/statuswait.go`
//! (<https://github.com/helm/helm/tree/v4.3.1/pkg/kube>).

use std::collections::BTreeSet;

use serde_json::Value;

use super::{CRD_RESOURCE, PermissionScope};
use crate::model::access_review::Permission;
use crate::model::application::{ApplyMethod, LiveObjects};
use crate::model::manifest::{HOOK_ANNOTATION, is_hook};
use crate::model::object::ObjectRef;
use crate::plan::ObjectChangeKind;
use crate::plan::object_changes::{diff_manifests, select_release_objects};
use crate::plan::writes::{WriteOperation, build_writes};

/// How helm waits for the objects of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HelmWait {
    /// It does not wait.
    None,
    /// helm 3: it reads the objects again and again.
    Poll,
    /// helm 4: it lists and watches the kinds of all objects.
    Watch,
}

impl HelmWait {
    /// How helm of this major version waits with `--wait`.
    #[must_use]
    pub const fn of_version(helm_major: u64) -> Self {
        if helm_major >= 4 { Self::Watch } else { Self::Poll }
    }
}

/// One release that helm writes.
#[derive(Debug, Clone, Copy)]
pub struct ReleaseWrites<'a> {
    /// The manifest that helm compares with.
    pub old: &'a [Value],
    /// The next manifest, hooks included.
    pub new: &'a [Value],
    /// The live objects; none if they were not read.
    pub live: Option<&'a LiveObjects>,
    /// How helm writes existing objects.
    pub method: ApplyMethod,
    /// How helm waits.
    pub wait: HelmWait,
}

impl ReleaseWrites<'_> {
    /// The permissions for the objects and the hooks of this release.
    pub(super) fn collect_permissions(&self, scope: &PermissionScope<'_>) -> BTreeSet<Permission> {
        let every = self.old.iter().chain(self.new).filter(|document| !is_hook(document));
        let reads = every.filter_map(ObjectRef::from_manifest).map(|object| (object, "get"));
        let watches = self.list_watches();
        let all = reads.chain(self.list_writes(scope.namespace)).chain(watches).chain(self.list_hook_requests());
        all.filter_map(|(object, verb)| build_permission(scope, &object, verb)).collect()
    }

    /// The writes that the manifests and the live objects foretell.
    fn list_writes(&self, namespace: &str) -> Vec<(ObjectRef, &'static str)> {
        let changes = diff_manifests(namespace, self.old, self.new).into_iter();
        let mut all: Vec<(ObjectRef, &'static str)> = changes
            .map(|change| match change.change {
                ObjectChangeKind::Create => (change.object, "create"),
                ObjectChangeKind::Update => (change.object, "patch"),
                ObjectChangeKind::Delete => (change.object, "delete"),
            })
            .collect();
        // A live object may differ from both manifests, or be missing.
        if let Some(live) = self.live {
            let writes = build_writes(namespace, self.old, self.new, live, self.method);
            all.extend(writes.into_iter().map(|write| match write.operation {
                WriteOperation::Create(_) => (write.object, "create"),
                WriteOperation::Merge(_) | WriteOperation::StrategicMerge(_) | WriteOperation::Apply(_) => {
                    (write.object, "patch")
                }
            }));
        }
        // helm patches each object that exists, also one that no chart changes: a server-side helm applies it, a client-side helm adds its
        // labels to a custom resource and takes back what differs. A server-side apply that creates needs both verbs.
        let old = select_release_objects(namespace, self.old);
        let patched = select_release_objects(namespace, self.new).into_iter().filter(|(object, _)| {
            self.method == ApplyMethod::ServerSide || old.iter().any(|(other, _)| other.is_same_object(object))
        });
        all.extend(patched.map(|(object, _)| (object, "patch")));
        all
    }

    fn list_watches(&self) -> Vec<(ObjectRef, &'static str)> {
        if self.wait != HelmWait::Watch {
            return Vec::new();
        }
        let objects = self.new.iter().filter(|document| !is_hook(document)).filter_map(ObjectRef::from_manifest);
        objects.flat_map(|object| ["list", "watch"].map(|verb| (object.clone(), verb))).collect()
    }

    /// helm deletes, creates and watches each hook of the upgrade.
    fn list_hook_requests(&self) -> Vec<(ObjectRef, &'static str)> {
        let is_installation = self.old.is_empty();
        let hooks = self.new.iter().filter(|document| runs_hook(document, is_installation));
        let create_verb = match self.method {
            ApplyMethod::ClientSide => "create",
            ApplyMethod::ServerSide => "patch",
        };
        let verbs = ["get", "list", "watch", "create", create_verb, "delete"];
        hooks.filter_map(ObjectRef::from_manifest).flat_map(|object| verbs.map(|verb| (object.clone(), verb))).collect()
    }
}

/// Whether helm runs this hook now.
fn runs_hook(document: &Value, is_installation: bool) -> bool {
    let events = document["metadata"]["annotations"][HOOK_ANNOTATION].as_str().unwrap_or_default();
    let suffix = if is_installation { "-install" } else { "-upgrade" };
    events.split(',').any(|event| event.trim().ends_with(suffix))
}

fn build_permission(scope: &PermissionScope<'_>, object: &ObjectRef, verb: &'static str) -> Option<Permission> {
    if object.group() == CRD_RESOURCE.0 && object.kind == "CustomResourceDefinition" {
        return Some(Permission::new(None, CRD_RESOURCE.0, CRD_RESOURCE.1, verb));
    }
    let chart_crd = || scope.chart_crds.iter().find(|crd| crd.group() == object.group() && crd.kind() == object.kind);
    let served = scope.kinds.and_then(|kinds| kinds.get(object)).map(|kind| (kind.plural.as_str(), kind.namespaced));
    let (plural, is_namespaced) = served.or_else(|| chart_crd().map(|crd| (crd.plural(), crd.is_namespaced())))?;
    let namespace = if object.namespace.is_empty() { scope.namespace } else { &object.namespace };
    Some(Permission::new(is_namespaced.then_some(namespace), object.group(), plural, verb))
}
