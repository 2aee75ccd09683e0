use serde_json::{Value, json};

use super::*;
use crate::model::application::{ApplyMethod, LiveObjects};
use crate::model::served_kinds::tests::sample_kinds;

fn object(kind: &str, version: &str, name: &str, data: &str) -> Value {
    json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "data": data})
}

fn hook(events: &str) -> Value {
    let mut job = object("Job", "batch/v1", "before", "");
    job["metadata"]["annotations"] = json!({"helm.sh/hook": events});
    job
}

/// The permissions of one release, as words.
fn required(old: &[Value], new: &[Value], method: ApplyMethod, wait: HelmWait) -> Vec<String> {
    let (kinds, live) = (sample_kinds(), LiveObjects::default());
    let release = ReleaseWrites { old, new, live: None, method, wait };
    let releases = vec![release, ReleaseWrites { live: Some(&live), old: &[], new: &[], ..release }];
    let scope = PermissionScope { releases, kinds: Some(&kinds), ..empty_scope() };
    collect_permissions(&scope).required.iter().map(ToString::to_string).collect()
}

fn empty_scope() -> PermissionScope<'static> {
    PermissionScope {
        namespace: "m",
        crd_writes: CrdWrites::None,
        releases: Vec::new(),
        kinds: None,
        chart_crds: &[],
        patched_objects: &[],
        inspected_crds: &[],
        migrated_crds: &[],
        webhook_namespaces: BTreeSet::new(),
    }
}

#[test]
fn each_verb_has_its_reason() {
    let old = [object("ConfigMap", "v1", "a", "1"), object("Service", "v1", "gone", "")];
    let new = [object("ConfigMap", "v1", "a", "2"), object("Deployment", "apps/v1", "new", "")];
    let permissions = required(&old, &new, ApplyMethod::ClientSide, HelmWait::Poll);
    let wanted = [
        "patch configmaps",
        "delete services",
        "create deployments.apps",
        "update secrets",
        "create leases.coordination.k8s.io",
        "get namespaces",
        "list helmreleases.helm.toolkit.fluxcd.io",
    ];
    for wanted in wanted {
        assert!(permissions.contains(&wanted.to_owned()), "{wanted}: {permissions:?}");
    }
    for other in ["create configmaps", "watch configmaps", "patch deployments.apps"] {
        assert!(!permissions.contains(&other.to_owned()), "{other}: {permissions:?}");
    }
    assert!(!permissions.iter().any(|need| need.starts_with("patch customresourcedefinitions")));
}

#[test]
fn a_server_side_helm_applies_and_watches_what_does_not_change() {
    let same = [object("ConfigMap", "v1", "a", "1")];
    let permissions = required(&same, &same, ApplyMethod::ServerSide, HelmWait::Watch);
    for wanted in ["patch configmaps", "list configmaps", "watch configmaps"] {
        assert!(permissions.contains(&wanted.to_owned()), "{wanted}: {permissions:?}");
    }
    assert!(!permissions.contains(&"create configmaps".to_owned()), "{permissions:?}");
}

#[test]
fn hooks_are_deleted_created_and_watched_if_the_upgrade_runs_them() {
    let (old, new) = ([object("ConfigMap", "v1", "a", "1")], [hook("pre-upgrade, post-install")]);
    let permissions = required(&old, &new, ApplyMethod::ClientSide, HelmWait::None);
    for verb in ["create", "delete", "watch"] {
        assert!(permissions.contains(&format!("{verb} jobs.batch")), "{verb}: {permissions:?}");
    }
    let other = required(&old, &[hook("post-rollback,test")], ApplyMethod::ClientSide, HelmWait::None);
    assert!(!other.contains(&"create jobs.batch".to_owned()), "{other:?}");
}

/// A user who may not send the dry run would otherwise see one rejection per CRD.
#[test]
fn dry_runs_need_the_permission_of_the_write() {
    let verbs = |crd_writes| -> Vec<&'static str> {
        let permissions = collect_permissions(&PermissionScope { crd_writes, ..empty_scope() }).required;
        permissions.into_iter().filter(|need| need.resource == CRD_RESOURCE.1).map(|need| need.verb).collect()
    };
    assert_eq!(verbs(CrdWrites::None), ["list"]);
    assert_eq!(verbs(CrdWrites::DryRunOnly), ["list", "patch"]);
    assert_eq!(verbs(CrdWrites::Update), ["get", "list", "patch"]);
    assert_eq!(verbs(CrdWrites::CreateAndUpdate), ["create", "get", "list", "patch"]);
}

#[test]
fn a_run_that_writes_no_crd_needs_no_lease_in_kube_system() {
    let leases = |crd_writes| {
        let permissions = collect_permissions(&PermissionScope { crd_writes, ..empty_scope() }).required;
        permissions.iter().any(|need| need.resource == "leases" && need.namespace.as_deref() == Some("kube-system"))
    };
    assert!(!leases(CrdWrites::DryRunOnly) && leases(CrdWrites::Update));
}
