//! From what was seen to the plan: asks every guard, judges every CRD, decides the steps. Touches nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::ask::{Ask, StoredValues};
use crate::checks::crd_changes::CrdVerdict;
use crate::checks::crd_changes::waivers::Note;
use crate::diff;
use crate::guards;
use crate::guards::context::{Admission, ChartFacts};
use crate::guards::helm_would_delete_crds;
use crate::model::application::Application;
use crate::model::around::Around;
use crate::model::check::Checked;
use crate::model::content::Bundle;
use crate::model::crd::Crd;
use crate::model::dry_run::ServerAnswer;
use crate::model::grants::Grants;
use crate::model::images::ImagesSeen;
use crate::model::lease::LockSeen;
use crate::model::owner::Owner;
use crate::model::pending::{RUN_LABEL, cut_off_run};
use crate::model::release::ReleaseRecord;
use crate::model::signature::Signature;
use crate::model::tools::ToolsSeen;
use crate::model::view::{ClusterView, Looked};
use crate::model::yaml;
use crate::model::yaml::Quote;
use crate::plan::decide::{ChartState, Facts};
use crate::plan::drift::Moved;
use crate::plan::flux::Ways;
use crate::plan::journal::JournalSeen;
use crate::plan::{
    API_VERSION, ChartMove, CrdPlan, LeftAlone, ObjectChange, Plan, Step, ValueChange, bridge, crds, decide, objects,
    order,
};
use crate::prepare::render::{Rendered, Side};
use crate::problem::Problem;
use crate::tools::helm::{Helm, Upgrade};
use crate::tools::kubectl::Kubectl;

/// What the server says of everything that would be written, and what stands around it.
pub struct Forecast {
    /// The server's word on every CRD of the charts.
    pub forecasts: BTreeMap<String, ServerAnswer>,
    /// What each CRD's change does, to its live objects too.
    pub verdicts: BTreeMap<String, CrdVerdict>,
    /// What is wrong with the waivers.
    pub waiver_notes: Vec<Note>,
    /// What is known of the application's objects; none where it does not move.
    pub application: Option<Application>,
    /// What surrounds the installation.
    pub surroundings: Around,
    /// The bytes of each next record, where it is large enough to matter.
    pub record_sizes: Vec<(String, Option<usize>)>,
    /// What is granted.
    pub grants: Grants,
    /// What registries say of new images.
    pub images: ImagesSeen,
    /// When the token of this login ends, where it says so.
    pub token_ends: Option<Timestamp>,
    /// What the content bundle holds; none where none was named.
    pub bundle: Option<Looked<Bundle>>,
    /// What was said of the charts' signatures; empty where none is asked for.
    pub signatures: Vec<Signature>,
}

/// All that was seen.
pub struct Facets<'a> {
    /// The cluster.
    pub view: &'a ClusterView,
    /// helm's and kubectl's versions.
    pub tools: &'a ToolsSeen,
    /// The uid of `kube-system` as helm sees it.
    pub helm_sees: Looked<String>,
    /// The uid of `kube-system` as kubectl sees it.
    pub kubectl_sees: Looked<String>,
    /// What the server says, and what stands around.
    pub forecast: Forecast,
    /// Who holds a lock.
    pub locks: Looked<Vec<LockSeen>>,
    /// The journal of earlier runs.
    pub journal: &'a Looked<JournalSeen>,
    /// Whether a run that is gone on from has applied CRDs and not proved them.
    pub unproved: bool,
    /// What has moved since a saved plan was made, or a run cut off; none where neither is followed.
    pub moved: Option<Looked<Vec<Moved>>>,
    /// The way through Flux; empty where Flux makes none of the releases.
    pub flux: &'a Ways,
}

/// Makes the commands that a plan shows.
#[derive(Clone, Copy)]
pub struct Commands<'a> {
    /// What is asked for.
    pub ask: &'a Ask,
    /// helm.
    pub helm: &'a Helm,
    /// kubectl.
    pub kubectl: &'a Kubectl,
    /// The run's id.
    pub run: &'a str,
}

impl Commands<'_> {
    fn upgrade(self, state: &State<'_>, is_crds: bool) -> Vec<String> {
        let (description, label) = (decide::description(&state.moves.digest), label(self.run));
        let upgrade = upgrade(self.ask, state.side, is_crds, &description, &label);
        let mut words = self.helm.upgrade_call(&upgrade).shown();
        // The private file's name says nothing to a person: the chart is named as they named it.
        if let Some(chart) = words.get_mut(3) {
            chart.clone_from(&state.moves.chart);
        }
        words
    }
}

