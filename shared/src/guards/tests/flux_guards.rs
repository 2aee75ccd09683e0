//! The guards of the Flux path.

use crate::ask::OwnerMode;
use crate::model::cluster_view::Observed;
use crate::model::secret::Hidden;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::ask::UpgradeSpec;
use crate::guards::tests::scenario::{GuardScenario, fires, guard_findings};
use crate::guards::tests::*;
use crate::model::check::{Level, Verdict};
use crate::model::flux::{FluxRef, FluxSource, FluxView, HelmRelease};
use crate::model::metadata_keys::SUSPENDED_BY_ANNOTATION;
use crate::model::owner::Owner;
use crate::plan::flux::find_routes;

/// Both HelmReleases and sources; the test bends one of them: `mural`, `mural-crds`, and the same with `source-` before it.
pub(super) fn flux_scenario(modify: impl FnOnce(&mut BTreeMap<String, Value>), values: Option<Value>) -> GuardScenario {
    let mut all = BTreeMap::new();
    for name in ["mural", "mural-crds"] {
        let history =
            json!([{"chartVersion": "0.7.1+05", "ociDigest": "sha256:old", "status": "deployed", "version": 1}]);
        let release = json!({"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
            "metadata": {"name": name, "namespace": "mural-system", "generation": 1},
            "spec": {"chartRef": {"kind": "OCIRepository", "name": name}, "upgrade": {"crds": "CreateReplace"}, "values": {"a": {"token": "t"}}},
            "status": {"observedGeneration": 1, "history": history, "conditions": [{"type": "Ready", "status": "True", "reason": "x", "message": "y"}]}});
        let source = json!({"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "OCIRepository", "metadata": {"name": name, "namespace": "mural-system"},
            "spec": {"ref": {"semver": "0.7.1"}, "url": format!("oci://a.example/mural/{name}")}, "status": {"artifact": {"revision": "0.7.1@sha256:old"}}});
        all.insert(name.to_owned(), release);
        all.insert(format!("source-{name}"), source);
    }
    modify(&mut all);
    let of_kind = |kind: &str| all.values().filter(|object| object["kind"] == *kind).cloned().collect::<Vec<_>>();
    let source = |object: Value| {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let object_ref = FluxRef::new("OCIRepository", "mural-system", &name);
        (object_ref, Ok((!object["gone"].is_boolean()).then(|| FluxSource::new(object))))
    };
    let mut view = FluxView {
        helm_releases: Ok(of_kind("HelmRelease").into_iter().map(HelmRelease::new).collect()),
        sources: of_kind("OCIRepository").into_iter().map(source).collect(),
        ..FluxView::empty()
    };
    view.controllers = Ok(of_kind("Deployment"));
    GuardScenario::with(|scenario| {
        let charts = [Some(("0.7.4".to_owned(), &scenario.digest)), Some(("1.1.0-rc.3".to_owned(), &scenario.digest))];
        scenario.flux = find_routes(&UpgradeSpec::sample(), &view, charts, values.map(Hidden::new));
        scenario.view.flux = view;
        let owner = |name: &str| Owner::Flux { helm_release: format!("mural-system/{name}"), managed_in_git: false };
        scenario.view.owners = ["mural", "mural-crds"].map(|name| (name.to_owned(), owner(name))).into();
    })
}

pub(super) fn with_flux_objects(modify: impl FnOnce(&mut BTreeMap<String, Value>)) -> GuardScenario {
    flux_scenario(modify, None)
}

pub(super) fn object_mut<'a>(all: &'a mut BTreeMap<String, Value>, name: &str) -> &'a mut Value {
    all.get_mut(name).unwrap()
}

#[test]
fn a_healthy_flux_passes_every_guard() {
    let scenario = with_flux_objects(|_| ());
    for Guard { card, .. } in &ALL {
        assert_eq!(scenario.run_guard(card.id), Verdict::Pass, "{}", card.id);
    }
}

#[test]
fn two_makers_of_one_release_are_one_too_many() {
    let scenario = with_flux_objects(|all| {
        let mut other = all["mural"].clone();
        (other["metadata"]["name"], other["spec"]["releaseName"]) = ("other".into(), "mural".into());
        all.insert("other".into(), other);
    });
    assert!(guard_findings(&scenario, "flux-single-helmrelease")[0].message.contains("mural-system/other"));
}

#[test]
fn a_source_without_versions_is_named() {
    assert!(fires(
        &with_flux_objects(|all| object_mut(all, "source-mural")["gone"] = true.into()),
        "flux-source-usable"
    ));
    assert!(fires(
        &with_flux_objects(|all| object_mut(all, "mural")["spec"]["chartRef"] = Value::Null),
        "flux-source-usable"
    ));
    assert!(fires(
        &with_flux_objects(|all| object_mut(all, "source-mural-crds")["spec"]["suspend"] = true.into()),
        "flux-source-usable"
    ));
    let elsewhere = with_flux_objects(|all| {
        object_mut(all, "source-mural")["spec"]["url"] = "oci://other.example/mural/mural".into();
    });
    assert!(guard_findings(&elsewhere, "flux-source-usable")[0].message.contains("a.example"));
    let git = json!({"kind": "GitRepository", "name": "repo"});
    let git = with_flux_objects(|all| {
        object_mut(all, "mural")["spec"] = json!({"chart": {"spec": {"chart": "mural", "sourceRef": git}}});
    });
    assert!(fires(&git, "flux-source-usable"));
}

