//! The journal: where a run stands is told, anybody goes on from it, and what cannot be gone on from is refused in words.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mural::plan::journal::{JournalSeen, RunEntry, secret, seen};
use mural_tests::audit;
use mural_tests::sandbox::User;
use serde_json::Value;

use crate::Test;
use crate::ground::{Ended, Ground};
use crate::lock::{locks, newer};
use crate::refusals::upgrade;
use crate::small::{self, CANARY, NAMESPACE};
use crate::stopped::stopped_at;

pub const TESTS: &[Test] = &[
    ("journal::stopped_and_resumed_from_another_workstation", stopped_and_resumed_from_another_workstation),
    ("journal::what_cannot_be_gone_on_from", what_cannot_be_gone_on_from),
    ("journal::no_save_no_write", no_save_no_write),
];

/// The journal's Secret; none where there is none.
pub fn secret_of(ground: &Ground) -> Result<Option<Value>> {
    let list = ground.get(&["secrets", "--namespace", NAMESPACE, "--field-selector", "metadata.name=mural-journal"])?;
    Ok(list["items"].as_array().and_then(|items| items.first().cloned()))
}

/// What it holds.
pub fn journal(ground: &Ground) -> Result<JournalSeen> {
    Ok(seen(secret_of(ground)?.as_ref()))
}

/// The newest run.
pub fn newest(ground: &Ground) -> Result<RunEntry> {
    journal(ground)?.runs.last().cloned().context("no run in the journal")
}

/// A sub-command without charts, as another workstation gives it: another folder, another home for what is ours.
pub fn elsewhere(ground: &Ground, args: &[&str]) -> Result<Ended> {
    let state = ground.files().join("another-workstation");
    let mut command = ground.command(User::Operator, "kubectl-mural-upgrade")?;
    let output = command.args(args).current_dir("/").env("XDG_STATE_HOME", state).output()?;
    crate::ground::ended(output)
}

/// The same on this workstation.
pub fn here(ground: &Ground, args: &[&str]) -> Result<Ended> {
    ground.run(User::Operator, "kubectl-mural-upgrade", args)
}

/// What this workstation keeps of its runs.
pub fn state(ground: &Ground) -> Result<PathBuf> {
    // Other tests come with other contexts: through a proxy, for one.
    let sandbox = ground.sandbox()?;
    let folder = sandbox.dir().join("state/mural").join(sandbox.context());
    ensure!(folder.is_dir(), "nothing is kept in {}", folder.display());
    Ok(folder)
}

pub fn status(ground: &Ground) -> Result<Value> {
    let told = here(ground, &["status", "--output", "json"])?;
    ensure!([0, 3].contains(&told.code), "{}", told.all());
    Ok(serde_json::from_str(&told.stdout)?)
}

/// Insists on words, and on no secret among them.
pub fn says(ended: &Ended, words: &[&str]) -> Result<()> {
    let all = ended.all();
    for word in words {
        ensure!(all.contains(word), "does not say {word:?}:\n{all}");
    }
    ensure!(!all.contains(CANARY), "tells a secret:\n{all}");
    Ok(())
}

