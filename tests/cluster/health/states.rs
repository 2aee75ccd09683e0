//! The actions that break an installation, and the checks that must find each of them.
//!
//! Each action is a shell line. It runs in the folder that [`super::matrix`] fills; `$CRDS` and `$APP` are the
//! installed charts, `$LESSER` is the application's chart without one template.

/// An action, and the checks that find what it does.
pub struct State {
    pub fires: &'static [&'static str],
    pub does: &'static str,
}

const fn state(fires: &'static [&'static str], does: &'static str) -> State {
    State { fires, does }
}

/// Actions that extend the sample installation, so that every check has an item to inspect. All of it is healthy.
pub const FURNISHED: [&str; 8] = [
    r#"helm upgrade mural $APP -n mural-system --reuse-values --wait --description "by a test, digest sha256:$(sha256sum $APP | cut -d' ' -f1)""#,
    "helm get values mural -n mural-system --output yaml > running.yaml",
    "kubectl -n mural-system set env deployment/dex --from=secret/dex --prefix=DEX_ --keys=config.yaml",
    "kubectl apply --server-side --filename furnished.yaml",
    r#"kubectl patch managedcluster edge-1 --subresource status --type merge --patch '{"status":{"conditions":[{"type":"ManagedClusterJoined","status":"True","reason":"Joined","message":"joined","lastTransitionTime":"2026-11-20T10:00:00Z"},{"type":"ManagedClusterConditionAvailable","status":"True","reason":"Available","message":"available","lastTransitionTime":"2026-11-20T10:00:00Z"}]}}'"#,
    r#"kubectl -n mural-system patch hubs.fleetconfig.open-cluster-management.io hub-0 --subresource status --type merge --patch '{"status":{"phase":"Running"}}'"#,
    r#"for role in viewer editor admin; do kubectl -n mural-system get configmap mural-project-rbac-$role -o jsonpath='apiVersion: v1{"\n"}kind: ConfigMap{"\n"}metadata:{"\n"}  name: {.metadata.name}{"\n"}data: {.data}{"\n"}' | kubectl -n tenant-a apply --server-side --filename -; done"#,
    // A release whose values switch its only workload off.
    r#"mkdir -p bare/templates && printf 'apiVersion: v2\nname: bare\nversion: 1.0.0\n' > bare/Chart.yaml && printf '{{ if .Values.on }}\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: bare}\n{{ end }}' > bare/templates/web.yaml && printf 'on: false\n' > bare/values.yaml && helm upgrade --install bare bare -n mural-system"#,
];

