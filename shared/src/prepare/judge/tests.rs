//! The plans of typical situations: which steps, for which reasons, and which guard refuses.

#[path = "secret_tests.rs"]
mod secret_tests;

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::guards::tests::scenario::{GuardScenario, release_record};
use crate::model::chart::{Chart, ChartFiles, ChartRef, Digest, DigestKind};
use crate::model::chart_lookup::LookupSource;
use crate::model::fetched_chart::FetchedChart;
use crate::model::metadata_keys::RUN_LABEL;
use crate::model::secret::Hidden;
use crate::plan::StepId;

const HUBS: &str = "hubs.example.com";

/// Commands that show their arguments.
struct NamedCommands;

impl PlanCommands for NamedCommands {
    fn upgrade_release(&self, role: ReleaseRole, chart: &RenderedChart) -> Vec<String> {
        vec!["helm".to_owned(), format!("{role:?}"), chart.fetched.reference.to_string()]
    }

    fn annotate_keep(&self, names: &[String]) -> Vec<String> {
        [vec!["annotate".to_owned()], names.to_vec()].concat()
    }

    fn apply_crds(&self) -> Vec<String> {
        vec!["apply".to_owned()]
    }
}

/// An installation, a request and two charts: by default the application moves, and its CRDs do not.
struct Situation {
    ask: UpgradeSpec,
    scenario: GuardScenario,
    charts: RenderedCharts,
    drift: Option<Observed<Vec<DriftItem>>>,
    has_unverified_crds: bool,
    has_failed_release: bool,
}

impl Situation {
    fn new() -> Self {
        let scenario = GuardScenario::healthy();
        let charts = RenderedCharts {
            crds: None,
            app: Some(rendered_chart("mural", "1.1.0-rc.3", Vec::new())),
            desired_crds: BTreeMap::new(),
            config: Hidden::new(json!({})),
            crds_config: Hidden::new(json!({})),
        };
        let mut situation = Self {
            ask: UpgradeSpec::sample(),
            scenario,
            charts,
            drift: None,
            has_unverified_crds: false,
            has_failed_release: false,
        };
        situation.scenario.forecasts.clear();
        situation
    }

    fn with(modify: impl FnOnce(&mut Self)) -> Self {
        let mut situation = Self::new();
        modify(&mut situation);
        situation
    }

    /// The CRD chart moves too, and brings this CRD in its `crds/` folder.
    fn move_crd(&mut self, crd: Value) {
        let crd = Crd::new(crd).unwrap();
        let mut chart = rendered_chart("mural-crds", "0.8.0", vec![crd.json().clone()]);
        chart.fetched.chart.folder_crds = vec![crd.name().to_owned()];
        self.charts.crds = Some(chart);
        self.scenario.forecasts.insert(crd.name().to_owned(), CrdDryRunResult::Accepted(crd.clone()));
        self.charts.desired_crds.insert(crd.name().to_owned(), crd);
    }

    fn plan(self) -> Plan {
        let observations = Observations {
            now: Timestamp::UNIX_EPOCH,
            view: &self.scenario.view,
            tools: &ToolVersions {
                helm: self.scenario.helm_version.clone(),
                kubectl: Ok(semver::Version::new(1, 31, 0)),
            },
            cluster_uids: ClusterUids { helm: self.scenario.helm_cluster_uid, kubectl: Ok("uid-1".to_owned()) },
            forecast: Forecast {
                crd_answers: self.scenario.forecasts,
                verdicts: self.scenario.verdicts,
                waiver_notes: Vec::new(),
                application: Some(self.scenario.application),
                adoption: AdoptionForecast {
                    adoptions: self.scenario.adoptions,
                    conflicts: self.scenario.field_conflicts,
                },
                policies: self.scenario.policies,
                record_sizes: self.scenario.record_sizes,
                grants: self.scenario.grants,
                images: self.scenario.images,
                token_ends: self.scenario.token_expiry,
                bundle: None,
                signatures: Vec::new(),
            },
            backup: self.scenario.backup,
            locks: &self.scenario.locks,
            journal: &self.scenario.journal,
            has_unverified_crds: self.has_unverified_crds,
            has_failed_release: self.has_failed_release,
            drift: self.drift,
            flux: &self.scenario.flux,
        };
        build_plan(&self.ask, &observations, &self.charts, &NamedCommands).unwrap()
    }
}

fn rendered_chart(name: &str, version: &str, rendered: Vec<Value>) -> RenderedChart {
    let text = format!("name: {name}\nversion: {version}\n");
    let files = ChartFiles::from([("Chart.yaml".to_owned(), text.into_bytes())]);
    let fetched = FetchedChart {
        reference: ChartRef::Oci { repository: format!("a.example/mural/{name}"), digest: None },
        file: "chart.tgz".into(),
        digest: Digest::from_bytes(version.as_bytes(), DigestKind::Manifest),
        chart: Chart::from_files(&files).unwrap(),
        files: Arc::new(files),
    };
    let manifest_text = Hidden::new(String::new());
    RenderedChart {
        fetched,
        rendered,
        manifest_text,
        schema_refusals: Vec::new(),
        lookups: LookupSource::NotUsed,
        post_render_failure: None,
    }
}