/// Makes the plan.
///
/// # Errors
/// The stored manifest of a release is not readable, or the steps break a rule of their own order, which is a defect of ours.
pub fn plan(commands: Commands<'_>, seen: &Facets<'_>, rendered: &Rendered) -> Result<Plan, Problem> {
    let ask = commands.ask;
    let guards = guards::ask_all(&admission(ask, seen, rendered));
    let crds = judged_crds(ask, seen, rendered);
    let config = Some(rendered.config.reveal());
    let crds_chart = rendered.crds.as_ref().map(|side| State::new(ask, seen.view, side, true, None));
    let app = rendered.app.as_ref().map(|side| State::new(ask, seen.view, side, false, config));
    let states = [crds_chart.transpose()?, app.transpose()?];
    let (steps, left_alone) = decided(commands, seen, rendered, &states, &crds)?;
    let charts = states.iter().flatten().map(|state| state.moves.clone()).collect();
    let [_, app] = states;
    let (objects, values) = app.map_or_else(Default::default, |state| (state.objects, state.values));
    Ok(Plan {
        api_version: API_VERSION,
        kind: "UpgradePlan",
        hub: seen.view.hub.clone(),
        mode: ask.mode,
        locks: seen.locks.clone(),
        charts,
        crds,
        objects,
        values,
        guards,
        steps,
        left_alone,
    })
}

/// Asks these guards alone.
pub(crate) fn guards(ask: &Ask, seen: &Facets<'_>, rendered: &Rendered, ids: &[&str]) -> Vec<Checked> {
    let all = guards::ask_all(&admission(ask, seen, rendered));
    all.into_iter().filter(|guard| ids.contains(&guard.check)).collect()
}

/// The steps in their order, and what is left alone.
fn decided(
    commands: Commands<'_>,
    seen: &Facets<'_>,
    rendered: &Rendered,
    [crds_chart, app]: &[Option<State<'_>>; 2],
    crds: &[CrdPlan],
) -> Result<(Vec<Step>, Vec<LeftAlone>), Problem> {
    let Commands { ask, kubectl, .. } = commands;
    let keep = kept(ask, seen, rendered);
    let migrate = bridge::migrations(&live(seen.view), &rendered.wanted, ask.allowed.migrate);
    let decided = decide::decide(&Facts {
        crds_chart: crds_chart.as_ref().map(|state| state.facts(commands.upgrade(state, true))),
        app: app.as_ref().map(|state| state.facts(commands.upgrade(state, false))),
        crds,
        keep: &keep,
        migrate: &migrate,
        keep_command: kubectl.keep_call(&keep, ask.timeout).shown(),
        apply_command: kubectl.apply_call(ask.timeout).shown(),
        flux: seen.flux.any().then_some(seen.flux),
        unproved: seen.unproved,
    });
    order::check(&decided.0)
        .map_err(|error| Problem::failed("the plan breaks a rule of its own: please report this").because(error))?;
    Ok(decided)
}

fn judged_crds(ask: &Ask, seen: &Facets<'_>, rendered: &Rendered) -> Vec<CrdPlan> {
    let (gone, templates) = (gone(ask, seen.view, rendered), rendered.with_release(ask));
    crds::judge(&live(seen.view), &seen.forecast.forecasts, &seen.forecast.verdicts, &gone, &templates)
}

/// Live CRDs that leave the manifest of a release in this run, marked or not.
#[must_use]
pub fn leaving(ask: &Ask, seen: &Facets<'_>, rendered: &Rendered) -> Vec<String> {
    let all = helm_would_delete_crds::leaving(&admission(ask, seen, rendered)).unwrap_or_default();
    all.into_iter().map(|(name, _)| name).collect()
}

/// CRDs that helm would delete in this run and that are to be kept, by name; none where it cannot be told, which the guard says.
fn kept(ask: &Ask, seen: &Facets<'_>, rendered: &Rendered) -> Vec<String> {
    if !ask.allowed.keep_crds {
        return Vec::new();
    }
    helm_would_delete_crds::would_delete(&admission(ask, seen, rendered))
        .unwrap_or_default()
        .into_iter()
        .map(|(name, _)| name)
        .collect()
}

fn live(view: &ClusterView) -> BTreeMap<String, Crd> {
    view.crds.as_ref().cloned().unwrap_or_default()
}

fn facts<'a>(side: &'a Side, release: &'a str) -> ChartFacts<'a> {
    ChartFacts {
        release,
        reference: side.fetched.reference.to_string(),
        chart: &side.fetched.chart,
        digest: &side.fetched.digest,
        rendered: &side.rendered,
        schema_refusals: &side.schema_refusals,
        not_forecast: side.not_forecast.as_deref(),
    }
}

fn admission<'a>(ask: &'a Ask, seen: &'a Facets<'_>, rendered: &'a Rendered) -> Admission<'a> {
    let installation = &ask.installation;
    Admission {
        view: seen.view,
        mode: ask.mode,
        helm: seen.tools.helm.clone(),
        kubectl: seen.tools.kubectl.clone(),
        helm_sees: seen.helm_sees.clone(),
        kubectl_sees: seen.kubectl_sees.clone(),
        crds_release: &installation.crds_release,
        app_release: &installation.app_release,
        crds: rendered.crds.as_ref().map(|side| facts(side, &installation.crds_release)),
        app: rendered.app.as_ref().map(|side| facts(side, &installation.app_release)),
        forecasts: &seen.forecast.forecasts,
        verdicts: &seen.forecast.verdicts,
        waiver_notes: &seen.forecast.waiver_notes,
        locks: &seen.locks,
        application: seen.forecast.application.as_ref(),
        around: &seen.forecast.surroundings,
        record_sizes: &seen.forecast.record_sizes,
        grants: &seen.forecast.grants,
        images: seen.forecast.images.as_ref(),
        token_ends: seen.forecast.token_ends,
        bundle: seen.forecast.bundle.as_ref(),
        signatures: &seen.forecast.signatures,
        now: Timestamp::now(),
        timeout: ask.timeout,
        config: &rendered.config,
        server_asked: ask.server_dry_runs,
        allowed: ask.allowed,
        journal: seen.journal,
        moved: seen.moved.as_ref(),
        flux: seen.flux,
    }
}

/// CRDs that the CRD chart's release had and its new chart has not.
pub(crate) fn gone(ask: &Ask, view: &ClusterView, rendered: &Rendered) -> Vec<String> {
    if rendered.crds.is_none() {
        return Vec::new();
    }
    let record = view.newest(&ask.installation.crds_release).ok().flatten();
    let had = record.map(|record| record.crds.clone()).unwrap_or_default();
    had.into_iter().filter(|name| !rendered.wanted.contains_key(name)).collect()
}

/// One chart's way, with what it changes.
struct State<'a> {
    moves: ChartMove,
    record: Option<&'a ReleaseRecord>,
    cut_off: Option<&'a str>,
    side: &'a Side,
    objects: Vec<ObjectChange>,
    values: Vec<ValueChange>,
}

