//! A copy of what is there before the first write: CRDs, custom resources of the kinds that change, and which revisions the
//! releases have. helm's records, which hold values and rendered Secrets, stay in the cluster and are named by digest.

use crate::prepare::state_dir::{SUMS, sums};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};

use super::Manner;
use super::journal::{Journal, Keeping};
use super::keep::save as keep;
use crate::cluster::objects::either_way;
use crate::cluster::snapshot::{FileError, put_beside};
use crate::model::crd::Crd;
use crate::model::flux::FluxObject;
use crate::model::kept::file_name;
use crate::plan::Action;
use crate::plan::flux::FluxWay;
use crate::plan::journal::SavedCopy;
use crate::plan::seal::digest;
use crate::prepare::Prepared;
use crate::prepare::state_dir::folder_of;
use crate::problem::{Exit, Problem};
use crate::report::event::{Emit, Event};
use crate::report::keep::bytes;
use crate::tools::call::Call;
use crate::tools::{find, spawn};

/// The releases, by reference.
const RELEASES: &str = "releases.json";
/// The HelmReleases and their sources.
const FLUX: &str = "flux.json";

/// What is saved, besides what always is.
#[derive(Debug, Clone, Default)]
pub struct SaveAsked {
    /// A program of the operator's that saves more; it must end with 0.
    pub hook: Option<Hook>,
}

/// `--save-hook PROGRAM --save-hook-args ARGUMENT …`: no shell stands in between.
#[derive(Debug, Clone)]
pub struct Hook {
    /// The program.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
}

/// Saves, notes it in the journal, and lets the operator's own program save more.
///
/// # Errors
/// A refusal, since nothing is written yet: there is no place, it is full, a kind cannot be read whole, or the hook fails.
pub async fn save(
    prepared: &Prepared,
    manner: &Manner,
    keeping: &Keeping,
    asked: &SaveAsked,
    journal: &Journal,
    emit: Emit<'_>,
) -> Result<(), Problem> {
    let began = Instant::now();
    let done = |detail: String| {
        emit(Event::StageDone { stage: "save", detail, seconds: began.elapsed().as_secs_f64() });
    };
    if let Some(before) = journal.has_saved().await {
        done(format!("what was there before the run that this one goes on from: {}:{}", before.host, before.folder));
        return Ok(());
    }
    let state = keeping
        .state
        .as_deref()
        .ok_or_else(|| not_saved("there is no folder for it: neither XDG_STATE_HOME nor HOME is set".to_owned()))?;
    let folder = folder_of(state, &prepared.cluster.context).join(file_name(&manner.run));
    let copy = written(prepared, manner, &folder, emit).await?;
    let (crds, objects) = (copy.crds, copy.objects);
    let detail = format!("{crds} CRDs, {objects} objects, {} in {}", bytes(copy.bytes), folder.display());
    done(detail);
    if let Some(hook) = &asked.hook
        && let Err(problem) = hooked(hook, prepared, manner, &folder, emit).await
    {
        // Not noted, so that the next run saves anew, and asks the hook anew: nobody would find this copy again.
        let _ = std::fs::remove_dir_all(&folder);
        return Err(problem);
    }
    journal.saved(copy, asked.hook.is_some(), emit).await
}

fn not_saved(reason: String) -> Problem {
    Problem::new(Exit::Refused, "what is there could not be saved; nothing was written")
        .because(reason)
        .hint("mend that, or name another place with XDG_STATE_HOME")
        .hint("--no-save goes on without a copy: CRDs can then not go back")
}

async fn written(prepared: &Prepared, manner: &Manner, folder: &Path, emit: Emit<'_>) -> Result<SavedCopy, Problem> {
    let Touched { whole, alone } = touched(prepared);
    let index = keep::save_some(&prepared.cluster, &whole, &alone, folder, &manner.stop, emit).await;
    let index = index.map_err(|problem| match problem.exit {
        Exit::Failed => {
            let causes = std::iter::once(problem.message.clone()).chain(problem.causes());
            not_saved(causes.collect::<Vec<_>>().join("\n"))
        }
        _ => problem,
    })?;
    if let Some((name, reason)) = index.crds.iter().find_map(|crd| Some((&crd.name, crd.unread.as_ref()?))) {
        return Err(not_saved(format!("the objects of {name} could not all be read: {reason}")));
    }
    let releases = releases(prepared).await?;
    let unwritable = |error: FileError| not_saved(error.to_string());
    put_beside(folder, RELEASES, &releases).map_err(unwritable)?;
    if prepared.flux.all().next().is_some() {
        put_beside(folder, FLUX, &flux(prepared)).map_err(unwritable)?;
    }
    let of = folder.to_owned();
    let sums = tokio::task::spawn_blocking(move || sums(&of)).await;
    let (sums, bytes) = sums.map_err(|error| not_saved(error.to_string()))?.map_err(unwritable)?;
    put_beside(folder, SUMS, &sums).map_err(unwritable)?;
    Ok(SavedCopy {
        host: prepared.turn.claim.host.clone(),
        folder: folder.display().to_string(),
        digest: digest(&sums),
        bytes,
        crds: index.crds.len() as u64,
        objects: index.crds.iter().map(|crd| crd.objects).sum(),
    })
}

