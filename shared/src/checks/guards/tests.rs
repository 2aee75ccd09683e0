//! Every guard has an example that fires it and one that nearly does.

use std::collections::BTreeMap;

use semver::Version;
use serde_json::{Value, json};

use super::*;
use crate::checks::{Level, Verdict};
use crate::model::chart::{Digest, DigestOf, Files};
use crate::model::lease::{Holder, Life, Place};
use crate::model::owner::Owner;
use crate::model::release::ReleaseRecord;
use crate::model::secret::Hidden;
use crate::model::view::{Hub, NotSeen, Workloads};

fn record(name: &str, version: &str, status: &str, manifest: &str) -> ReleaseRecord {
    ReleaseRecord {
        name: name.into(),
        revision: 3,
        status: status.into(),
        description: String::new(),
        last_deployed: String::new(),
        chart: name.into(),
        chart_version: version.into(),
        apply_method: String::new(),
        config: Hidden::new(json!({})),
        chart_values: Hidden::new(json!({})),
        manifest: Hidden::new(manifest.into()),
        size: 0,
        crds: Vec::new(),
        labels: BTreeMap::new(),
    }
}

fn crd(name: &str, version: &str) -> Crd {
    let (plural, group) = name.split_once('.').unwrap();
    Crd::new(
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": name},
        "spec": {"group": group, "names": {"kind": "Hub", "plural": plural},
            "versions": [{"name": version, "served": true, "storage": true}]}}),
    )
    .unwrap()
}

/// A healthy world that each test bends in one place.
struct World {
    view: ClusterView,
    chart: Chart,
    digest: Digest,
    rendered: Vec<Value>,
    forecasts: BTreeMap<String, ServerAnswer>,
    helm: Looked<Version>,
    helm_sees: Looked<String>,
    locks: Looked<Vec<LockSeen>>,
    mode: Mode,
    allow_downgrade: bool,
    moved: Looked<Vec<saved_plan_holds::Moved>>,
}

impl World {
    fn healthy() -> Self {
        let hub = Hub {
            context: "prod".into(),
            server: "https://hub".into(),
            version: "v1.37.2".into(),
            uid: Ok("uid-1".into()),
            user: Ok("operator".into()),
            namespace_exists: Ok(true),
            namespace: "mural-system".into(),
        };
        let records = |name: &str, version: &str| (name.to_owned(), Ok(vec![record(name, version, "deployed", "")]));
        let live = crd("hubs.example.com", "v1");
        let view = ClusterView {
            hub,
            releases: BTreeMap::from([records("mural", "1.1.0-rc.0"), records("mural-crds", "0.7.1")]),
            owners: BTreeMap::from([("mural".to_owned(), Owner::Helm), ("mural-crds".to_owned(), Owner::Nobody)]),
            crds: Ok(BTreeMap::from([(live.name().to_owned(), live)])),
            workloads: Workloads { owners: Ok(Vec::new()), pods: Ok(Vec::new()) },
        };
        let files = Files::from([("Chart.yaml".to_owned(), b"name: mural\nversion: 1.1.0-rc.3\n".to_vec())]);
        Self {
            view,
            chart: Chart::from_files(&files).unwrap(),
            digest: Digest::of_bytes(b"", DigestOf::Manifest),
            rendered: Vec::new(),
            forecasts: BTreeMap::from([("hubs.example.com".to_owned(), Ok(crd("hubs.example.com", "v1")))]),
            helm: Ok(Version::new(3, 17, 2)),
            helm_sees: Ok("uid-1".into()),
            locks: Ok(Vec::new()),
            mode: Mode::Auto,
            allow_downgrade: false,
            moved: Ok(Vec::new()),
        }
    }

    fn ask(&self, id: &str) -> Verdict {
        let app = ChartFacts {
            release: "mural",
            reference: "oci://a.example/mural/mural".into(),
            chart: &self.chart,
            digest: &self.digest,
            rendered: &self.rendered,
        };
        let admission = Admission {
            view: &self.view,
            mode: self.mode,
            helm: self.helm.clone(),
            kubectl: Ok(Version::new(1, 31, 0)),
            helm_sees: self.helm_sees.clone(),
            kubectl_sees: Ok("uid-1".into()),
            crds_release: "mural-crds",
            app_release: "mural",
            crds: None,
            app: Some(app),
            forecasts: &self.forecasts,
            locks: &self.locks,
            server_asked: true,
            allow_downgrade: self.allow_downgrade,
            moved: Some(&self.moved),
        };
        ask_all(&admission).into_iter().find(|checked| checked.check == id).unwrap().verdict
    }

