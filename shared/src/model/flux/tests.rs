//! Recorded from helm-controller 1.6.4 and source-controller 1.9.1, shortened.

use serde_json::json;

use super::*;

fn helm_release(spec: &Value, status: &Value) -> HelmRelease {
    HelmRelease::new(json!({"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
        "metadata": {"name": "mural-crds", "namespace": "mural-system", "generation": 1, "uid": "u"}, "spec": spec, "status": status}))
}

fn recorded() -> HelmRelease {
    let spec = json!({"chartRef": {"kind": "OCIRepository", "name": "mural-crds", "namespace": "mural-system"},
        "install": {"crds": "Create"}, "interval": "10m", "upgrade": {"crds": "CreateReplace"}});
    let history = json!([{"appVersion": "0.7.4", "chartName": "mural-crds", "chartVersion": "0.7.4+05094f0008ef",
        "configDigest": "sha256:e3b0", "digest": "sha256:8d5e", "name": "mural-crds", "namespace": "mural-system",
        "ociDigest": "sha256:05094f0008ef0000", "status": "deployed", "version": 2}]);
    let status = json!({"history": history, "lastAttemptedRevision": "0.7.4+05094f0008ef", "observedGeneration": 1,
        "lastHandledReconcileAt": "t1", "storageNamespace": "mural-system",
        "conditions": [{"type": "Ready", "status": "True", "reason": "UpgradeSucceeded", "message": "Helm upgrade succeeded", "observedGeneration": 1}]});
    helm_release(&spec, &status)
}

fn source(spec: &Value) -> FluxSource {
    FluxSource::new(json!({"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "OCIRepository",
        "metadata": {"name": "mural-crds", "namespace": "mural-system", "generation": 2},
        "spec": spec, "status": {"observedGeneration": 1, "artifact": {"revision": "0.7.4@sha256:0509", "digest": "sha256:aa"}}}))
}

#[test]
fn a_release_is_read_with_its_newest_revision() {
    let read = recorded();
    assert_eq!(read.object_ref().to_string(), "HelmRelease mural-system/mural-crds");
    assert!(read.is_ready() && !read.is_suspended() && read.stalled_condition().is_none());
    let newest = read.history().remove(0);
    assert_eq!(
        (newest.version(), newest.oci_digest.as_str(), newest.revision),
        ("0.7.4", "sha256:05094f0008ef0000", 2)
    );
    assert!(newest.is_version("0.7.4") && !newest.is_version("0.7.1"));
    assert_eq!((read.install_crds(), read.upgrade_crds()), (Some(CrdPolicy::Create), Some(CrdPolicy::CreateReplace)));
    let from = FluxRef::new("OCIRepository", "mural-system", "mural-crds");
    assert_eq!(read.chart_origin(), Some(ChartOrigin::Ref(from)));
    assert_eq!(read.last_handled_reconcile(), "t1");
}

#[test]
fn a_release_is_named_as_helm_controller_names_it() {
    let of = |spec: Value| helm_release(&spec, &json!({}));
    let elsewhere = of(json!({"targetNamespace": "hub"}));
    assert_eq!((elsewhere.release_name().as_str(), elsewhere.target_namespace()), ("hub-mural-crds", "hub"));
    assert_eq!(elsewhere.storage_namespace(), "mural-system");
    assert!(of(json!({"releaseName": "x"})).manages_release("x", "mural-system"));
    assert!(!of(json!({"kubeConfig": {"secretRef": {"name": "spoke"}}})).manages_release("mural-crds", "mural-system"));
    let long = of(json!({"targetNamespace": "a-namespace-with-a-name-that-is-very-long-indeed"})).release_name();
    assert_eq!(long.len(), 53);
    assert!(long.starts_with("a-namespace-with-a-name-that-is-very-lon"), "{long}");
}

#[test]
fn a_chart_of_a_helm_repository_is_found_through_the_helm_chart_that_is_made() {
    let template = json!({"chart": {"spec": {"chart": "mural", "version": "1.1.0", "sourceRef": {"kind": "HelmRepository", "name": "repo", "namespace": "flux-system"}}}});
    let Some(ChartOrigin::Template { helm_chart: made, source, version }) =
        helm_release(&template, &json!({})).chart_origin()
    else {
        panic!("no template")
    };
    assert_eq!(made, FluxRef::new("HelmChart", "flux-system", "mural-system-mural-crds"));
    assert_eq!((source.name.as_str(), version.as_str()), ("repo", "1.1.0"));
    assert_eq!(helm_release(&json!({}), &json!({})).chart_origin(), None);
}

#[test]
fn the_digest_goes_before_the_range_before_the_tag() {
    let all = json!({"ref": {"digest": "sha256:0509", "semver": "0.7.x", "tag": "latest"}});
    assert_eq!(source(&all).effective_ref(), EffectiveRef::Digest("sha256:0509"));
    assert_eq!(source(&all).floating_reason(), None);
    let two = source(&json!({"ref": {"semver": "0.7.x", "tag": "0.7.4"}}));
    assert_eq!(two.effective_ref(), EffectiveRef::Semver("0.7.x"));
    assert!(two.floating_reason().unwrap().contains("range"));
    for pinned in [json!({"ref": {"semver": "0.7.4"}}), json!({"ref": {"tag": "0.7.4"}})] {
        assert_eq!(source(&pinned).floating_reason(), None);
    }
    for moving in [json!({"ref": {"tag": "stable"}}), json!({})] {
        assert!(source(&moving).floating_reason().is_some());
    }
}

