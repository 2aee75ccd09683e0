//! Backs up before the first write: CRDs, custom resources of kinds that change, and the revisions of the releases.
//!
//! Owns the selection, and the call of the operator's hook. Writing a backup is in `backup/`. helm's records contain values and
//! rendered Secrets: they stay in the cluster, and the backup refers to them by digest. Input: a plan. Output: a [`BackupRef`].

use crate::prepare::state_dir::{CHECKSUMS_FILE, compute_checksums};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};

use super::backup::create as keep;
use super::journal_writer::Journal;
use super::replaced_objects::back_up_replaced_objects;
use super::run_backup_error::RunBackupError;
use super::run_options::{BackupHook, BackupOptions, JournalOptions, RunOptions};
use crate::cluster::backup_folder::{BackupFileError, write_document};
use crate::cluster::backup_secrets::{BackupCopyError, delete_forgotten_copies, store_backup};
use crate::cluster::object_judge::can_affect_objects_either_way;
use crate::cluster::stored_fields::store_as;
use crate::model::backup_format::encode_file_name;
use crate::model::command::Call;
use crate::model::crd::Crd;
use crate::model::flux::FluxObject;
use crate::model::migration::outdated_stored_versions;
use crate::model::text_format::format_count;
use crate::plan::flux::FluxRoute;
use crate::plan::journal::{BackupCopy, BackupRef};
use crate::plan::value_hash::digest_json;
use crate::prepare::prepared::Prepared;
use crate::prepare::state_dir::cluster_state_dir;
use crate::problem::{Cause, Problem};
use crate::report::backup_report::format_bytes;
use crate::report::event::{Emit, Event};
use crate::tools::{program_paths, spawn};

/// Backups of the objects in older versions, one folder for each CRD and version.
const OLDER_VERSIONS_FOLDER: &str = "older-versions";
/// The records of the releases, by reference.
const RELEASES_FILE: &str = "releases.json";
/// The HelmReleases and their sources.
const FLUX_FILE: &str = "flux.json";

/// Backs up, records the backup in the journal, and runs the operator's hook.
///
/// # Errors
/// A refusal, because nothing is written yet: no folder, a full disk, a kind that cannot be read completely, or a failed hook.
pub async fn back_up_before_run(
    prepared: &Prepared,
    options: &RunOptions,
    journal_options: &JournalOptions,
    backup_options: &BackupOptions,
    journal: &Journal,
    emit: Emit<'_>,
) -> Result<(), Problem> {
    let began = Instant::now();
    let done = |detail: String| {
        emit(Event::StageDone { stage: "save", detail, seconds: began.elapsed().as_secs_f64() });
    };
    if let Some(before) = journal.earlier_backup().await {
        done(format!("the backup of the run that this one continues: {}:{}", before.host, before.folder));
        return Ok(());
    }
    let state = journal_options.state_dir.as_deref().ok_or_else(|| {
        RunBackupError::because("there is no folder for the backup: neither XDG_STATE_HOME nor HOME is set")
    })?;
    let folder = cluster_state_dir(state, &prepared.session.cluster.context).join(encode_file_name(&options.run_id));
    let mut backup = write_backup(prepared, options, &folder, emit).await?;
    done(format!("{}, {} in {}", backup.summarize(), format_bytes(backup.size_bytes), folder.display()));
    if let Some(hook) = &backup_options.hook
        && let Err(error) = run_hook(hook, prepared, options, &folder, emit).await
    {
        // It is not recorded, so no one would find this backup again. The next run makes a new one, and runs the hook again.
        let _ = std::fs::remove_dir_all(&folder);
        return Err(error.into());
    }
    let copy = copy_to_cluster(prepared, options, &folder, journal).await;
    done(describe_copy(&copy));
    backup.copy = copy.ok();
    Ok(journal.record_backup(backup, backup_options.hook.is_some(), emit).await?)
}

/// Backs up the CRDs that a run without a journal writes, with the objects that they can affect.
///
/// # Errors
/// As [`back_up_before_run`].
pub(super) async fn back_up_before_loss(
    prepared: &Prepared,
    options: &RunOptions,
    emit: Emit<'_>,
) -> Result<(), Problem> {
    let Some(state) = &options.loss_backup else { return Ok(()) };
    let began = Instant::now();
    let folder = cluster_state_dir(state, &prepared.session.cluster.context).join(encode_file_name(&options.run_id));
    let backup = write_backup(prepared, options, &folder, emit).await?;
    let detail = format!("{}, {} in {}", backup.summarize(), format_bytes(backup.size_bytes), folder.display());
    emit(Event::StageDone { stage: "save", detail, seconds: began.elapsed().as_secs_f64() });
    Ok(())
}