    fn bent(bend: impl FnOnce(&mut Self)) -> Self {
        let mut world = Self::healthy();
        bend(&mut world);
        world
    }

    fn store(&mut self, record: ReleaseRecord) {
        self.view.releases.insert(record.name.clone(), Ok(vec![record]));
    }
}

fn fires(world: &World, id: &str) -> bool {
    matches!(&world.ask(id), Verdict::Fail { findings } if findings.iter().any(|finding| finding.level <= Level::Warning))
}

#[test]
fn a_healthy_world_passes_every_guard() {
    let world = World::healthy();
    for (card, _) in ALL {
        assert_eq!(world.ask(card.id), Verdict::Pass, "{}", card.id);
    }
}

#[test]
fn ids_are_unique() {
    let ids: std::collections::BTreeSet<&str> = ALL.iter().map(|(card, _)| card.id).collect();
    assert_eq!(ids.len(), ALL.len());
}

#[test]
fn old_tools_are_refused_and_unknown_ones_are_undetermined() {
    assert!(fires(&World::bent(|world| world.helm = Ok(Version::new(3, 16, 4))), "tools-versions"));
    assert!(!fires(&World::bent(|world| world.helm = Ok(Version::new(3, 17, 0))), "tools-versions"));
    let unseen = World::bent(|world| world.helm = Err(NotSeen { what: "helm".into(), reason: "no answer".into() }));
    assert!(matches!(unseen.ask("tools-versions"), Verdict::Undetermined { .. }));
}

#[test]
fn a_saved_plan_holds_or_says_what_moved() {
    let moved = || saved_plan_holds::Moved { what: "CRD hubs.x".into(), how: "is gone".into(), hint: "" };
    assert!(fires(&World::bent(|world| world.moved = Ok(vec![moved()])), "saved-plan-holds"));
    let unseen = NotSeen { what: "CRDs".into(), reason: "forbidden".into() };
    let unseen = World::bent(|world| world.moved = Err(unseen));
    assert!(matches!(unseen.ask("saved-plan-holds"), Verdict::Undetermined { .. }));
}

#[test]
fn two_clusters_are_one_too_many() {
    assert!(fires(&World::bent(|world| world.helm_sees = Ok("uid-2".into())), "one-cluster"));
    let unseen =
        World::bent(|world| world.helm_sees = Err(NotSeen { what: "kube-system".into(), reason: "forbidden".into() }));
    assert!(matches!(unseen.ask("one-cluster"), Verdict::Undetermined { .. }));
}

#[test]
fn another_owner_is_named() {
    let flux = Owner::Flux { helm_release: "flux-system/mural".into(), kept_in_git: true };
    let world = World::bent(|world| drop(world.view.owners.insert("mural".into(), flux)));
    assert!(fires(&world, "owner-is-helm"));
    assert!(fires(&World::bent(|world| world.mode = Mode::Flux), "owner-is-helm"));
    assert!(!fires(&World::bent(|world| world.mode = Mode::Helm), "owner-is-helm"));
}

#[test]
fn nothing_installed_is_nothing_to_upgrade() {
    assert!(fires(&World::bent(|world| drop(world.view.releases.insert("mural".into(), Ok(Vec::new())))), "installed"));
    assert!(fires(&World::bent(|world| world.view.hub.namespace_exists = Ok(false)), "installed"));
    assert!(!fires(
        &World::bent(|world| drop(world.view.releases.insert("mural-crds".into(), Ok(Vec::new())))),
        "installed"
    ));
}

#[test]
fn a_pending_release_is_refused_and_a_failed_one_is_not() {
    assert!(fires(
        &World::bent(|world| world.store(record("mural", "1.0.0", "pending-upgrade", ""))),
        "release-not-pending"
    ));
    assert!(!fires(&World::bent(|world| world.store(record("mural", "1.0.0", "failed", ""))), "release-not-pending"));
}

