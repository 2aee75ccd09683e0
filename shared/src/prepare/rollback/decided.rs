//! Steps without a chart, guarded, and put into the form that every run has.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::ask::Ask;
use crate::ask::expect::Expect;
use crate::cluster::{application, around, grants};
use crate::model::check::Checked;
use crate::model::crd::Crd;
use crate::model::dry_run::ServerAnswer;
use crate::model::secret::{Hidden, Secrets};
use crate::model::view::{ClusterView, NotSeen};
use crate::plan::flux::Ways;
use crate::plan::needs::{Work, Written, needs};
use crate::plan::{API_VERSION, Action, Plan, Step, order};
use crate::prepare::judge;
use crate::prepare::picture;
use crate::prepare::render::Rendered;
use crate::prepare::rollback::Undone;
use crate::prepare::{Bare, Prepared, Surroundings};
use crate::problem::Problem;

/// What was decided.
pub(crate) struct Made {
    pub(crate) steps: Vec<Step>,
    pub(crate) wanted: BTreeMap<String, Crd>,
    pub(crate) forecasts: BTreeMap<String, ServerAnswer>,
    pub(crate) guards: &'static [&'static str],
    pub(crate) undone: Option<Undone>,
}

/// Guards it, and puts it into the form that every run has.
pub(crate) async fn finished(ask: Ask, around: Surroundings, bare: Bare, mut made: Made) -> Result<Prepared, Problem> {
    order::check(&made.steps)
        .map_err(|error| Problem::failed("the plan breaks a rule of its own: please report this").because(error))?;
    made.steps = commands(&ask, &bare, made.steps);
    let nothing = Expect::default();
    let picture = picture::picture(&bare.cluster, &ask.installation, &bare.view, &nothing);
    let (plan, vitals) = tokio::join!(planned(&ask, &bare, &made), picture);
    let Made { wanted, undone, .. } = made;
    let world = match &undone {
        Some(undone) => Ok(undone.world.clone()),
        None => Err(NotSeen { what: "a world".to_owned(), reason: "none is kept of a repair".to_owned() }),
    };
    let leaving = undone.as_ref().map(|undone| undone.statement.kept.clone()).unwrap_or_default();
    let Bare { helm, kubectl, tools, cluster, turn, view, private, .. } = bare;
    Ok(Prepared {
        ask,
        cluster,
        helm,
        kubectl,
        tools,
        secrets: secrets(&view),
        view,
        vitals: Some(vitals),
        crds: None,
        app: None,
        wanted,
        leaving,
        plan,
        flux: Ways::default(),
        manifests: Hidden::new(Vec::new()),
        config: Hidden::new(Value::Object(Map::new())),
        world,
        follows: None,
        resumes: false,
        back: undone,
        turn,
        around,
        private: Some(private),
    })
}

async fn planned(ask: &Ask, bare: &Bare, made: &Made) -> Plan {
    Plan {
        api_version: API_VERSION,
        kind: "UpgradePlan",
        hub: bare.view.hub.clone(),
        mode: ask.mode,
        locks: bare.locks.clone(),
        charts: Vec::new(),
        crds: Vec::new(),
        objects: Vec::new(),
        values: Vec::new(),
        guards: guarded(ask, bare, made).await,
        steps: made.steps.clone(),
        left_alone: Vec::new(),
    }
}

async fn guarded(ask: &Ask, bare: &Bare, made: &Made) -> Vec<Checked> {
    let grants = granted(ask, bare, &made.steps, &made.forecasts).await;
    let config = Hidden::new(Value::Object(Map::new()));
    let rendered = Rendered { crds: None, app: None, wanted: made.wanted.clone(), config };
    let surroundings = around::look(&bare.cluster, &ask.installation.namespace, &BTreeSet::new()).await;
    let forecast = judge::Forecast {
        forecasts: made.forecasts.clone(),
        verdicts: BTreeMap::new(),
        waiver_notes: Vec::new(),
        application: None,
        surroundings,
        record_sizes: Vec::new(),
        grants,
        images: None,
        token_ends: bare.cluster.token_ends,
        bundle: None,
        signatures: Vec::new(),
    };
    let seen = judge::Facets {
        view: &bare.view,
        tools: &bare.tools,
        helm_sees: bare.helm_sees.clone(),
        kubectl_sees: bare.kubectl_sees.clone(),
        forecast,
        locks: bare.locks.clone(),
        journal: &bare.journal,
        unproved: false,
        moved: None,
        flux: &Ways::default(),
    };
    judge::guards(ask, &seen, &rendered, made.guards)
}

/// Every secret text that the stored values hold.
fn secrets(view: &ClusterView) -> Secrets {
    let records = view.releases.values().filter_map(|records| records.as_ref().ok()).flatten();
    let values: Vec<&Value> = records.map(|record| record.config.reveal()).collect();
    Secrets::of(&values, &[])
}

/// The exact command of each step that runs one.
fn commands(ask: &Ask, bare: &Bare, steps: Vec<Step>) -> Vec<Step> {
    let one = |mut step: Step| {
        step.command = match &step.action {
            Action::KeepCrds { names } => bare.kubectl.keep_call(names, ask.timeout).shown(),
            Action::UnkeepCrds { names } => bare.kubectl.unkeep_call(names, ask.timeout).shown(),
            Action::RestoreCrds { .. } => bare.kubectl.apply_call(ask.timeout).shown(),
            Action::RollbackRelease { release, revision, wait } => {
                let (revision, wait, timeout) = (*revision, *wait, ask.timeout);
                let back = crate::tools::helm::Rollback { release, revision, wait, timeout, passed: ask.helm.words() };
                bare.helm.rollback_call(&back).shown()
            }
            _ => Vec::new(),
        };
        step
    };
    steps.into_iter().map(one).collect()
}

async fn granted(
    ask: &Ask,
    bare: &Bare,
    steps: &[Step],
    forecasts: &BTreeMap<String, ServerAnswer>,
) -> crate::model::grants::Grants {
    let writes_crds = steps.iter().any(|step| {
        matches!(
            step.action,
            Action::RestoreCrds { .. }
                | Action::KeepCrds { .. }
                | Action::UnkeepCrds { .. }
                | Action::MigrateObjects { .. }
        )
    });
    let app = steps.iter().find_map(|step| match &step.action {
        Action::RollbackRelease { release, revision, wait: true } => manifests(&bare.view, release, *revision),
        _ => None,
    });
    let kinds = if app.is_some() { application::kinds(&bare.cluster).await.ok() } else { None };
    let judged: Vec<&Crd> = forecasts.values().filter_map(|answer| answer.as_ref().ok()).collect();
    let work = Work {
        namespace: &ask.installation.namespace,
        crds: if writes_crds { Written::Changed } else { Written::None },
        app: app.as_ref().map(|(old, new)| (old.as_slice(), new.as_slice())),
        judged: &judged,
        kinds: kinds.as_ref(),
        brought: &[],
        patched: &[],
    };
    grants::look(&bare.cluster, &needs(&work)).await
}

/// The objects that are there and those that helm goes back to.
fn manifests(view: &ClusterView, release: &str, revision: u64) -> Option<(Vec<Value>, Vec<Value>)> {
    let records = view.releases.get(release)?.as_ref().ok()?;
    let target = records.iter().find(|record| record.revision == revision)?;
    let newest = records.last()?;
    Some((newest.objects().ok()?, target.objects().ok()?))
}