fn stopped_and_resumed_from_another_workstation(ground: &Ground) -> Result<()> {
    ground.older()?;
    let crds = r#""event":"step-started","step":"crds""#;
    let stopped = stopped_at(ground, &["--yes", "--events"], crds, 1)?.0.with(130)?;
    says(&stopped, &["kubectl mural upgrade resume", "kubectl mural upgrade rollback"])?;
    let first = newest(ground)?;
    let told = status(ground)?;
    ensure!(told["journal"][0]["state"] == "stopped" && told["journal"][0]["steps"][0]["stands"] == "done", "{told}");
    ensure!(told["next"].as_str().is_some_and(|next| next.contains("upgrade resume")), "{told}");
    let table = here(ground, &["status"])?.with(0)?;
    says(&table, &["stopped", "✔ crds", "– mural", "saved: "])?;
    kept_here(ground, &first)?;

    let values = small::values(ground)?;
    let resume = ["resume", "--plain-http", "--yes", "--values", &values];
    let mark = ground.mark()?;
    let others = elsewhere(ground, &[&resume[..], &["--set", "password=canary-other"]].concat())?.with(5)?;
    says(&others, &["saved-plan-holds", "values", "password", "give resume the value flags"])?;
    ground.nothing_written(mark)?;
    let done = elsewhere(ground, &resume)?.with(0).context("resume")?;
    says(&done, &["proved done crds", "to do served", "upgraded"])?;
    let log = ground.since(mark)?;
    let again = audit::writes_by(&log, "operator").into_iter().filter(|entry| entry.is_crd()).count();
    ensure!(again == 0, "{again} CRDs were written again");
    let second = newest(ground)?;
    ensure!(second.chain == [first.run.clone()] && !second.unfinished(), "{second:?}");
    ensure!(second.saved == first.saved && second.world == first.world, "what was there before is forgotten");
    ensure!(locks(ground)?.is_empty(), "left behind: {:?}", locks(ground)?);

    let mark = ground.mark()?;
    let nothing = elsewhere(ground, &resume)?.with(5)?;
    says(&nothing, &["there is nothing to resume", &second.run, "done"])?;
    ground.nothing_written(mark)
}

