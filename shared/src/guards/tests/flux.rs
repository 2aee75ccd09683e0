//! The guards of the Flux path.

use crate::ask::Mode;
use crate::model::secret::Hidden;
use crate::model::view::Looked;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::ask::Ask;
use crate::guards::tests::world::{World, findings, fires};
use crate::guards::tests::*;
use crate::model::check::{Level, Verdict};
use crate::model::flux::{FluxRef, FluxView, HELD_BY, HelmRelease, Source};
use crate::model::owner::Owner;
use crate::plan::flux::ways;

/// Both HelmReleases and sources; the test bends one of them: `mural`, `mural-crds`, and the same with `source-` before it.
fn flux(bend: impl FnOnce(&mut BTreeMap<String, Value>), values: Option<Value>) -> World {
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
    bend(&mut all);
    let of_kind = |kind: &str| all.values().filter(|object| object["kind"] == *kind).cloned().collect::<Vec<_>>();
    let source = |object: Value| {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let named = FluxRef::new("OCIRepository", "mural-system", &name);
        (named, Ok((!object["gone"].is_boolean()).then(|| Source::new(object))))
    };
    let mut view = FluxView {
        helm_releases: Ok(of_kind("HelmRelease").into_iter().map(HelmRelease::new).collect()),
        sources: of_kind("OCIRepository").into_iter().map(source).collect(),
        ..FluxView::none()
    };
    view.controllers = Ok(of_kind("Deployment"));
    World::bent(|world| {
        let charts = [Some(("0.7.4".to_owned(), &world.digest)), Some(("1.1.0-rc.3".to_owned(), &world.digest))];
        world.flux = ways(&Ask::sample(), &view, charts, values.map(Hidden::new));
        world.view.flux = view;
        let owner = |name: &str| Owner::Flux { helm_release: format!("mural-system/{name}"), kept_in_git: false };
        world.view.owners = ["mural", "mural-crds"].map(|name| (name.to_owned(), owner(name))).into();
    })
}

fn bent(bend: impl FnOnce(&mut BTreeMap<String, Value>)) -> World {
    flux(bend, None)
}

fn at<'a>(all: &'a mut BTreeMap<String, Value>, name: &str) -> &'a mut Value {
    all.get_mut(name).unwrap()
}

#[test]
fn a_healthy_flux_passes_every_guard() {
    let world = bent(|_| ());
    for (card, _) in ALL {
        assert_eq!(world.ask(card.id), Verdict::Pass, "{}", card.id);
    }
}

#[test]
fn two_makers_of_one_release_are_one_too_many() {
    let world = bent(|all| {
        let mut other = all["mural"].clone();
        (other["metadata"]["name"], other["spec"]["releaseName"]) = ("other".into(), "mural".into());
        all.insert("other".into(), other);
    });
    assert!(findings(&world, "flux-one-maker")[0].message.contains("mural-system/other"));
}

#[test]
fn a_source_that_cannot_be_told_a_version_is_named() {
    assert!(fires(&bent(|all| at(all, "source-mural")["gone"] = true.into()), "flux-source-usable"));
    assert!(fires(&bent(|all| at(all, "mural")["spec"]["chartRef"] = Value::Null), "flux-source-usable"));
    assert!(fires(&bent(|all| at(all, "source-mural-crds")["spec"]["suspend"] = true.into()), "flux-source-usable"));
    let elsewhere = bent(|all| at(all, "source-mural")["spec"]["url"] = "oci://other.example/mural/mural".into());
    assert!(findings(&elsewhere, "flux-source-usable")[0].message.contains("a.example"));
    let git = json!({"kind": "GitRepository", "name": "repo"});
    let git = bent(|all| at(all, "mural")["spec"] = json!({"chart": {"spec": {"chart": "mural", "sourceRef": git}}}));
    assert!(fires(&git, "flux-source-usable"));
}

#[test]
fn argo_cd_makes_no_release_and_is_an_installation_all_the_same() {
    let mut world = bent(|_| ());
    world.view.releases.insert("mural".into(), Ok(Vec::new()));
    assert!(fires(&world, "installed"));
    world.view.owners.insert("mural".into(), Owner::Argo { application: "palette".into() });
    assert!(matches!(world.ask("installed"), Verdict::Skipped { reason } if reason.contains("Application palette")));
}

