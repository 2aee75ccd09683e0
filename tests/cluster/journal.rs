//! The journal: `status` shows an interrupted run, another workstation can resume it, unreadable or foreign runs are
//! refused, and no write happens without a backup.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mural::plan::journal::{JournalSnapshot, RunEntry, build_secret, parse_journal};
use mural_tests::audit;
use mural_tests::sandbox::User;
use serde_json::Value;

use crate::Test;
use crate::lock::{lock_names, newer_flags};
use crate::refusals::upgrade;
use crate::small::{self, CANARY, NAMESPACE};
use crate::stop_signals::interrupt_at;
use crate::test_cluster::{CommandOutput, TestCluster};

pub const TESTS: &[Test] = &[
    ("journal::interrupted_and_resumed_from_another_workstation", interrupted_and_resumed_from_another_workstation),
    ("journal::unreadable_runs_are_refused", unreadable_runs_are_refused),
    ("journal::no_backup_no_write", no_backup_no_write),
];

/// The journal's Secret, if it exists.
pub fn read_journal_secret(test_cluster: &TestCluster) -> Result<Option<Value>> {
    let list =
        test_cluster.get(&["secrets", "--namespace", NAMESPACE, "--field-selector", "metadata.name=mural-journal"])?;
    Ok(list["items"].as_array().and_then(|items| items.first().cloned()))
}

/// The parsed journal.
pub fn read_journal(test_cluster: &TestCluster) -> Result<JournalSnapshot> {
    Ok(parse_journal(read_journal_secret(test_cluster)?.as_ref()))
}

/// The newest run.
pub fn newest_run(test_cluster: &TestCluster) -> Result<RunEntry> {
    read_journal(test_cluster)?.runs.last().cloned().context("no run in the journal")
}

/// Runs a subcommand without chart flags as on another workstation: with another working folder and another state
/// folder.
pub fn run_on_other_workstation(test_cluster: &TestCluster, args: &[&str]) -> Result<CommandOutput> {
    let state = test_cluster.files().join("another-workstation");
    let mut command = test_cluster.command(User::Operator, "kubectl-mural-upgrade")?;
    let output = command.args(args).current_dir("/").env("XDG_STATE_HOME", state).output()?;
    crate::test_cluster::to_command_output(output)
}

/// Removes what the other workstation keeps: its backups and journals.
pub fn forget_other_workstation(test_cluster: &TestCluster) -> Result<()> {
    Ok(std::fs::remove_dir_all(test_cluster.files().join("another-workstation"))?)
}

/// The same on this workstation.
pub fn run_here(test_cluster: &TestCluster, args: &[&str]) -> Result<CommandOutput> {
    test_cluster.run(User::Operator, "kubectl-mural-upgrade", args)
}

/// The folder in which this workstation keeps its runs.
pub fn state_folder(test_cluster: &TestCluster) -> Result<PathBuf> {
    // Other tests use other contexts, such as one through a proxy.
    let sandbox = test_cluster.sandbox()?;
    let folder = sandbox.dir().join("state/mural").join(sandbox.context());
    ensure!(folder.is_dir(), "nothing is kept in {}", folder.display());
    Ok(folder)
}

pub fn read_status(test_cluster: &TestCluster) -> Result<Value> {
    let told = run_here(test_cluster, &["status", "--output", "json"])?;
    ensure!([0, 3].contains(&told.code), "{}", told.all_text());
    Ok(serde_json::from_str(&told.stdout)?)
}

/// Makes sure that the output contains these texts and no secret.
pub fn ensure_says(ended: &CommandOutput, words: &[&str]) -> Result<()> {
    let all = ended.all_text();
    for word in words {
        ensure!(all.contains(word), "does not say {word:?}:\n{all}");
    }
    ensure!(!all.contains(CANARY), "tells a secret:\n{all}");
    Ok(())
}