/// The CRD of hubs with these versions, each stored or not.
fn hubs(versions: &[(&str, bool)]) -> Value {
    let schema = json!({"openAPIV3Schema": {"type": "object"}});
    let versions: Vec<Value> = versions
        .iter()
        .map(|(name, storage)| json!({"name": name, "served": true, "storage": storage, "schema": schema}))
        .collect();
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": HUBS},
        "spec": {"group": "example.com", "scope": "Namespaced", "versions": versions,
            "names": {"kind": "Hub", "plural": "hubs", "singular": "hub", "listKind": "HubList"}}})
}

/// The same CRD with one more field.
fn extended_hubs() -> Value {
    let mut crd = hubs(&[("v1", true)]);
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"] = json!({"size": {"type": "string"}});
    crd
}

fn ids(plan: &Plan) -> Vec<StepId> {
    plan.steps.iter().map(|step| step.id).collect()
}

fn step(plan: &Plan, id: StepId) -> &Step {
    plan.steps.iter().find(|step| step.id == id).unwrap()
}

/// The guards that refuse the plan.
fn refusals(plan: &Plan) -> Vec<&str> {
    plan.guards.iter().filter(|guard| guard.has_error()).map(|guard| guard.check).collect()
}

#[test]
fn an_upgrade_of_the_application_alone_is_one_step_and_the_final_check() {
    let plan = Situation::new().plan();
    assert_eq!(ids(&plan), [StepId::Release(ReleaseRole::App), StepId::Validate]);
    assert_eq!(refusals(&plan), [""; 0]);
    let upgrade = step(&plan, StepId::Release(ReleaseRole::App));
    assert_eq!(upgrade.command, ["helm", "App", "oci://a.example/mural/mural"]);
    assert!(upgrade.reason.contains("1.1.0-rc.0 is deployed"), "{}", upgrade.reason);
}

#[test]
fn a_first_installation_is_refused() {
    let situation = Situation::with(|situation| {
        situation.scenario.view.releases.insert("mural".into(), Ok(Vec::new()));
    });
    assert!(refusals(&situation.plan()).contains(&"installed"));
}

#[test]
fn crds_alone_are_applied_verified_and_recorded() {
    let plan = Situation::with(|situation| {
        situation.charts.app = None;
        situation.move_crd(extended_hubs());
    })
    .plan();
    assert_eq!(ids(&plan), [StepId::Crds, StepId::Served, StepId::Record, StepId::Validate]);
    assert_eq!(step(&plan, StepId::Crds).command, ["apply"]);
    assert_eq!(step(&plan, StepId::Record).command, ["helm", "Crds", "oci://a.example/mural/mural-crds"]);
    assert_eq!(plan.charts.len(), 1);
}

#[test]
fn changed_crds_are_served_before_the_application_moves() {
    let plan = Situation::with(|situation| situation.move_crd(extended_hubs())).plan();
    let wanted = [StepId::Crds, StepId::Served, StepId::Record, StepId::Release(ReleaseRole::App), StepId::Validate];
    assert_eq!(ids(&plan), wanted);
}

#[test]
fn unchanged_crds_are_left_alone_and_the_plan_says_so() {
    let plan = Situation::with(|situation| situation.move_crd(hubs(&[("v1", true)]))).plan();
    assert_eq!(ids(&plan), [StepId::Record, StepId::Release(ReleaseRole::App), StepId::Validate]);
    assert!(plan.unchanged_items.iter().any(|item| item.subject.to_string() == "1 CRD"), "{:?}", plan.unchanged_items);
}

#[test]
fn a_dropped_storage_version_is_migrated_first_if_the_operator_agrees() {
    let migrate = |agreed: bool| {
        Situation::with(|situation| {
            let mut live = hubs(&[("v1", true), ("v2", false)]);
            live["status"] = json!({"storedVersions": ["v1"]});
            situation.scenario.view.crds = Ok(BTreeMap::from([(HUBS.to_owned(), Crd::new(live).unwrap())]));
            situation.move_crd(hubs(&[("v2", true)]));
            situation.ask.allowed_actions.migrate = agreed;
        })
        .plan()
    };
    let agreed = migrate(true);
    assert_eq!(ids(&agreed).first(), Some(&StepId::Migrate));
    let limit = agreed.rollback_limit().unwrap();
    assert_eq!((limit.step, limit.reason.ends_with("are stored as v2")), (StepId::Migrate, true), "{limit:?}");
    assert!(!ids(&migrate(false)).contains(&StepId::Migrate));
}