#[test]
fn a_source_that_is_insisted_on_is_the_one_or_refused() {
    let insisted = |name: &str| {
        let mut world = bent(|_| ());
        world.flux.app.as_mut().unwrap().insisted = Some(name.to_owned());
        world
    };
    assert!(!fires(&insisted("mural"), "flux-source-usable"));
    assert!(findings(&insisted("other"), "flux-source-usable")[0].message.contains("not from other"));
}

#[test]
fn what_is_not_in_the_forecast_is_told() {
    let world = World::bent(|world| world.not_forecast = Some("no matches for Id".into()));
    assert!(findings(&world, "flux-post-renderers")[0].message.contains("no matches for Id"));
}

#[test]
fn a_chart_whose_signature_is_not_taken_is_refused() {
    use crate::model::signature::SignatureAnswer::{Bad, Good, Unseen};
    let signed = |answer| World::bent(|world| world.signatures[0].answer = answer);
    let unasked = World::bent(|world| world.signatures.clear());
    assert!(matches!(unasked.ask("charts-signed"), Verdict::Skipped { .. }));
    assert_eq!(signed(Good).ask("charts-signed"), Verdict::Pass);
    assert!(findings(&signed(Bad("no key".into())), "charts-signed")[0].message.contains("helm does not take"));
    assert!(matches!(signed(Unseen("gone".into())).ask("charts-signed"), Verdict::Undetermined { .. }));
}

#[test]
fn who_suspended_it_decides() {
    let suspended = |by: Option<&str>| {
        bent(|all| {
            let release = at(all, "mural");
            release["spec"]["suspend"] = true.into();
            if let Some(by) = by {
                release["metadata"]["annotations"] = json!({HELD_BY: by});
            }
        })
    };
    assert!(fires(&suspended(None), "flux-not-suspended"));
    assert!(!fires(&suspended(Some("20261126-1")), "flux-not-suspended"));
}

#[test]
fn crds_that_would_not_be_replaced_are_refused() {
    for policy in [Value::Null, "Skip".into(), "Create".into()] {
        let world = bent(|all| at(all, "mural-crds")["spec"]["upgrade"]["crds"] = policy);
        assert!(findings(&world, "flux-crd-policy")[0].hint.contains("CreateReplace"));
    }
    assert!(!fires(&bent(|all| at(all, "mural")["spec"]["upgrade"] = Value::Null), "flux-crd-policy"));
}

#[test]
fn a_release_that_is_at_work_or_failing_is_not_met_half_way() {
    let said = |status: &str, more: Value| {
        bent(|all| {
            let release = at(all, "mural");
            release["status"]["conditions"][0]["status"] = status.into();
            for (key, value) in more.as_object().unwrap() {
                release["status"][key] = value.clone();
            }
        })
    };
    let level = |world: &World| findings(world, "flux-at-rest")[0].level;
    assert_eq!(level(&said("Unknown", json!({}))), Level::Error);
    assert_eq!(level(&said("False", json!({}))), Level::Error);
    assert_eq!(level(&said("False", json!({"upgradeFailures": 1}))), Level::Warning, "a new chart begins anew");
}

#[test]
fn a_release_that_is_on_its_way_to_what_is_wanted_is_waited_for() {
    let digest = World::bent(|_| ()).digest.sha256;
    let on_its_way = |revision: String| {
        bent(|all| {
            at(all, "mural")["status"]["conditions"][0]["status"] = "Unknown".into();
            let source = at(all, "source-mural");
            source["spec"]["ref"] = json!({"semver": "1.1.0-rc.3"});
            source["status"]["artifact"]["revision"] = revision.into();
        })
    };
    assert!(!fires(&on_its_way(format!("1.1.0-rc.3@{digest}")), "flux-at-rest"));
    assert!(fires(&on_its_way("1.1.0-rc.2@sha256:other".to_owned()), "flux-at-rest"));
}