/// What a run writes to, as far as it can be saved.
struct Touched {
    /// With their objects: the change, or going back from it, could hurt one.
    whole: Vec<Crd>,
    /// Alone.
    alone: Vec<Crd>,
}

fn touched(prepared: &Prepared) -> Touched {
    let mut names: std::collections::BTreeSet<&str> = std::collections::BTreeSet::new();
    let mut moved: Vec<&str> = Vec::new();
    for step in &prepared.plan.steps {
        match &step.action {
            Action::ApplyCrds { names: of } | Action::KeepCrds { names: of } | Action::RestoreCrds { names: of } => {
                names.extend(of.iter().map(String::as_str));
            }
            Action::MigrateObjects { crds } => moved.extend(crds.iter().map(|one| one.name.as_str())),
            _ => {}
        }
    }
    // Who else writes CRDs: helm with a release, and Flux, where the CRD chart's source moves.
    let by_flux = prepared.plan.steps.iter().any(|step| matches!(step.action, Action::MoveSource { crds: true, .. }));
    let by_others =
        prepared.plan.crds.iter().filter(|crd| crd.decision.writes() && (by_flux || crd.with_release.is_some()));
    names.extend(by_others.map(|crd| crd.name.as_str()));
    names.extend(&moved);
    let live = prepared.view.crds.as_ref().ok();
    let (mut whole, mut alone) = (Vec::new(), Vec::new());
    for crd in names.into_iter().filter_map(|name| live?.get(name)) {
        let wanted = prepared.wanted.get(crd.name());
        let hurts = moved.contains(&crd.name()) || wanted.is_some_and(|wanted| either_way(crd, wanted));
        if hurts { whole.push(crd.clone()) } else { alone.push(crd.clone()) }
    }
    Touched { whole, alone }
}

/// The Flux objects that keep the releases. Values may hold secrets: only their digest is kept, the release's record has them.
fn flux(prepared: &Prepared) -> Value {
    let one = |object: &Value| {
        let mut spec = object["spec"].clone();
        if let Some(values) = spec.get_mut("values") {
            *values = json!({"sha256": digest(values)});
        }
        json!({"apiVersion": object["apiVersion"], "kind": object["kind"], "spec": spec,
            "metadata": {"namespace": object["metadata"]["namespace"], "name": object["metadata"]["name"]}})
    };
    let of = |way: &FluxWay| {
        let behind =
            way.source.iter().filter(|source| way.chart.as_ref().is_none_or(|chart| chart.uid() != source.uid()));
        let sources = way.chart.iter().chain(behind).map(|source| one(source.json()));
        std::iter::once(one(way.helm_release.json())).chain(sources).collect::<Vec<_>>()
    };
    Value::Array(prepared.flux.all().flat_map(of).collect())
}

/// Which record each release has, by reference: uid and digest tell it again, and nothing of what is in it is copied.
async fn releases(prepared: &Prepared) -> Result<Value, Problem> {
    let installation = &prepared.ask.installation;
    let mut all = Vec::new();
    for release in [&installation.crds_release, &installation.app_release] {
        let Ok(Some(newest)) = prepared.view.newest(release) else { continue };
        let name = format!("sh.helm.release.v1.{release}.v{}", newest.revision);
        let path = format!("/api/v1/namespaces/{}/secrets/{name}", installation.namespace);
        let secret = prepared.cluster.get(&path).await.map_err(|error| not_saved(error.to_string()))?;
        all.push(json!({"release": release, "revision": newest.revision, "status": newest.status,
            "chartVersion": newest.chart_version, "secret": name, "uid": secret["metadata"]["uid"],
            "sha256": digest(&secret["data"]["release"])}));
    }
    Ok(Value::Array(all))
}

/// Runs the operator's own program: it is told where the copy is, and what is about to be done.
async fn hooked(
    hook: &Hook,
    prepared: &Prepared,
    manner: &Manner,
    folder: &Path,
    emit: Emit<'_>,
) -> Result<(), Problem> {
    let began = Instant::now();
    let failed = |reason: String| {
        Problem::new(Exit::Refused, format!("--save-hook {} failed; nothing was written", hook.program))
            .because(reason)
            .hint("mend it and run the same command again; without --save-hook there is our own copy alone")
    };
    let program: PathBuf = find::any(&hook.program).ok_or_else(|| failed("there is no such program".to_owned()))?;
    let mut call = Call::new(&hook.program, program, manner.timeout).args(&hook.args);
    let told = [
        ("MURAL_RUN", manner.run.clone()),
        ("MURAL_SAVED", folder.display().to_string()),
        ("MURAL_CONTEXT", prepared.cluster.context.clone()),
        ("MURAL_NAMESPACE", prepared.ask.installation.namespace.clone()),
    ];
    call.env.extend(told.map(|(key, value)| (key.into(), value.into())));
    spawn::run_until(call, manner.stop.clone()).await.map_err(|error| failed(error.to_string()))?;
    let (detail, seconds) = (format!("{} ended well", hook.program), began.elapsed().as_secs_f64());
    emit(Event::StageDone { stage: "save-hook", detail, seconds });
    Ok(())
}