#[test]
fn a_crd_that_leaves_the_release_is_annotated_first_or_refused() {
    let plan = |keep: bool| {
        Situation::with(|situation| {
            let manifest = hubs(&[("v1", true)]).to_string();
            situation.scenario.set_record(release_record("mural", "1.1.0-rc.0", "deployed", &manifest));
            situation.ask.allowed_actions.keep_crds = keep;
        })
        .plan()
    };
    let kept = plan(true);
    assert_eq!(ids(&kept), [StepId::AnnotateKeep, StepId::Release(ReleaseRole::App), StepId::Validate]);
    assert_eq!(step(&kept, StepId::AnnotateKeep).command, ["annotate", HUBS]);
    assert!(refusals(&plan(false)).contains(&"helm-would-delete-crds"));
}

#[test]
fn the_same_bytes_and_values_are_nothing_to_do() {
    let plan = Situation::with(|situation| {
        let digest = Digest::from_bytes(b"1.1.0-rc.3", DigestKind::Manifest);
        let mut record = release_record("mural", "1.1.0-rc.3", "deployed", "");
        record.description = decide::build_description(&digest);
        situation.scenario.set_record(record);
    })
    .plan();
    assert!(plan.steps.is_empty() && !plan.has_changes(), "{:?}", plan.steps);
    assert_eq!(plan.unchanged_items[0].reason, "same chart bytes, same values, deployed");
}

#[test]
fn a_release_of_git_is_not_written_by_helm() {
    let plan = Situation::with(|situation| {
        let owner = Owner::Flux { helm_release: "flux-system/mural".into(), managed_in_git: true };
        situation.scenario.view.owners.insert("mural".into(), owner);
    })
    .plan();
    assert!(refusals(&plan).contains(&"owner-supported"));
}

#[test]
fn an_interrupted_run_is_continued_where_it_stopped() {
    let plan = Situation::with(|situation| {
        situation.move_crd(hubs(&[("v1", true)]));
        situation.has_unverified_crds = true;
        let mut pending = release_record("mural", "1.1.0-rc.3", "pending-upgrade", "");
        pending.labels.insert(RUN_LABEL.into(), "7".into());
        situation.scenario.set_record(pending);
    })
    .plan();
    let (unlock, release) = (StepId::Unlock(ReleaseRole::App), StepId::Release(ReleaseRole::App));
    assert_eq!(ids(&plan), [StepId::Served, StepId::Record, unlock, release, StepId::Validate]);
    assert!(step(&plan, unlock).reason.contains("run 7"));
    assert_eq!(refusals(&plan), [""; 0]);
}

#[test]
fn a_pending_release_of_another_client_is_refused() {
    let plan = Situation::with(|situation| {
        situation.scenario.set_record(release_record("mural", "1.1.0-rc.0", "pending-upgrade", ""));
    })
    .plan();
    assert!(refusals(&plan).contains(&"release-not-pending"));
    assert!(!ids(&plan).contains(&StepId::Unlock(ReleaseRole::App)));
}

#[test]
fn a_downgrade_is_refused_unless_it_is_allowed() {
    let plan = |allowed: bool| {
        Situation::with(|situation| {
            situation.scenario.set_record(release_record("mural", "1.2.0", "deployed", ""));
            situation.ask.allowed_actions.downgrade = allowed;
        })
        .plan()
    };
    assert!(refusals(&plan(false)).contains(&"no-downgrade"));
    assert!(!refusals(&plan(true)).contains(&"no-downgrade"));
}

#[test]
fn a_saved_plan_is_refused_if_the_cluster_changed_since() {
    let item =
        DriftItem { subject: crate::plan::drift::DriftSubject::Crd(HUBS.into()), change: "is gone".into(), hint: "" };
    let plan = Situation::with(|situation| situation.drift = Some(Ok(vec![item]))).plan();
    assert_eq!(refusals(&plan), ["no-drift"]);
}

#[test]
fn a_failed_release_is_upgraded_again_and_the_reason_names_it() {
    let plan = Situation::with(|situation| {
        situation.scenario.set_record(release_record("mural", "1.1.0-rc.3", "failed", ""));
    })
    .plan();
    assert!(step(&plan, StepId::Release(ReleaseRole::App)).reason.contains("1.1.0-rc.3 is failed"));
}

/// A run failed because of a Job. The operator deleted it: only a helm upgrade creates it again.
#[test]
fn a_deleted_job_of_a_failed_run_is_created_again() {
    let plan = |has_failed_release: bool| {
        Situation::with(|situation| {
            let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once"}, "spec": {}});
            let chart = rendered_chart("mural", "1.1.0-rc.3", vec![job]);
            let description = decide::build_description(&chart.fetched.digest);
            situation.charts.app = Some(chart);
            let record = release_record("mural", "1.1.0-rc.3", "deployed", "");
            situation.scenario.set_record(ReleaseRecord { description, ..record });
            situation.has_failed_release = has_failed_release;
        })
        .plan()
    };
    assert!(step(&plan(true), StepId::Release(ReleaseRole::App)).reason.contains("Job once failed"));
    assert_eq!(ids(&plan(false)), [], "drift of a live object is no action");
}

#[test]
fn the_same_observations_give_the_same_plan() {
    let plan =
        || serde_json::to_string(&Situation::with(|situation| situation.move_crd(extended_hubs())).plan()).unwrap();
    assert_eq!(plan(), plan());
}