#[test]
fn what_moves_by_itself_is_told() {
    let range = bent(|all| at(all, "source-mural")["spec"]["ref"] = json!({"semver": ">=1.0.0"}));
    assert!(findings(&range, "flux-source-pinned")[0].hint.contains("1.1.0-rc.3"));
}

#[test]
fn controllers_without_a_pod_or_too_old_are_refused() {
    let controller = |ready: u64| json!({"kind": "Deployment", "metadata": {"name": "source-controller", "namespace": "flux-system"}, "status": {"readyReplicas": ready}});
    assert!(fires(&bent(|all| drop(all.insert("d".into(), controller(0)))), "flux-controllers"));
    assert!(!fires(&bent(|all| drop(all.insert("d".into(), controller(1)))), "flux-controllers"));
    let old = bent(|all| at(all, "mural")["apiVersion"] = "helm.toolkit.fluxcd.io/v2beta2".into());
    assert!(fires(&old, "flux-controllers"));
}

#[test]
fn a_new_secret_in_plain_text_is_refused_and_its_value_told_to_nobody() {
    let world = flux(|_| (), Some(json!({"a": {"token": "u"}, "db": {"password": "canary"}})));
    let found = findings(&world, "flux-plain-secrets");
    assert!(found.len() == 1 && found[0].message.contains("db.password"), "{found:?}");
    assert!(!format!("{found:?}").contains("canary"));
}

#[test]
fn the_owner_is_upgraded_through_or_refused() {
    let owned = |owner: Owner, mode: Mode| {
        let mut world = bent(|_| ());
        for name in ["mural", "mural-crds"] {
            world.view.owners.insert(name.into(), owner.clone());
        }
        world.mode = mode;
        fires(&world, "owner-is-helm")
    };
    let flux = |kept_in_git| Owner::Flux { helm_release: "m/mural".into(), kept_in_git };
    let appliance = || Owner::Appliance { helm_release: "m/mural".into(), registry: "zot.zot.svc:5000".into() };
    assert!(!owned(flux(false), Mode::Auto) && !owned(flux(false), Mode::Flux));
    assert!(owned(flux(false), Mode::Helm) && owned(flux(false), Mode::Appliance) && owned(flux(true), Mode::Auto));
    assert!(!owned(appliance(), Mode::Auto) && !owned(appliance(), Mode::Appliance) && owned(appliance(), Mode::Flux));
    assert!(owned(Owner::Argo { application: "a".into() }, Mode::Auto));
    let mut mixed = bent(|_| ());
    mixed.view.owners.insert("mural-crds".into(), Owner::Helm);
    assert!(findings(&mixed, "owner-is-helm")[0].hint.contains("flux-manifests"));
}

#[test]
fn a_bundle_that_is_not_whole_or_not_the_target_is_refused() {
    use crate::model::content::{Bundle, Checksum};
    use crate::model::view::NotSeen;
    let charts =
        |crds: &str| vec![("mural".to_owned(), "1.1.0-rc.3".to_owned()), ("mural-crds".to_owned(), crds.to_owned())];
    let whole = |crds: &str| Bundle { files: 2, charts: charts(crds), ..Bundle::default() };
    let with = |bundle: Looked<Bundle>| World::bent(|world| world.bundle = Some(bundle));
    assert!(!fires(&with(Ok(whole("0.7.4"))), "bundle-holds-targets"));
    assert!(findings(&with(Ok(whole("0.7.1"))), "bundle-holds-targets")[0].message.contains("0.7.1, and not 0.7.4"));
    let checksum = Checksum { file: "b.sha256".into(), says: "00".into(), is: "ff".into() };
    assert!(fires(&with(Ok(Bundle { checksum: Some(checksum), ..whole("0.7.4") })), "bundle-holds-targets"));
    let damaged = NotSeen { what: "b.tar.zst".into(), reason: "no whole archive".into() };
    assert!(fires(&with(Err(damaged)), "bundle-holds-targets"));
    let untold = with(Ok(Bundle { files: 9, ..Bundle::default() }));
    assert!(matches!(untold.ask("bundle-holds-targets"), Verdict::Undetermined { .. }));
}