fn interrupted_and_resumed_from_another_workstation(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let crds = r#""event":"step-started","step":"crds""#;
    let stopped = interrupt_at(test_cluster, &["--yes", "--events"], crds, 1)?.0.expect_code(130)?;
    ensure_says(&stopped, &["kubectl mural upgrade resume", "kubectl mural upgrade rollback"])?;
    let first = newest_run(test_cluster)?;
    let told = read_status(test_cluster)?;
    ensure!(
        told["journal"][0]["state"] == "interrupted" && told["journal"][0]["steps"][0]["phase"] == "done",
        "{told}"
    );
    ensure!(told["nextStep"].as_str().is_some_and(|next| next.contains("upgrade resume")), "{told}");
    let table = run_here(test_cluster, &["status"])?.expect_code(0)?;
    ensure_says(&table, &["stopped", "✔ crds", "– mural", "backup: "])?;
    ensure_local_copy(test_cluster, &first)?;

    let values = small::values(test_cluster)?;
    let resume = ["resume", "--plain-http", "--yes", "--values", &values];
    let mark = test_cluster.mark()?;
    let others = run_on_other_workstation(test_cluster, &[&resume[..], &["--set", "password=canary-other"]].concat())?
        .expect_code(5)?;
    ensure_says(&others, &["no-drift", "values", "password", "pass resume the value flags"])?;
    test_cluster.ensure_nothing_written(mark)?;
    let done = run_on_other_workstation(test_cluster, &resume)?.expect_code(0).context("resume")?;
    ensure_says(&done, &["verified crds", "to do served", "upgraded"])?;
    let log = test_cluster.entries_since(mark)?;
    let again = audit::writes_by(&log, "operator").into_iter().filter(|entry| entry.is_crd()).count();
    ensure!(again == 0, "{again} CRDs were written again");
    let second = newest_run(test_cluster)?;
    ensure!(second.earlier_runs == [first.run.clone()] && !second.is_unfinished(), "{second:?}");
    ensure!(
        second.backup == first.backup && second.recorded_state == first.recorded_state,
        "the resumed run has another backup or another recorded state"
    );
    ensure!(lock_names(test_cluster)?.is_empty(), "left behind: {:?}", lock_names(test_cluster)?);

    let mark = test_cluster.mark()?;
    let nothing = run_on_other_workstation(test_cluster, &resume)?.expect_code(64)?;
    ensure_says(&nothing, &["there is nothing to resume", &second.run, "done"])?;
    test_cluster.ensure_nothing_written(mark)
}

/// Checks the backup on this workstation: only its owner can read it, and it contains no values.
fn ensure_local_copy(test_cluster: &TestCluster, run: &RunEntry) -> Result<()> {
    let folder = state_folder(test_cluster)?;
    let file = folder.join(format!("{}.json", run.run));
    let text = std::fs::read_to_string(&file)?;
    let local: RunEntry = serde_json::from_str(&text)?;
    ensure!(local == *run, "the two differ:\n{local:?}\n{run:?}");
    let mode = |path: &Path| std::fs::metadata(path).map(|data| data.permissions().mode() & 0o777);
    ensure!((mode(&file)?, mode(&folder)?, mode(&folder.join(&run.run))?) == (0o600, 0o700, 0o700));
    let secret = read_journal_secret(test_cluster)?.context("no journal")?.to_string();
    ensure!(!text.contains(CANARY) && !secret.contains(CANARY) && !secret.contains(&STANDARD.encode(CANARY)));
    let mut open = vec![folder.join(&run.run)];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path)?.flatten().map(|entry| entry.path()));
        } else {
            ensure!(!std::fs::read_to_string(&path)?.contains(CANARY), "{} holds a value", path.display());
        }
    }
    Ok(())
}

fn replace_journal(test_cluster: &TestCluster, secret: &Value) -> Result<()> {
    test_cluster
        .run(
            User::Admin,
            "kubectl",
            &["delete", "secret", "mural-journal", "--namespace", NAMESPACE, "--ignore-not-found"],
        )?
        .expect_code(0)?;
    let mut secret = secret.clone();
    ["resourceVersion", "uid", "managedFields", "creationTimestamp"]
        .iter()
        .for_each(|key| drop(secret["metadata"].as_object_mut().map(|metadata| metadata.remove(*key))));
    test_cluster
        .run_with(User::Admin, "kubectl", &["create", "--filename", "-"], &secret.to_string(), &[])?
        .expect_code(0)?;
    Ok(())
}