async fn write_backup(
    prepared: &Prepared,
    options: &RunOptions,
    folder: &Path,
    emit: Emit<'_>,
) -> Result<BackupRef, RunBackupError> {
    let BackupScope { with_objects: whole, without_objects: alone } = select_backup_scope(prepared);
    let index =
        keep::create_partial_backup(&prepared.session.cluster, &whole, &alone, folder, &options.stop, emit).await;
    let index = index?;
    if let Some((name, reason)) = index.crds.iter().find_map(|crd| Some((&crd.name, crd.read_failure.as_ref()?))) {
        return Err(RunBackupError::because(format!("not all objects of {name} could be read: {reason}")));
    }
    back_up_outdated_objects(prepared, options, folder, emit).await?;
    let replaced = back_up_replaced_objects(prepared, folder).await?;
    let releases = read_release_refs(prepared).await?;
    let unwritable = |error: BackupFileError| RunBackupError::because(error);
    write_document(folder, RELEASES_FILE, &releases).map_err(unwritable)?;
    if prepared.work.flux_routes().next().is_some() {
        write_document(folder, FLUX_FILE, &describe_flux_objects(prepared)).map_err(unwritable)?;
    }
    let of = folder.to_owned();
    let sums = tokio::task::spawn_blocking(move || compute_checksums(&of)).await;
    let (sums, bytes) = sums.map_err(RunBackupError::because)?.map_err(unwritable)?;
    write_document(folder, CHECKSUMS_FILE, &sums).map_err(unwritable)?;
    Ok(BackupRef {
        host: prepared.session.lease_watcher.identity.host.clone(),
        folder: folder.display().to_string(),
        digest: digest_json(&sums),
        size_bytes: bytes,
        crd_count: index.crds.len() as u64,
        object_count: index.crds.iter().map(|crd| crd.objects).sum::<u64>() + replaced,
        copy: None,
    })
}

/// Copies the folder to Secrets beside the journal, and deletes the copies of runs that the journal has forgotten.
async fn copy_to_cluster(
    prepared: &Prepared,
    options: &RunOptions,
    folder: &Path,
    journal: &Journal,
) -> Result<BackupCopy, BackupCopyError> {
    let (cluster, namespace) = (&prepared.session.cluster, &prepared.session.installation.namespace);
    let copy = store_backup(cluster, namespace, &options.run_id, folder).await?;
    delete_forgotten_copies(cluster, namespace, &journal.list_known_runs().await).await;
    Ok(copy)
}

/// Where the copy is. A run without one goes on: the folder has everything.
fn describe_copy(copy: &Result<BackupCopy, BackupCopyError>) -> String {
    match copy {
        Ok(copy) => format!("a copy in {}", format_count(copy.secrets, "Secret")),
        Err(error) => format!("no copy in the cluster: {error}"),
    }
}

/// The CRDs that a run writes.
struct BackupScope {
    /// With their objects: the change, or its rollback, can affect an object.
    with_objects: Vec<Crd>,
    /// The CRD only.
    without_objects: Vec<Crd>,
}

/// Backs up the objects to migrate once more, in each older version in which they may be stored: only there a field can be read that
/// the storage version does not have.
async fn back_up_outdated_objects(
    prepared: &Prepared,
    options: &RunOptions,
    folder: &Path,
    emit: Emit<'_>,
) -> Result<(), RunBackupError> {
    let live = prepared.session.view.crds.as_ref().ok();
    let migrations = prepared.plan.steps.iter().flat_map(|step| step.action.migrations());
    for crd in migrations.filter_map(|migration| live?.get(&migration.name)) {
        for version in outdated_stored_versions(crd) {
            let is_served = crd.versions().any(|one| one.served && one.name == version);
            let Some(stored) = store_as(crd, &version).filter(|_| is_served) else { continue };
            let into = folder.join(OLDER_VERSIONS_FOLDER).join(encode_file_name(&format!("{}-{version}", crd.name())));
            let index = keep::create_backup(&prepared.session.cluster, &[stored], &into, &options.stop, emit).await?;
            if let Some(reason) = index.crds.iter().find_map(|one| one.read_failure.as_ref()) {
                let text = format!("not all objects of {} could be read as {version}: {reason}", crd.name());
                return Err(RunBackupError::because(text));
            }
        }
    }
    Ok(())
}