#[test]
fn argo_cd_makes_no_release_and_is_an_installation_all_the_same() {
    let mut scenario = with_flux_objects(|_| ());
    scenario.view.releases.insert("mural".into(), Ok(Vec::new()));
    assert!(fires(&scenario, "installed"));
    scenario.view.owners.insert("mural".into(), Owner::Argo { application: "palette".into() });
    assert!(
        matches!(scenario.run_guard("installed"), Verdict::Skipped { reason } if reason.contains("Application palette"))
    );
}

#[test]
fn a_source_that_is_insisted_on_is_the_one_or_refused() {
    let insisted = |name: &str| {
        let mut scenario = with_flux_objects(|_| ());
        scenario.flux.app.as_mut().unwrap().required_source = Some(name.to_owned());
        scenario
    };
    assert!(!fires(&insisted("mural"), "flux-source-usable"));
    assert!(guard_findings(&insisted("other"), "flux-source-usable")[0].message.contains("not from other"));
}

#[test]
fn objects_missing_in_the_forecast_are_reported() {
    let scenario = GuardScenario::with(|scenario| scenario.post_renderer_error = Some("no matches for Id".into()));
    assert!(guard_findings(&scenario, "flux-post-renderers")[0].message.contains("no matches for Id"));
}

#[test]
fn a_chart_whose_signature_is_not_taken_is_refused() {
    use crate::model::signature::SignatureOutcome::{Rejected, Undetermined, Verified};
    let signed = |answer| GuardScenario::with(|scenario| scenario.signatures[0].outcome = answer);
    let unasked = GuardScenario::with(|scenario| scenario.signatures.clear());
    assert!(matches!(unasked.run_guard("charts-signed"), Verdict::Skipped { .. }));
    assert_eq!(signed(Verified).run_guard("charts-signed"), Verdict::Pass);
    assert!(guard_findings(&signed(Rejected("no key".into())), "charts-signed")[0].message.contains("helm rejects"));
    assert!(matches!(signed(Undetermined("gone".into())).run_guard("charts-signed"), Verdict::Undetermined { .. }));
}

#[test]
fn the_client_that_suspended_it_decides() {
    let suspended = |by: Option<&str>| {
        with_flux_objects(|all| {
            let release = object_mut(all, "mural");
            release["spec"]["suspend"] = true.into();
            if let Some(by) = by {
                release["metadata"]["annotations"] = json!({SUSPENDED_BY_ANNOTATION: by});
            }
        })
    };
    assert!(fires(&suspended(None), "flux-not-suspended"));
    assert!(!fires(&suspended(Some("20261126-1")), "flux-not-suspended"));
}

#[test]
fn crds_that_would_not_be_replaced_are_refused() {
    for policy in [Value::Null, "Skip".into(), "Create".into()] {
        let scenario = with_flux_objects(|all| object_mut(all, "mural-crds")["spec"]["upgrade"]["crds"] = policy);
        assert!(guard_findings(&scenario, "flux-crd-policy")[0].hint.contains("CreateReplace"));
    }
    assert!(!fires(
        &with_flux_objects(|all| object_mut(all, "mural")["spec"]["upgrade"] = Value::Null),
        "flux-crd-policy"
    ));
}

#[test]
fn a_release_that_is_at_work_or_failing_is_not_met_half_way() {
    let with_ready_status = |status: &str, extra_status: Value| {
        with_flux_objects(|all| {
            let release = object_mut(all, "mural");
            release["status"]["conditions"][0]["status"] = status.into();
            for (key, value) in extra_status.as_object().unwrap() {
                release["status"][key] = value.clone();
            }
        })
    };
    let level = |scenario: &GuardScenario| guard_findings(scenario, "flux-not-reconciling")[0].level;
    assert_eq!(level(&with_ready_status("Unknown", json!({}))), Level::Error);
    assert_eq!(level(&with_ready_status("False", json!({}))), Level::Error);
    assert_eq!(
        level(&with_ready_status("False", json!({"upgradeFailures": 1}))),
        Level::Warning,
        "a new chart resets the retries"
    );
}

#[test]
fn a_release_that_is_on_its_way_to_what_is_wanted_is_waited_for() {
    let digest = GuardScenario::with(|_| ()).digest.sha256;
    let on_its_way = |revision: String| {
        with_flux_objects(|all| {
            object_mut(all, "mural")["status"]["conditions"][0]["status"] = "Unknown".into();
            let source = object_mut(all, "source-mural");
            source["spec"]["ref"] = json!({"semver": "1.1.0-rc.3"});
            source["status"]["artifact"]["revision"] = revision.into();
        })
    };
    assert!(!fires(&on_its_way(format!("1.1.0-rc.3@{digest}")), "flux-not-reconciling"));
    assert!(fires(&on_its_way("1.1.0-rc.2@sha256:other".to_owned()), "flux-not-reconciling"));
}

