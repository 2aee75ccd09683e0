//! A healthy world that each test bends in one place.

use crate::ask::Allowed;
use crate::ask::Mode;
use crate::checks::crd_changes::waivers::Note;
use crate::guards::tests::JournalSeen;
use crate::model::application::Application;
use crate::model::around::Around;
use crate::model::chart::Chart;
use crate::model::chart::SchemaRefusal;
use crate::model::crd::Crd;
use crate::model::dry_run::ServerAnswer;
use crate::model::grants::Grants;
use crate::model::lease::LockSeen;
use crate::model::signature::Signature;
use crate::model::view::ClusterView;
use crate::model::view::Looked;
use crate::plan::drift::Moved;
use crate::plan::flux::Ways;
use std::collections::BTreeMap;

use jiff::Timestamp;
use semver::Version;
use serde_json::{Value, json};

use crate::checks::crd_changes::CrdVerdict;
use crate::guards::*;
use crate::model::application::{Live, Method};
use crate::model::chart::{Digest, DigestOf, Files};
use crate::model::check::{Finding, Level, Verdict};
use crate::model::flux::FluxView;
use crate::model::images::ImagesSeen;
use crate::model::kinds;
use crate::model::owner::Owner;
use crate::model::release::ReleaseRecord;
use crate::model::secret::Hidden;
use crate::model::signature::{SignatureAnswer, SignedBy};
use crate::model::view::{Hub, Workloads};

pub(crate) fn record(name: &str, version: &str, status: &str, manifest: &str) -> ReleaseRecord {
    ReleaseRecord {
        status: status.into(),
        manifest: Hidden::new(manifest.into()),
        ..ReleaseRecord::sample(name, version)
    }
}