#[test]
fn what_our_own_run_left_pending_is_ours_where_nobody_lives() {
    let ours = |locks: Looked<Vec<LockSeen>>| {
        World::bent(|world| {
            let mut pending = record("mural", "1.0.0", "pending-upgrade", "");
            pending.labels.insert("mural-run".into(), "7".into());
            world.store(pending);
            world.locks = locks;
        })
    };
    let held = |life| {
        let holder = Holder::of(&json!({"spec": {"holderIdentity": "ann"}})).unwrap();
        vec![LockSeen { place: Place::crds(), holder, life }]
    };
    assert_eq!(ours(Ok(Vec::new())).ask("release-not-pending"), Verdict::Pass);
    assert_eq!(ours(Ok(held(Life::Dead))).ask("release-not-pending"), Verdict::Pass);
    for doubt in
        [Ok(held(Life::Unsure)), Ok(held(Life::Alive)), Err(NotSeen { what: "locks".into(), reason: "no".into() })]
    {
        assert!(matches!(ours(doubt).ask("release-not-pending"), Verdict::Undetermined { .. }));
    }
}

#[test]
fn the_repair_of_a_pending_release_is_named() {
    let hint = |records: Vec<ReleaseRecord>| {
        let world = World::bent(|world| drop(world.view.releases.insert("mural".into(), Ok(records))));
        let Verdict::Fail { findings } = world.ask("release-not-pending") else { panic!("it should fire") };
        findings[0].hint.clone()
    };
    let good = ReleaseRecord { revision: 2, ..record("mural", "1.0.0", "deployed", "") };
    let pending = || record("mural", "1.0.0", "pending-upgrade", "");
    assert!(hint(vec![good, pending()]).contains("helm rollback mural 2 --namespace mural-system"));
    assert!(hint(vec![pending()]).contains("no revision was ever good"));
}

#[test]
fn a_chart_without_the_registrys_digest_is_a_warning() {
    assert!(fires(&World::bent(|world| world.digest.of = DigestOf::Archive), "chart-digest"));
}

#[test]
fn going_back_needs_a_word() {
    let newer = |world: &mut World| world.store(record("mural", "1.1.0", "deployed", ""));
    assert!(fires(&World::bent(newer), "no-downgrade"));
    let same = |world: &mut World| world.store(record("mural", "1.1.0-rc.3+05094f", "deployed", ""));
    assert!(!fires(&World::bent(same), "no-downgrade"));
    let allowed = World::bent(|world| (newer(world), world.allow_downgrade = true).1);
    assert!(matches!(allowed.ask("no-downgrade"), Verdict::Skipped { .. }));
}

#[test]
fn the_servers_refusal_is_told_in_its_own_words() {
    let refusal = "spec.scope: Invalid value: \"Cluster\": field is immutable";
    let world = World::bent(|world| drop(world.forecasts.insert("hubs.example.com".into(), Err(refusal.into()))));
    let Verdict::Fail { findings } = world.ask("crds-dry-run") else { panic!("it should fire") };
    assert!(findings[0].message.contains(refusal));
}

#[test]
fn an_object_whose_version_no_crd_serves_is_refused() {
    let hub = |version: &str| json!({"apiVersion": format!("example.com/{version}"), "kind": "Hub", "metadata": {"name": "h"}});
    assert!(fires(&World::bent(|world| world.rendered = vec![hub("v2")]), "crds-before-application"));
    assert!(!fires(&World::bent(|world| world.rendered = vec![hub("v1")]), "crds-before-application"));
}

#[test]
fn a_crd_that_leaves_the_manifest_is_refused_unless_it_is_kept() {
    let manifest = crd("hubs.example.com", "v1").json().to_string();
    let leaving = |world: &mut World| world.store(record("mural", "1.1.0-rc.0", "deployed", &manifest));
    assert!(fires(&World::bent(leaving), "helm-would-delete-crds"));
    let stays =
        World::bent(|world| (leaving(world), world.rendered = vec![crd("hubs.example.com", "v1").json().clone()]).1);
    assert!(!fires(&stays, "helm-would-delete-crds"));
    let moved = World::bent(|world| {
        leaving(world);
        world.rendered = vec![crd("hubs.example.com", "v1").json().clone()];
        world.chart.crds_folder = vec!["hubs.example.com".into()];
    });
    assert!(fires(&moved, "helm-would-delete-crds"));
    let kept = World::bent(|world| {
        leaving(world);
        let mut live = crd("hubs.example.com", "v1").json().clone();
        live["metadata"]["annotations"] = json!({"helm.sh/resource-policy": "keep"});
        world.view.crds = Ok(BTreeMap::from([("hubs.example.com".to_owned(), Crd::new(live).unwrap())]));
    });
    assert!(!fires(&kept, "helm-would-delete-crds"));
}