#[test]
fn an_artifact_of_an_older_spec_is_not_taken_for_ready() {
    let read = source(&json!({"url": "oci://a.example/mural-crds", "insecure": true, "secretRef": {"name": "zot"},
        "verify": {"provider": "cosign", "secretRef": {"name": "keys"}}}));
    assert!(!read.is_observed() && !read.is_ready());
    let artifact = read.artifact().unwrap();
    assert_eq!((artifact.version(), artifact.digest()), ("0.7.4", Some("sha256:0509")));
    assert_eq!((read.url(), read.is_insecure(), read.secret_name()), ("oci://a.example/mural-crds", true, "zot"));
    assert_eq!(read.verification(), Some(SourceVerification { provider: "cosign".into(), secret_name: "keys".into() }));
}

#[test]
fn a_range_is_judged_only_where_go_and_rust_read_it_alike() {
    let version = |text: &str| semver::Version::parse(text).unwrap();
    assert_eq!(range_allows("0.7.4", &version("0.7.4")), Some(true));
    assert_eq!(range_allows("0.7.4", &version("0.7.5")), Some(false));
    assert_eq!(range_allows(">=0.7.0", &version("0.7.5")), Some(true));
    assert_eq!(range_allows("^0.7.0", &version("0.8.0")), Some(false));
    assert_eq!(range_allows("0.7", &version("0.7.5")), None);
    assert_eq!(range_allows("0.7.0 - 0.8.0", &version("0.7.5")), None);
}

#[test]
fn retries_are_counted_as_the_controller_does() {
    let of = |remediation: Value, failures: i64| {
        helm_release(&json!({"upgrade": {"remediation": remediation}}), &json!({"upgradeFailures": failures}))
    };
    assert!(of(json!({}), 1).has_exhausted_retries() && !of(json!({}), 0).has_exhausted_retries());
    assert!(
        !of(json!({"retries": 2}), 2).has_exhausted_retries() && of(json!({"retries": 2}), 3).has_exhausted_retries()
    );
    assert!(!of(json!({"retries": -1}), 30).has_exhausted_retries());
    assert!(
        of(json!({"retries": 2}), 0).remediation().remediate_last_failure
            && !of(json!({}), 0).remediation().remediate_last_failure
    );
}

#[test]
fn labels_and_annotations_show_git_and_our_suspension() {
    let mut object = recorded().json().clone();
    object["metadata"]["labels"] =
        json!({"kustomize.toolkit.fluxcd.io/name": "hub", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"});
    object["metadata"]["annotations"] = json!({SUSPENDED_BY_ANNOTATION: "20261126-1"});
    let read = HelmRelease::new(object);
    assert_eq!(read.kustomization(), Some(FluxRef::new("Kustomization", "flux-system", "hub")));
    assert_eq!(read.suspended_by_run(), Some("20261126-1"));
    let view = |suspend: bool| {
        let mut object = read.json().clone();
        object["spec"]["suspend"] = suspend.into();
        FluxView { helm_releases: Ok(vec![HelmRelease::new(object)]), ..FluxView::empty() }
    };
    let suspended = view(true).suspended_helm_releases().next().unwrap();
    assert_eq!(
        (suspended.helm_release.name.as_str(), suspended.run.as_str(), suspended.suspended_at),
        ("mural-crds", "20261126-1", None)
    );
    assert!(view(false).suspended_helm_releases().next().is_none(), "it is resumed already");
    assert_eq!(recorded().kustomization(), None);
}

#[test]
fn a_hold_tells_since_when_and_how_it_ends() {
    let fields =
        json!({"f:metadata": {"f:annotations": {"f:mural.dev/suspended-by-run": {}}}, "f:spec": {"f:suspend": {}}});
    let mut object = recorded().json().clone();
    object["metadata"]["annotations"] = json!({SUSPENDED_BY_ANNOTATION: "20261126-1"});
    object["metadata"]["managedFields"] = json!([{"manager": "helm-controller", "time": "2026-11-26T20:00:00Z"},
        {"manager": "kubectl-patch", "time": "2026-11-26T21:00:00Z", "fieldsV1": fields}]);
    object["spec"]["suspend"] = true.into();
    let view = FluxView { helm_releases: Ok(vec![HelmRelease::new(object)]), ..FluxView::empty() };
    let suspended = view.suspended_helm_releases().next().unwrap();
    assert_eq!(suspended.suspended_at.as_deref(), Some("2026-11-26T21:00:00Z"));
    let by_hand = "kubectl patch helmrelease mural-crds --namespace mural-system --type merge --patch";
    assert!(
        suspended.resume_command().starts_with(by_hand)
            && suspended.resume_command().contains("suspended-by-run\":null"),
        "{}",
        suspended.resume_command()
    );
}

#[test]
fn values_and_their_sources_are_read_in_order() {
    let spec = json!({"values": {"a": 1}, "valuesFrom": [{"kind": "Secret", "name": "s", "optional": true},
        {"kind": "ConfigMap", "name": "c", "valuesKey": "k", "targetPath": "a.b"}],
        "dependsOn": [{"name": "mural-crds", "readyExpr": "true"}, {"name": "x", "namespace": "y"}]});
    let read = helm_release(&spec, &json!({}));
    let from = read.values_from();
    assert_eq!((from[0].key.as_str(), from[0].optional, from[0].object.kind.as_str()), ("values.yaml", true, "Secret"));
    assert_eq!((from[1].key.as_str(), from[1].target.as_str()), ("k", "a.b"));
    let on = read.depends_on();
    assert_eq!(
        (on[0].helm_release.to_string().as_str(), on[0].ready_expr.as_str()),
        ("HelmRelease mural-system/mural-crds", "true")
    );
    assert_eq!(on[1].helm_release.namespace, "y");
    assert!(!format!("{read:?}").contains("\"a\""));
}