/// The copy on this workstation, for its owner alone; no value anywhere.
fn kept_here(ground: &Ground, run: &RunEntry) -> Result<()> {
    let folder = state(ground)?;
    let file = folder.join(format!("{}.json", run.run));
    let text = std::fs::read_to_string(&file)?;
    let local: RunEntry = serde_json::from_str(&text)?;
    ensure!(local == *run, "the two differ:\n{local:?}\n{run:?}");
    let mode = |path: &Path| std::fs::metadata(path).map(|data| data.permissions().mode() & 0o777);
    ensure!((mode(&file)?, mode(&folder)?, mode(&folder.join(&run.run))?) == (0o600, 0o700, 0o700));
    let secret = secret_of(ground)?.context("no journal")?.to_string();
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

fn put(ground: &Ground, secret: &Value) -> Result<()> {
    ground
        .run(
            User::Admin,
            "kubectl",
            &["delete", "secret", "mural-journal", "--namespace", NAMESPACE, "--ignore-not-found"],
        )?
        .with(0)?;
    let mut secret = secret.clone();
    ["resourceVersion", "uid", "managedFields", "creationTimestamp"]
        .iter()
        .for_each(|key| drop(secret["metadata"].as_object_mut().map(|metadata| metadata.remove(*key))));
    ground.run_with(User::Admin, "kubectl", &["create", "--filename", "-"], &secret.to_string(), &[])?.with(0)?;
    Ok(())
}

/// Journals that are newer, damaged, or another cluster's: a clear answer, the right code, nothing touched.
fn what_cannot_be_gone_on_from(ground: &Ground) -> Result<()> {
    ground.older()?;
    let crds = r#""event":"step-started","step":"crds""#;
    stopped_at(ground, &["--yes", "--events"], crds, 1)?.0.with(130)?;
    let good = secret_of(ground)?.context("no journal")?;
    let run = newest(ground)?;
    let values = small::values(ground)?;
    let resume = ["resume", "--plain-http", "--yes", "--values", &values];
    let refused = |what: &str, words: &[&str]| -> Result<()> {
        let mark = ground.mark()?;
        for args in [&resume[..], &["rollback", "--yes"]] {
            says(&here(ground, args)?.with(5).context(what.to_owned())?, words).context(what.to_owned())?;
        }
        ground.nothing_written(mark).context(what.to_owned())
    };
    let key = format!("{}.json.gz", run.run);
    let mut damaged = good.clone();
    damaged["data"][&key] = STANDARD.encode("no gzip").into();
    put(ground, &damaged)?;
    refused("damaged", &["cannot be read", "damaged", "kubectl mural upgrade repair"])?;
    let again = upgrade(ground, User::Operator, &[], &newer(&["--yes"]))?.with(5)?;
    says(&again, &["journal-readable", "damaged"])?;
    let told = here(ground, &["status"])?.with(3)?;
    says(&told, &["damaged", "repair"])?;

    let mut newer_form = serde_json::to_value(&run)?;
    newer_form["steps"][0]["action"] = "teleport".into();
    put(ground, &with(&good, &key, &newer_form)?)?;
    refused("newer", &["cannot be read", "use the version that wrote it"])?;

    let mut elsewhere = run.clone();
    elsewhere.world.cluster = "another".to_owned();
    put(ground, &secret(NAMESPACE, Some(&good), &[&elsewhere]).context("too large")?)?;
    refused("another cluster", &["was made on another cluster"])?;

    put(ground, &damaged)?;
    let mended = here(ground, &["repair", "--yes"])?.with(0)?;
    says(&mended, &["journal-damaged", "set it aside", "mended"])?;
    refused("nothing left", &["there is nothing to"])
}

fn with(secret: &Value, key: &str, document: &Value) -> Result<Value> {
    use std::io::Write;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(document.to_string().as_bytes())?;
    let mut secret = secret.clone();
    secret["data"][key] = STANDARD.encode(packer.finish()?).into();
    Ok(secret)
}

/// What stands before the first write and fails: a hook, a place that is none. Nothing of the installation is touched.
fn no_save_no_write(ground: &Ground) -> Result<()> {
    ground.older()?;
    let mark = ground.mark()?;
    let untouched = || -> Result<()> {
        let log = ground.since(mark)?;
        let writes = audit::writes_by(&log, "operator");
        ensure!(writes.is_empty(), "wrote: {writes:?}");
        ensure!(locks(ground)?.is_empty(), "left behind: {:?}", locks(ground)?);
        Ok(())
    };
    let failing = [
        "--yes",
        "--save-hook",
        "sh",
        "--save-hook-args",
        "-c",
        "--save-hook-args",
        "echo $MURAL_RUN in $MURAL_SAVED >&2; exit 3",
    ];
    let failing = upgrade(ground, User::Operator, &[], &newer(&failing))?.with(5)?;
    says(&failing, &["--save-hook sh failed; nothing was written", "state/mural"])?;
    untouched()?;
    let missing =
        upgrade(ground, User::Operator, &[], &newer(&["--yes", "--save-hook", "no-such-program"]))?.with(5)?;
    says(&missing, &["there is no such program"])?;
    untouched()?;
    // A file stands where the folder should be: as with a full disk, nothing can be kept there.
    let file = ground.files().join("a-file");
    std::fs::write(&file, "")?;
    let full = |flags: &[&'static str]| -> Result<Ended> {
        let mut command = crate::refusals::command(ground, User::Operator, &[], &newer(flags))?;
        crate::ground::ended(command.env("XDG_STATE_HOME", &file).output()?)
    };
    says(&full(&["--yes"])?.with(5)?, &["could not be saved; nothing was written", "--no-save"])?;
    untouched()?;
    let done = full(&["--yes", "--no-save"])?.with(0).context("without a copy")?;
    says(&done, &["no copy of it in", "the one in the cluster is kept", "upgraded"])?;
    let run = newest(ground)?;
    ensure!(run.saved.is_none() && !run.unfinished(), "{run:?}");
    let log = ground.since(mark)?;
    let (noted, writes) = (audit::journal_by(&log, "operator"), audit::writes_by(&log, "operator"));
    let first: Vec<_> = noted.iter().copied().take(1).collect();
    audit::all_before(&first, &writes).context("the journal, then the first write")?;
    Ok(())
}