fn select_backup_scope(prepared: &Prepared) -> BackupScope {
    let mut names: std::collections::BTreeSet<&str> = std::collections::BTreeSet::new();
    let mut migrated: Vec<&str> = Vec::new();
    for step in &prepared.plan.steps {
        names.extend(step.action.written_crds().iter().map(String::as_str));
        migrated.extend(step.action.migrations().iter().map(|one| one.name.as_str()));
    }
    // Other writers of CRDs: helm with a release, and Flux if the CRD chart's source changes.
    let by_flux = prepared.plan.steps.iter().any(|step| step.action.lets_flux_write_crds());
    let by_others = prepared
        .plan
        .crds
        .iter()
        .filter(|crd| crd.decision.needs_write() && (by_flux || crd.template_release.is_some()));
    names.extend(by_others.map(|crd| crd.name.as_str()));
    names.extend(&migrated);
    let live = prepared.session.view.crds.as_ref().ok();
    let (mut whole, mut alone) = (Vec::new(), Vec::new());
    for crd in names.into_iter().filter_map(|name| live?.get(name)) {
        let wanted = prepared.work.crds().get(crd.name());
        let hurts =
            migrated.contains(&crd.name()) || wanted.is_some_and(|wanted| can_affect_objects_either_way(crd, wanted));
        if hurts { whole.push(crd.clone()) } else { alone.push(crd.clone()) }
    }
    BackupScope { with_objects: whole, without_objects: alone }
}

/// The Flux objects of the releases. Values can be secret: the backup has their digest only. The release's record has the values.
fn describe_flux_objects(prepared: &Prepared) -> Value {
    let one = |object: &Value| {
        let mut spec = object["spec"].clone();
        if let Some(values) = spec.get_mut("values") {
            *values = json!({"sha256": digest_json(values)});
        }
        json!({"apiVersion": object["apiVersion"], "kind": object["kind"], "spec": spec,
            "metadata": {"namespace": object["metadata"]["namespace"], "name": object["metadata"]["name"]}})
    };
    let of = |route: &FluxRoute| {
        let behind =
            route.source.iter().filter(|source| route.chart.as_ref().is_none_or(|chart| chart.uid() != source.uid()));
        let sources = route.chart.iter().chain(behind).map(|source| one(source.json()));
        std::iter::once(one(route.helm_release.json())).chain(sources).collect::<Vec<_>>()
    };
    Value::Array(prepared.work.flux_routes().flat_map(of).collect())
}

/// The record of each release by uid and digest. No content is copied.
async fn read_release_refs(prepared: &Prepared) -> Result<Value, RunBackupError> {
    let installation = &prepared.session.installation;
    let mut all = Vec::new();
    for release in [&installation.crds_release, &installation.app_release] {
        let Ok(Some(newest)) = prepared.session.view.newest_revision(release) else { continue };
        let name = format!("sh.helm.release.v1.{release}.v{}", newest.revision);
        let path = format!("/api/v1/namespaces/{}/secrets/{name}", installation.namespace);
        let secret = prepared.session.cluster.get(&path).await.map_err(RunBackupError::because)?;
        all.push(json!({"release": release, "revision": newest.revision, "status": newest.status,
            "chartVersion": newest.chart_version, "secret": name, "uid": secret["metadata"]["uid"],
            "sha256": digest_json(&secret["data"]["release"])}));
    }
    Ok(Value::Array(all))
}

/// Runs the operator's program. The environment tells it the folder of the backup and the run.
async fn run_hook(
    hook: &BackupHook,
    prepared: &Prepared,
    options: &RunOptions,
    folder: &Path,
    emit: Emit<'_>,
) -> Result<(), RunBackupError> {
    let began = Instant::now();
    let failed = |cause| RunBackupError::Hook { program: hook.program.clone(), cause };
    let program: PathBuf =
        program_paths::find_program(&hook.program).ok_or_else(|| failed(Cause::new("there is no such program")))?;
    let mut call = Call::new(&hook.program, program, options.timeout).args(&hook.args);
    let env = [
        ("MURAL_RUN", options.run_id.clone()),
        ("MURAL_BACKUP", folder.display().to_string()),
        ("MURAL_CONTEXT", prepared.session.cluster.context.clone()),
        ("MURAL_NAMESPACE", prepared.session.installation.namespace.clone()),
    ];
    call.env.extend(env.map(|(key, value)| (key.into(), value.into())));
    spawn::run_until(call, options.stop.clone()).await.map_err(|error| failed(Cause::new(error)))?;
    let (detail, seconds) = (format!("{} ended well", hook.program), began.elapsed().as_secs_f64());
    emit(Event::StageDone { stage: "save-hook", detail, seconds });
    Ok(())
}