#[test]
fn a_floating_source_is_reported() {
    let range = with_flux_objects(|all| object_mut(all, "source-mural")["spec"]["ref"] = json!({"semver": ">=1.0.0"}));
    assert!(guard_findings(&range, "flux-source-pinned")[0].hint.contains("1.1.0-rc.3"));
}

#[test]
fn controllers_without_a_pod_or_too_old_are_refused() {
    let controller = |ready: u64| json!({"kind": "Deployment", "metadata": {"name": "source-controller", "namespace": "flux-system"}, "status": {"readyReplicas": ready}});
    assert!(fires(&with_flux_objects(|all| drop(all.insert("d".into(), controller(0)))), "flux-controllers"));
    assert!(!fires(&with_flux_objects(|all| drop(all.insert("d".into(), controller(1)))), "flux-controllers"));
    let old = with_flux_objects(|all| object_mut(all, "mural")["apiVersion"] = "helm.toolkit.fluxcd.io/v2beta2".into());
    assert!(fires(&old, "flux-controllers"));
}

#[test]
fn a_new_secret_in_plain_text_is_refused_and_never_shown() {
    let scenario = flux_scenario(|_| (), Some(json!({"a": {"token": "u"}, "db": {"password": "canary"}})));
    let found = guard_findings(&scenario, "flux-plaintext-secrets");
    assert!(found.len() == 1 && found[0].message.contains("db.password"), "{found:?}");
    assert!(!format!("{found:?}").contains("canary"));
    let nested = json!({"a": {"token": "u"}, "db": {"credentials": {"admin": [{"value": "canary"}]}}, "dsn": "postgres://ann:canary@db/x"});
    let found = guard_findings(&flux_scenario(|_| (), Some(nested)), "flux-plaintext-secrets");
    let named: Vec<bool> = ["db.credentials.admin[0].value", "dsn"]
        .iter()
        .map(|path| found.iter().any(|finding| finding.message.contains(path)))
        .collect();
    assert_eq!((named, found.len()), (vec![true, true], 2), "{found:?}");
}

#[test]
fn the_owner_is_upgraded_through_or_refused() {
    let owned = |owner: Owner, mode: OwnerMode| {
        let mut scenario = with_flux_objects(|_| ());
        for name in ["mural", "mural-crds"] {
            scenario.view.owners.insert(name.into(), owner.clone());
        }
        scenario.mode = mode;
        fires(&scenario, "owner-supported")
    };
    let flux = |kept_in_git| Owner::Flux { helm_release: "m/mural".into(), managed_in_git: kept_in_git };
    let appliance = || Owner::Appliance { helm_release: "m/mural".into(), registry: "zot.zot.svc:5000".into() };
    assert!(!owned(flux(false), OwnerMode::Auto) && !owned(flux(false), OwnerMode::Flux));
    assert!(
        owned(flux(false), OwnerMode::Helm)
            && owned(flux(false), OwnerMode::Appliance)
            && owned(flux(true), OwnerMode::Auto)
    );
    assert!(
        !owned(appliance(), OwnerMode::Auto)
            && !owned(appliance(), OwnerMode::Appliance)
            && owned(appliance(), OwnerMode::Flux)
    );
    assert!(owned(Owner::Argo { application: "a".into() }, OwnerMode::Auto));
    let mut mixed = with_flux_objects(|_| ());
    mixed.view.owners.insert("mural-crds".into(), Owner::Helm);
    assert!(guard_findings(&mixed, "owner-supported")[0].hint.contains("flux-manifests"));
}

#[test]
fn a_bundle_that_is_not_whole_or_not_the_target_is_refused() {
    use crate::model::cluster_view::ReadFailure;
    use crate::model::content_bundle::{Checksum, ContentBundle};
    let charts =
        |crds: &str| vec![("mural".to_owned(), "1.1.0-rc.3".to_owned()), ("mural-crds".to_owned(), crds.to_owned())];
    let whole = |crds: &str| ContentBundle { file_count: 2, charts: charts(crds), ..ContentBundle::default() };
    let with = |bundle: Observed<ContentBundle>| GuardScenario::with(|scenario| scenario.bundle = Some(bundle));
    assert!(!fires(&with(Ok(whole("0.7.4"))), "bundle-complete"));
    assert!(guard_findings(&with(Ok(whole("0.7.1"))), "bundle-complete")[0].message.contains("0.7.1, not 0.7.4"));
    let checksum = Checksum { file: "b.sha256".into(), expected: "00".into(), actual: "ff".into() };
    assert!(fires(&with(Ok(ContentBundle { checksum: Some(checksum), ..whole("0.7.4") })), "bundle-complete"));
    let damaged = ReadFailure { target: "b.tar.zst".into(), reason: "no whole archive".into() };
    assert!(fires(&with(Err(damaged)), "bundle-complete"));
    let untold = with(Ok(ContentBundle { file_count: 9, ..ContentBundle::default() }));
    assert!(matches!(untold.run_guard("bundle-complete"), Verdict::Undetermined { .. }));
}