/// Faults that are caused together and found by one run.
pub const BROKEN: [State; 24] = [
    // A hook times out, so the revision stays failed. Its values fill the release record.
    state(
        &["release-deployed", "release-record-size", "release-values"],
        "! helm upgrade mural $APP -n mural-system --reuse-values --set-file filler=filler.txt --wait --timeout 1ms",
    ),
    state(&["release-objects-present"], "kubectl -n mural-system delete service dex"),
    state(&["workload-present"], "kubectl -n mural-system delete deployment hue"),
    state(&["workload-scaled", "webhook-endpoints"], "kubectl -n mural-system scale deployment canvas --replicas=0"),
    state(
        &["workload-ready"],
        "kubectl -n mural-system set image deployment/alertmanager alertmanager=registry.example.com/alertmanager:no-such-image",
    ),
    state(&["rollout-held"], "kubectl -n mural-system rollout pause deployment/fleetconfig-controller"),
    state(
        &["pvc-bound"],
        "kubectl get storageclass standard --output yaml | sed '/^  resourceVersion:/d; /^  uid:/d' > standard.yaml && kubectl delete storageclass standard && kubectl -n mural-system scale statefulset zot --replicas=2",
    ),
    // The status that the kubelet writes for a restarted container.
    state(
        &["restarts-since-upgrade"],
        r#"pod=$(kubectl -n mural-system get pods --selector app=fleetconfig-controller --output name) && now=$(date -u +%FT%TZ) && kubectl -n mural-system patch $pod --subresource status --type json --patch '[{"op":"replace","path":"/status/containerStatuses/0/restartCount","value":3},{"op":"add","path":"/status/containerStatuses/0/lastState","value":{"terminated":{"exitCode":137,"reason":"OOMKilled","startedAt":"'$now'","finishedAt":"'$now'"}}}]'"#,
    ),
    state(&["pod-unmanaged"], "kubectl -n mural-system run stray --image=example.com/stray"),
    state(
        &["job-failed"],
        "kubectl -n mural-system delete job mural-setup && kubectl create --filename job-failed.yaml",
    ),
    state(
        &["restart-required"],
        r#"kubectl -n mural-system patch secret dex --patch '{"stringData":{"more":"canary-by-hand"}}'"#,
    ),
    state(
        &["tenant-role-drift"],
        r#"kubectl -n tenant-a patch configmap mural-project-rbac-viewer --patch '{"data":{"rules.yaml":"- verbs: [list]\n"}}'"#,
    ),
    state(&["webhook-service", "webhook-ca"], "kubectl apply --filename hook.yaml"),
    state(&["managed-cluster-available"], "kubectl apply --filename cluster.yaml"),
    state(
        &["agent-lease"],
        r#"kubectl -n edge-1 patch lease managed-cluster-lease --type merge --patch '{"spec":{"renewTime":"2020-11-20T10:00:00.000000Z"}}'"#,
    ),
    state(
        &["hub-and-spoke-ready"],
        r#"kubectl -n mural-system patch hubs.fleetconfig.open-cluster-management.io hub-0 --subresource status --type merge --patch '{"status":{"phase":"Unhealthy"}}'"#,
    ),
    state(
        &["crd-foreign-owner"],
        "kubectl annotate crd projects.spectrocloud.com meta.helm.sh/release-name=other meta.helm.sh/release-namespace=other",
    ),
    state(&["crd-present"], "kubectl delete crd scalingpolicies.spectrocloud.com"),
    state(
        &["crd-matches-chart", "crd-objects-fit"],
        r#"kubectl patch crd tenants.spectrocloud.com --type json --patch '[{"op":"add","path":"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/displayName/maxLength","value":2}]'"#,
    ),
    // Another CRD of the group takes the names while this one is deleted.
    state(
        &["crd-established", "crd-names-accepted", "crd-in-two-charts"],
        "kubectl get crd computeconfigs.spectrocloud.com --output yaml | sed '/^  resourceVersion:/d; /^  uid:/d' > away.yaml && kubectl delete crd computeconfigs.spectrocloud.com && kubectl create --filename impostor.yaml && kubectl wait --for=condition=Established crd/othercomputeconfigs.spectrocloud.com --timeout=30s && kubectl create --filename away.yaml",
    ),
    // The storage version changes, and the previous version is deprecated.
    state(
        &["crd-stored-versions", "crd-version-in-use"],
        r#"kubectl patch crd hubs.fleetconfig.open-cluster-management.io --type json --patch '[{"op":"replace","path":"/spec/versions/0/storage","value":false},{"op":"add","path":"/spec/versions/0/deprecated","value":true},{"op":"add","path":"/spec/versions/-","value":{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}}]'"#,
    ),
    state(
        &["crd-terminating"],
        "kubectl create --filename held.yaml && kubectl delete crd definitionrevisions.spectrocloud.com --wait=false",
    ),
    state(
        &["release-manifest-served"],
        r#"kubectl patch crd settings.spectrocloud.com --type json --patch '[{"op":"replace","path":"/spec/versions/0/served","value":false}]'"#,
    ),
    // Last, because no pod can be created in the namespace afterwards.
    state(&["webhook-deadlock"], "kubectl apply --filename guard.yaml"),
];

/// Fixes for faults that would affect a later installation in the same cluster.
pub const FIX_COMMANDS: [&str; 3] = [
    "kubectl apply --filename standard.yaml",
    r#"kubectl -n mural-system patch definitionrevisions.spectrocloud.com held --type merge --patch '{"metadata":{"finalizers":null}}'"#,
    "kubectl delete namespace edge-1 tenant-a && kubectl delete managedcluster edge-1",
];

/// Faults that exclude those above.
pub const BROKEN_AFTER_FIX: [State; 2] = [
    state(
        &["pod-failing"],
        "kubectl delete validatingwebhookconfiguration guard && kubectl -n mural-system delete job mural-setup && kubectl create --filename job-stuck.yaml",
    ),
    // Another owner manages one of the two releases and has not installed it yet.
    state(
        &["owner-consistent", "release-present"],
        "kubectl -n mural-system delete secret --selector owner=helm,name=mural-crds && kubectl apply --filename helm-release.yaml",
    ),
];

/// Faults by the flags of `validate`: the installation differs from the request.
pub const REQUESTED_STATES: [State; 4] = [
    state(&["release-version"], "--expect mural=9.9.9"),
    state(&["release-upgrade-deletions", "release-chart-digest"], "--chart $LESSER"),
    state(&["namespace-exists", "owner-detected"], "--namespace nowhere"),
    state(&["release-workloads"], "--release bare"),
];

/// Checks that [`super::matrix`] fires by stand-ins: an older helm and kubectl on `PATH`, an older API server, and one
/// that lags behind.
pub const STAND_INS: [&str; 5] =
    ["helm-version", "kubectl-version", "kubectl-skew", "server-version", "crd-schema-served"];

/// Checks without an action, with the reason.
pub const EXCEPTIONS: [(&str, &str); 1] = [(
    "crd-structural",
    "an API server takes no such CRD since apiextensions.k8s.io/v1; only old ones may still lie in etcd",
)];
