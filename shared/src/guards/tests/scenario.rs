//! A healthy world that each test bends in one place.

use crate::ask::AllowedActions;
use crate::ask::BackupMode;
use crate::ask::OwnerMode;
use crate::checks::crd_changes::waivers::WaiverNote;
use crate::guards::tests::JournalSnapshot;
use crate::model::access_review::{AccessReview, RequiredPermissions};
use crate::model::admission_policies::AdmissionPolicies;
use crate::model::application::ApplicationState;
use crate::model::chart::Chart;
use crate::model::chart::ValuesSchemaError;
use crate::model::cluster_view::ClusterView;
use crate::model::cluster_view::Observed;
use crate::model::crd::Crd;
use crate::model::dry_run::{CrdDryRunResult, DryRunRejection};
use crate::model::lease::HeldLock;
use crate::model::signature::SignatureCheck;
use crate::plan::adoption::{Adoption, FieldConflict};
use crate::plan::drift::DriftItem;
use crate::plan::flux::FluxRoutes;
use std::collections::BTreeMap;

use jiff::Timestamp;
use semver::Version;
use serde_json::{Value, json};

use crate::checks::crd_changes::CrdVerdict;
use crate::guards::*;
use crate::model::application::{ApplyMethod, LiveObjects};
use crate::model::chart::{ChartFiles, Digest, DigestKind};
use crate::model::check::{Finding, Level, Verdict};
use crate::model::cluster_view::{ClusterInfo, Workloads};
use crate::model::container_images::ImageLookup;
use crate::model::flux::FluxView;
use crate::model::owner::Owner;
use crate::model::release::ReleaseRecord;
use crate::model::secret::Hidden;
use crate::model::served_kinds;
use crate::model::signature::{SignatureOutcome, SignatureVerifier};

pub(crate) fn release_record(name: &str, version: &str, status: &str, manifest: &str) -> ReleaseRecord {
    ReleaseRecord {
        status: status.into(),
        manifest: Hidden::new(manifest.into()),
        ..ReleaseRecord::sample(name, version)
    }
}