impl<'a> State<'a> {
    fn new(
        ask: &Ask,
        view: &'a ClusterView,
        side: &'a Side,
        is_crds: bool,
        config: Option<&Value>,
    ) -> Result<Self, Problem> {
        let release = if is_crds { &ask.installation.crds_release } else { &ask.installation.app_release };
        let record = view.newest(release).ok().flatten();
        let records = view.releases.get(release).and_then(|records| records.as_ref().ok());
        let cut_off = records.and_then(|records| cut_off_run(records));
        // helm compares with the deployed revision, also where a failed one is newer.
        let compared = view.current(release).ok().flatten();
        let moves = ChartMove {
            release: release.clone(),
            owner: view.owners.get(release).cloned().unwrap_or(Owner::Nobody),
            from: record.map(|record| record.chart_version.clone()),
            revision: record.map(|record| record.revision),
            to: side.fetched.chart.version.to_string(),
            chart: side.fetched.reference.to_string(),
            digest: side.fetched.digest.clone(),
        };
        let objects = objects::changes(&ask.installation.namespace, &stored(compared)?, &side.kept());
        let values = match (config, record) {
            (Some(next), Some(record)) => diff::values::changes(record.config.reveal(), next),
            _ => Vec::new(),
        };
        Ok(Self { moves, record, cut_off, side, objects, values })
    }

    fn facts(&self, command: Vec<String>) -> ChartState<'_> {
        let (record, cut_off) = (self.record, self.cut_off);
        ChartState { moves: &self.moves, record, cut_off, command, objects: &self.objects, values: &self.values }
    }
}

fn stored(record: Option<&ReleaseRecord>) -> Result<Vec<Value>, Problem> {
    let Some(record) = record else { return Ok(Vec::new()) };
    yaml::documents(record.manifest.reveal(), Quote::Nothing).map_err(|error| {
        Problem::failed(format!(
            "the stored manifest of release {} revision {} is not readable",
            record.name, record.revision
        ))
        .because(error)
    })
}

/// The label that a release of ours carries.
#[must_use]
pub fn label(run: &str) -> String {
    format!("{RUN_LABEL}={run}")
}

/// How a release is written: the CRD chart's is only recorded, the application's is waited for.
#[must_use]
pub fn upgrade<'a>(ask: &'a Ask, side: &'a Side, is_crds: bool, description: &'a str, label: &'a str) -> Upgrade<'a> {
    let stored_values = match ask.values.stored {
        _ if is_crds => None,
        StoredValues::HelmDefault => None,
        StoredValues::Reuse => Some("--reuse-values"),
        StoredValues::Reset => Some("--reset-values"),
        StoredValues::ResetThenReuse => Some("--reset-then-reuse-values"),
    };
    let mut passed = ask.helm.words();
    // The CRD chart is only recorded: what stands in it is applied by us.
    passed.extend(if is_crds { Vec::new() } else { ask.helm.post_renderer_words() });
    Upgrade {
        release: if is_crds { &ask.installation.crds_release } else { &ask.installation.app_release },
        chart: &side.fetched.file,
        values: if is_crds { &[] } else { &ask.values.flags },
        stored_values,
        description,
        label,
        install: is_crds,
        take_ownership: ask.allowed.take_ownership,
        wait: !is_crds,
        timeout: ask.timeout,
        passed,
    }
}