pub(crate) fn crd(name: &str, version: &str) -> Crd {
    let (plural, group) = name.split_once('.').unwrap();
    Crd::new(
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": name},
        "spec": {"group": group, "scope": "Namespaced", "names": {"kind": "Hub", "plural": plural, "singular": "hub", "listKind": "HubList"},
            "versions": [{"name": version, "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}]}}),
    )
    .unwrap()
}

fn healthy_view() -> ClusterView {
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
    ClusterView {
        hub,
        releases: BTreeMap::from([records("mural", "1.1.0-rc.0"), records("mural-crds", "0.7.4")]),
        owners: BTreeMap::from([("mural".to_owned(), Owner::Helm), ("mural-crds".to_owned(), Owner::Nobody)]),
        crds: Ok(BTreeMap::from([(live.name().to_owned(), live)])),
        workloads: Workloads { owners: Ok(Vec::new()), pods: Ok(Vec::new()) },
        flux: FluxView::none(),
        applications: Ok(Vec::new()),
    }
}

fn nothing_changes() -> Application {
    let kinds = Ok(kinds::tests::some());
    let stored = Hidden::new(Vec::new());
    Application { kinds, stored, live: Live::default(), foreseen: Vec::new(), method: Method::ClientSide }
}

fn nothing_around() -> Around {
    Around {
        webhooks: Ok(Vec::new()),
        backends: BTreeMap::new(),
        labels: Ok(BTreeMap::new()),
        quotas: Ok(Vec::new()),
        budgets: Ok(Vec::new()),
    }
}

/// A healthy world that each test bends in one place.
pub(crate) struct World {
    pub(crate) view: ClusterView,
    pub(crate) chart: Chart,
    pub(crate) crds_chart: Chart,
    pub(crate) digest: Digest,
    /// What the application's chart makes.
    pub(crate) rendered: Vec<Value>,
    /// What the CRD chart makes.
    pub(crate) rendered_crds: Vec<Value>,
    pub(crate) schema_refusals: Vec<SchemaRefusal>,
    pub(crate) forecasts: BTreeMap<String, ServerAnswer>,
    pub(crate) verdicts: BTreeMap<String, CrdVerdict>,
    pub(crate) waiver_notes: Vec<Note>,
    pub(crate) helm: Looked<Version>,
    pub(crate) helm_sees: Looked<String>,
    pub(crate) locks: Looked<Vec<LockSeen>>,
    pub(crate) mode: Mode,
    pub(crate) server_asked: bool,
    pub(crate) allowed: Allowed,
    pub(crate) application: Application,
    pub(crate) around: Around,
    pub(crate) record_sizes: Vec<(String, Option<usize>)>,
    pub(crate) grants: Grants,
    pub(crate) images: ImagesSeen,
    pub(crate) token_ends: Option<Timestamp>,
    pub(crate) config: Hidden<Value>,
    pub(crate) journal: Looked<JournalSeen>,
    pub(crate) moved: Looked<Vec<Moved>>,
    pub(crate) flux: Ways,
    pub(crate) bundle: Option<Looked<crate::model::content::Bundle>>,
    pub(crate) signatures: Vec<Signature>,
    pub(crate) not_forecast: Option<String>,
}

impl World {
    pub(crate) fn healthy() -> Self {
        let chart = |text: &str| {
            Chart::from_files(&Files::from([("Chart.yaml".to_owned(), text.as_bytes().to_vec())])).unwrap()
        };
        Self {
            view: healthy_view(),
            chart: chart("name: mural\nversion: 1.1.0-rc.3\n"),
            crds_chart: chart("name: mural-crds\nversion: 0.7.4\n"),
            digest: Digest::of_bytes(b"", DigestOf::Manifest),
            rendered: Vec::new(),
            rendered_crds: Vec::new(),
            schema_refusals: Vec::new(),
            forecasts: BTreeMap::from([("hubs.example.com".to_owned(), Ok(crd("hubs.example.com", "v1")))]),
            verdicts: BTreeMap::new(),
            waiver_notes: Vec::new(),
            helm: Ok(Version::new(3, 17, 2)),
            helm_sees: Ok("uid-1".into()),
            locks: Ok(Vec::new()),
            mode: Mode::Auto,
            server_asked: true,
            allowed: Allowed::default(),
            application: nothing_changes(),
            around: nothing_around(),
            record_sizes: vec![("mural".into(), None)],
            grants: Grants { asked: 0, denied: Ok(Vec::new()) },
            images: Some(BTreeMap::new()),
            token_ends: None,
            config: Hidden::new(json!({})),
            journal: Ok(JournalSeen::default()),
            moved: Ok(Vec::new()),
            flux: Ways::default(),
            bundle: None,
            signatures: vec![Signature { release: "mural".into(), by: SignedBy::Helm, answer: SignatureAnswer::Good }],
            not_forecast: None,
        }
    }

    fn charts(&self) -> [ChartFacts<'_>; 2] {
        let app = ChartFacts {
            release: "mural",
            reference: "oci://a.example/mural/mural".into(),
            chart: &self.chart,
            digest: &self.digest,
            rendered: &self.rendered,
            schema_refusals: &self.schema_refusals,
            not_forecast: self.not_forecast.as_deref(),
        };
        let crds = ChartFacts {
            release: "mural-crds",
            reference: "oci://a.example/mural/mural-crds".into(),
            chart: &self.crds_chart,
            rendered: &self.rendered_crds,
            schema_refusals: &[],
            ..app.clone()
        };
        [app, crds]
    }

    pub(crate) fn ask(&self, id: &str) -> Verdict {
        let [app, crds] = self.charts();
        let admission = Admission {
            view: &self.view,
            mode: self.mode,
            helm: self.helm.clone(),
            kubectl: Ok(Version::new(1, 31, 0)),
            helm_sees: self.helm_sees.clone(),
            kubectl_sees: Ok("uid-1".into()),
            crds_release: "mural-crds",
            app_release: "mural",
            crds: Some(crds),
            app: Some(app),
            forecasts: &self.forecasts,
            verdicts: &self.verdicts,
            waiver_notes: &self.waiver_notes,
            locks: &self.locks,
            server_asked: self.server_asked,
            allowed: self.allowed,
            application: Some(&self.application),
            around: &self.around,
            record_sizes: &self.record_sizes,
            grants: &self.grants,
            images: self.images.as_ref(),
            token_ends: self.token_ends,
            now: Timestamp::UNIX_EPOCH,
            timeout: std::time::Duration::from_secs(1200),
            config: &self.config,
            journal: &self.journal,
            moved: Some(&self.moved),
            flux: &self.flux,
            bundle: self.bundle.as_ref(),
            signatures: &self.signatures,
        };
        answer(&admission, id)
    }

    pub(crate) fn bent(bend: impl FnOnce(&mut Self)) -> Self {
        let mut world = Self::healthy();
        bend(&mut world);
        world
    }

    pub(crate) fn store(&mut self, record: ReleaseRecord) {
        self.view.releases.insert(record.name.clone(), Ok(vec![record]));
    }
}

pub(crate) fn fires(world: &World, id: &str) -> bool {
    matches!(&world.ask(id), Verdict::Fail { findings } if findings.iter().any(|finding| finding.level <= Level::Warning))
}

/// What it says, gravest first.
pub(crate) fn findings(world: &World, id: &str) -> Vec<Finding> {
    match world.ask(id) {
        Verdict::Fail { findings } => findings,
        other => panic!("{id} should fire: {other:?}"),
    }
}

fn answer(admission: &Admission<'_>, id: &str) -> Verdict {
    ask_all(admission).into_iter().find(|checked| checked.check == id).unwrap().verdict
}