pub(crate) fn build_crd(name: &str, version: &str) -> Crd {
    let (plural, group) = name.split_once('.').unwrap();
    Crd::new(
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": name},
        "spec": {"group": group, "scope": "Namespaced", "names": {"kind": "Hub", "plural": plural, "singular": "hub", "listKind": "HubList"},
            "versions": [{"name": version, "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}]}}),
    )
    .unwrap()
}

/// A rejection of the API server with these words.
pub(crate) fn rejection(code: u16, message: &str) -> DryRunRejection {
    DryRunRejection { code, message: message.into(), causes: Vec::new() }
}

/// A CRD that the API server rejects with these words.
pub(crate) fn rejected_crd(message: &str) -> CrdDryRunResult {
    CrdDryRunResult::Rejected(rejection(422, message))
}

fn healthy_view() -> ClusterView {
    let hub = ClusterInfo {
        context: "prod".into(),
        server: "https://hub".into(),
        version: "v1.37.2".into(),
        uid: Ok("uid-1".into()),
        user: Ok("operator".into()),
        namespace_exists: Ok(true),
        namespace: "mural-system".into(),
    };
    let records =
        |name: &str, version: &str| (name.to_owned(), Ok(vec![release_record(name, version, "deployed", "")]));
    let live = build_crd("hubs.example.com", "v1");
    ClusterView {
        cluster: hub,
        releases: BTreeMap::from([records("mural", "1.1.0-rc.0"), records("mural-crds", "0.7.4")]),
        owners: BTreeMap::from([("mural".to_owned(), Owner::Helm), ("mural-crds".to_owned(), Owner::NotInstalled)]),
        crds: Ok(BTreeMap::from([(live.name().to_owned(), live)])),
        workloads: Workloads::new(Ok(Vec::new()), Ok(Vec::new())),
        flux: FluxView::empty(),
        applications: Ok(Vec::new()),
    }
}

fn unchanged_application() -> ApplicationState {
    let kinds = Ok(served_kinds::tests::sample_kinds());
    let stored = Hidden::new(Vec::new());
    ApplicationState {
        kinds,
        stored_objects: stored,
        live_objects: LiveObjects::default(),
        forecasts: Vec::new(),
        apply_method: ApplyMethod::ClientSide,
    }
}

fn empty_policies() -> AdmissionPolicies {
    AdmissionPolicies {
        webhooks: Ok(Vec::new()),
        ready_endpoints: BTreeMap::new(),
        namespace_labels: Ok(BTreeMap::new()),
        namespace_terminating: Ok(false),
        resource_quotas: Ok(Vec::new()),
        disruption_budgets: Ok(Vec::new()),
        conversions: BTreeMap::new(),
    }
}

/// A healthy world that each test bends in one place.
pub(crate) struct GuardScenario {
    pub(crate) view: ClusterView,
    pub(crate) app_chart: Chart,
    pub(crate) crds_chart: Chart,
    pub(crate) digest: Digest,
    /// Where both charts come from: the folder of a registry, or one on disk.
    pub(crate) chart_source: String,
    /// What the application's chart makes.
    pub(crate) rendered_app: Vec<Value>,
    /// What the CRD chart makes.
    pub(crate) rendered_crds: Vec<Value>,
    pub(crate) schema_refusals: Vec<ValuesSchemaError>,
    pub(crate) forecasts: BTreeMap<String, CrdDryRunResult>,
    pub(crate) verdicts: BTreeMap<String, CrdVerdict>,
    pub(crate) waiver_notes: Vec<WaiverNote>,
    pub(crate) helm_version: Observed<Version>,
    pub(crate) helm_cluster_uid: Observed<String>,
    pub(crate) locks: Observed<Vec<HeldLock>>,
    pub(crate) mode: OwnerMode,
    pub(crate) server_dry_run: bool,
    pub(crate) allowed: AllowedActions,
    pub(crate) backup: BackupMode,
    pub(crate) application: ApplicationState,
    pub(crate) adoptions: Vec<Adoption>,
    pub(crate) field_conflicts: Observed<Vec<FieldConflict>>,
    pub(crate) policies: AdmissionPolicies,
    pub(crate) record_sizes: Vec<(String, Option<usize>)>,
    pub(crate) grants: AccessReview,
    pub(crate) images: ImageLookup,
    pub(crate) token_expiry: Option<Timestamp>,
    pub(crate) config: Hidden<Value>,
    pub(crate) journal: Observed<JournalSnapshot>,
    pub(crate) drift: Observed<Vec<DriftItem>>,
    pub(crate) flux: FluxRoutes,
    pub(crate) bundle: Option<Observed<crate::model::content_bundle::ContentBundle>>,
    pub(crate) signatures: Vec<SignatureCheck>,
    pub(crate) post_renderer_error: Option<String>,
}

impl GuardScenario {
    #[expect(clippy::too_many_lines, reason = "one line per field")]
    pub(crate) fn healthy() -> Self {
        let chart = |text: &str| {
            Chart::from_files(&ChartFiles::from([("Chart.yaml".to_owned(), text.as_bytes().to_vec())])).unwrap()
        };
        Self {
            view: healthy_view(),
            app_chart: chart("name: mural\nversion: 1.1.0-rc.3\n"),
            crds_chart: chart("name: mural-crds\nversion: 0.7.4\n"),
            digest: Digest::from_bytes(b"", DigestKind::Manifest),
            chart_source: "oci://a.example/mural".into(),
            rendered_app: Vec::new(),
            rendered_crds: Vec::new(),
            schema_refusals: Vec::new(),
            forecasts: BTreeMap::from([(
                "hubs.example.com".to_owned(),
                CrdDryRunResult::Accepted(build_crd("hubs.example.com", "v1")),
            )]),
            verdicts: BTreeMap::new(),
            waiver_notes: Vec::new(),
            helm_version: Ok(Version::new(3, 17, 2)),
            helm_cluster_uid: Ok("uid-1".into()),
            locks: Ok(Vec::new()),
            mode: OwnerMode::Auto,
            server_dry_run: true,
            allowed: AllowedActions::default(),
            backup: BackupMode::Enabled,
            application: unchanged_application(),
            adoptions: Vec::new(),
            field_conflicts: Ok(Vec::new()),
            policies: empty_policies(),
            record_sizes: vec![("mural".into(), None)],
            grants: AccessReview { permissions: RequiredPermissions::default(), denied: Ok(Vec::new()) },
            images: Some(BTreeMap::new()),
            token_expiry: None,
            config: Hidden::new(json!({})),
            journal: Ok(JournalSnapshot::default()),
            drift: Ok(Vec::new()),
            flux: FluxRoutes::default(),
            bundle: None,
            signatures: vec![SignatureCheck {
                release: "mural".into(),
                verifier: SignatureVerifier::Helm,
                outcome: SignatureOutcome::Verified,
            }],
            post_renderer_error: None,
        }
    }

    fn charts(&self) -> [ChartFacts<'_>; 2] {
        let app = ChartFacts {
            release: "mural",
            reference: format!("{}/mural", self.chart_source),
            chart: &self.app_chart,
            digest: &self.digest,
            rendered: &self.rendered_app,
            schema_refusals: &self.schema_refusals,
            post_renderer_error: self.post_renderer_error.as_deref(),
        };
        let crds = ChartFacts {
            release: "mural-crds",
            reference: format!("{}/mural-crds", self.chart_source),
            chart: &self.crds_chart,
            rendered: &self.rendered_crds,
            schema_refusals: &[],
            ..app.clone()
        };
        [app, crds]
    }

    pub(crate) fn run_guard(&self, id: &str) -> Verdict {
        let [app, crds] = self.charts();
        let context = GuardContext {
            view: &self.view,
            mode: self.mode,
            helm_version: self.helm_version.clone(),
            kubectl_version: Ok(Version::new(1, 31, 0)),
            helm_cluster_uid: self.helm_cluster_uid.clone(),
            kubectl_cluster_uid: Ok("uid-1".into()),
            crds_release: "mural-crds",
            app_release: "mural",
            crds_chart: Some(crds),
            app_chart: Some(app),
            forecasts: &self.forecasts,
            verdicts: &self.verdicts,
            waiver_notes: &self.waiver_notes,
            locks: &self.locks,
            server_dry_run: self.server_dry_run,
            allowed: self.allowed,
            backup: self.backup,
            application: Some(&self.application),
            adoptions: &self.adoptions,
            field_conflicts: &self.field_conflicts,
            policies: &self.policies,
            record_sizes: &self.record_sizes,
            grants: &self.grants,
            images: self.images.as_ref(),
            token_expiry: self.token_expiry,
            now: Timestamp::UNIX_EPOCH,
            timeout: std::time::Duration::from_secs(1200),
            config: &self.config,
            journal: &self.journal,
            drift: Some(&self.drift),
            flux: &self.flux,
            bundle: self.bundle.as_ref(),
            signatures: &self.signatures,
        };
        find_verdict(&context, id)
    }

    pub(crate) fn with(modify: impl FnOnce(&mut Self)) -> Self {
        let mut scenario = Self::healthy();
        modify(&mut scenario);
        scenario
    }

    pub(crate) fn set_record(&mut self, record: ReleaseRecord) {
        self.view.releases.insert(record.name.clone(), Ok(vec![record]));
    }
}

pub(crate) fn fires(scenario: &GuardScenario, id: &str) -> bool {
    matches!(&scenario.run_guard(id), Verdict::Fail { findings } if findings.iter().any(|finding| finding.level <= Level::Warning))
}

/// What it says, gravest first.
pub(crate) fn guard_findings(scenario: &GuardScenario, id: &str) -> Vec<Finding> {
    match scenario.run_guard(id) {
        Verdict::Fail { findings } => findings,
        other => panic!("{id} should fire: {other:?}"),
    }
}

fn find_verdict(context: &GuardContext<'_>, id: &str) -> Verdict {
    let guard = ALL.iter().find(|guard| guard.card.id == id).unwrap();
    (guard.check)(context).verdict
}