/// Journals of a newer version, damaged ones, and those of another cluster get a clear message and the right exit code.
/// Nothing is written.
fn unreadable_runs_are_refused(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let crds = r#""event":"step-started","step":"crds""#;
    interrupt_at(test_cluster, &["--yes", "--events"], crds, 1)?.0.expect_code(130)?;
    let good = read_journal_secret(test_cluster)?.context("no journal")?;
    let run = newest_run(test_cluster)?;
    let values = small::values(test_cluster)?;
    let resume = ["resume", "--plain-http", "--yes", "--values", &values];
    let refused = |code: i32, what: &str, words: &[&str]| -> Result<()> {
        let mark = test_cluster.mark()?;
        for args in [&resume[..], &["rollback", "--yes"]] {
            ensure_says(&run_here(test_cluster, args)?.expect_code(code).context(what.to_owned())?, words)
                .context(what.to_owned())?;
        }
        test_cluster.ensure_nothing_written(mark).context(what.to_owned())
    };
    let key = format!("{}.json.gz", run.run);
    let mut damaged = good.clone();
    damaged["data"][&key] = STANDARD.encode("no gzip").into();
    replace_journal(test_cluster, &damaged)?;
    refused(5, "damaged", &["cannot be read", "damaged", "kubectl mural upgrade repair"])?;
    let again = upgrade(test_cluster, User::Operator, &[], &newer_flags(&["--yes"]))?.expect_code(5)?;
    ensure_says(&again, &["journal-readable", "damaged"])?;
    let told = run_here(test_cluster, &["status"])?.expect_code(3)?;
    ensure_says(&told, &["damaged", "repair"])?;

    let mut newer_form = serde_json::to_value(&run)?;
    newer_form["steps"][0]["action"] = "teleport".into();
    replace_journal(test_cluster, &with_document(&good, &key, &newer_form)?)?;
    refused(5, "newer", &["cannot be read", "use the program version that wrote it"])?;

    let mut elsewhere = run.clone();
    elsewhere.recorded_state.cluster_uid = "another".to_owned();
    replace_journal(test_cluster, &build_secret(NAMESPACE, Some(&good), &[&elsewhere]).context("too large")?)?;
    refused(5, "another cluster", &["was made on another cluster"])?;

    replace_journal(test_cluster, &damaged)?;
    let mended = run_here(test_cluster, &["repair", "--yes"])?.expect_code(0)?;
    ensure_says(&mended, &["journal-damaged", "discard it", "fixed"])?;
    refused(64, "nothing left", &["there is nothing to"])
}

fn with_document(secret: &Value, key: &str, document: &Value) -> Result<Value> {
    use std::io::Write;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(document.to_string().as_bytes())?;
    let mut secret = secret.clone();
    secret["data"][key] = STANDARD.encode(packer.finish()?).into();
    Ok(secret)
}

/// A failing backup hook or an unusable state folder stops the run before the first write.
fn no_backup_no_write(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let mark = test_cluster.mark()?;
    let untouched = || -> Result<()> {
        let log = test_cluster.entries_since(mark)?;
        let writes = audit::writes_by(&log, "operator");
        ensure!(writes.is_empty(), "wrote: {writes:?}");
        ensure!(lock_names(test_cluster)?.is_empty(), "left behind: {:?}", lock_names(test_cluster)?);
        let copies =
            test_cluster.get(&["secrets", "--namespace", NAMESPACE, "--selector", "mural.dev/backup-of"])?["items"]
                .clone();
        ensure!(copies.as_array().is_some_and(Vec::is_empty), "a copy of no backup: {copies}");
        Ok(())
    };
    let failing = [
        "--yes",
        "--save-hook",
        "sh",
        "--save-hook-args",
        "-c",
        "--save-hook-args",
        "echo $MURAL_RUN in $MURAL_BACKUP >&2; exit 3",
    ];
    let failing = upgrade(test_cluster, User::Operator, &[], &newer_flags(&failing))?.expect_code(5)?;
    ensure_says(&failing, &["--save-hook sh failed; nothing was written", "state/mural"])?;
    untouched()?;
    let missing =
        upgrade(test_cluster, User::Operator, &[], &newer_flags(&["--yes", "--save-hook", "no-such-program"]))?
            .expect_code(5)?;
    ensure_says(&missing, &["there is no such program"])?;
    untouched()?;
    // A file instead of the folder: as with a full disk, no backup can be written.
    let file = test_cluster.files().join("a-file");
    std::fs::write(&file, "")?;
    let full = |flags: &[&'static str]| -> Result<CommandOutput> {
        let mut command = crate::refusals::command(test_cluster, User::Operator, &[], &newer_flags(flags))?;
        crate::test_cluster::to_command_output(command.env("XDG_STATE_HOME", &file).output()?)
    };
    ensure_says(
        &full(&["--yes"])?.expect_code(5)?,
        &["the backup before the first write failed; nothing was written", "--no-save"],
    )?;
    untouched()?;
    let done = full(&["--yes", "--no-save"])?.expect_code(0).context("without a backup")?;
    ensure_says(&done, &["no local copy in", "the journal in the cluster is complete", "upgraded"])?;
    let run = newest_run(test_cluster)?;
    ensure!(run.backup.is_none() && !run.is_unfinished(), "{run:?}");
    let log = test_cluster.entries_since(mark)?;
    let (noted, writes) = (audit::journal_by(&log, "operator"), audit::writes_by(&log, "operator"));
    let first: Vec<_> = noted.iter().copied().take(1).collect();
    audit::all_before(&first, &writes).context("the journal, then the first write")?;
    Ok(())
}
