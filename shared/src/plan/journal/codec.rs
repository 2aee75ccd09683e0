//! The journal's Secret: one compressed document for each run, the last ten runs, at most half of what a Secret may hold.

use std::io::{Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{RUN_KIND, RunEntry};
use crate::model::metadata_keys::{JOURNAL_SECRET_TYPE, MANAGED_BY};
use crate::plan::API_VERSION;

/// The Secret's name, in the installation's namespace.
pub const SECRET_NAME: &str = "mural-journal";
/// The most runs in the journal.
pub const MAX_RUNS: usize = 10;
/// The most bytes of all runs together, compressed. The API server accepts 1 MiB in a Secret.
pub const MAX_PACKED_BYTES: usize = 512 * 1024;
/// The most bytes of one run, decompressed.
const MAX_UNPACKED_BYTES: u64 = 8 * 1024 * 1024;
/// The suffix of a run's key in the Secret.
const RUN_KEY_SUFFIX: &str = ".json.gz";

/// A run that could not be parsed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UnreadableRun {
    /// The run's id, from its key.
    pub run: String,
    /// The reason.
    pub reason: String,
    /// Whether a newer version of this program wrote it; otherwise it is damaged.
    pub from_newer_version: bool,
}

/// The journal, parsed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JournalSnapshot {
    /// The runs, oldest first.
    pub runs: Vec<RunEntry>,
    /// Runs that could not be parsed.
    pub unreadable_runs: Vec<UnreadableRun>,
}

impl JournalSnapshot {
    /// The newest run that was interrupted, failed or stopped and that no later run supersedes.
    #[must_use]
    pub fn unfinished_run(&self) -> Option<&RunEntry> {
        self.runs.last().filter(|run| run.is_unfinished())
    }

    /// The number of the next run.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        1 + self.runs.iter().map(|run| run.number).max().unwrap_or_default()
    }

    /// The run with this id.
    #[must_use]
    pub fn run(&self, id: &str) -> Option<&RunEntry> {
        self.runs.iter().find(|run| run.run == id)
    }
}

/// Parses the Secret; an absent Secret is an empty journal.
#[must_use]
pub fn parse_journal(secret: Option<&Value>) -> JournalSnapshot {
    let mut journal = JournalSnapshot::default();
    let data = secret.and_then(|secret| secret["data"].as_object());
    for (key, value) in data.into_iter().flatten() {
        let Some(run) = key.strip_suffix(RUN_KEY_SUFFIX) else { continue };
        match unpack_run(value.as_str().unwrap_or_default()) {
            Ok(entry) if entry.run == run => journal.runs.push(entry),
            Ok(_) => {
                journal.unreadable_runs.push(build_unreadable_run(run, "its run id is not that of its key", false));
            }
            Err((reason, newer)) => journal.unreadable_runs.push(build_unreadable_run(run, &reason, newer)),
        }
    }
    journal.runs.sort_by(|a, b| (a.number, &a.run).cmp(&(b.number, &b.run)));
    journal
}

fn build_unreadable_run(run: &str, reason: &str, newer: bool) -> UnreadableRun {
    UnreadableRun { run: run.to_owned(), reason: reason.to_owned(), from_newer_version: newer }
}

fn unpack_run(text: &str) -> Result<RunEntry, (String, bool)> {
    let damaged = |what: &str| (format!("it is damaged: {what}"), false);
    let packed = STANDARD.decode(text).map_err(|_| damaged("not base64"))?;
    let mut bytes = Vec::new();
    GzDecoder::new(packed.as_slice())
        .take(MAX_UNPACKED_BYTES)
        .read_to_end(&mut bytes)
        .map_err(|_| damaged("it cannot be decompressed"))?;
    let document: Value = serde_json::from_slice(&bytes).map_err(|_| damaged("not JSON"))?;
    let says = |key: &str| document[key].as_str().unwrap_or("nothing").to_owned();
    let (kind, version) = (says("kind"), says("apiVersion"));
    if kind != RUN_KIND || !version.starts_with("mural/") {
        return Err(damaged(&format!("it is {kind} of {version}")));
    }
    if version != API_VERSION {
        return Err((format!("it is of version {version}; this program reads {API_VERSION}"), true));
    }
    // A word that only a later version knows fails to parse; the message names the version that wrote it.
    let by = says("version");
    serde_json::from_value(document)
        .map_err(|error| (format!("program version {by} wrote it, and this version cannot read it: {error}"), true))
}

fn pack_run(run: &RunEntry) -> Option<Vec<u8>> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(&serde_json::to_vec(run).ok()?).ok()?;
    packer.finish().ok()
}

/// The Secret with these runs added to the ones before. Runs that are not in the list stay unchanged.
///
/// It drops the oldest runs beyond ten and beyond the byte limit. None if one run alone is too large.
#[must_use]
pub fn build_secret(namespace: &str, before: Option<&Value>, runs: &[&RunEntry]) -> Option<Value> {
    let mut data: Map<String, Value> =
        before.and_then(|secret| secret["data"].as_object()).cloned().unwrap_or_default();
    for run in runs {
        let packed = pack_run(run)?;
        if packed.len() > MAX_PACKED_BYTES {
            return None;
        }
        data.insert(format!("{}{RUN_KEY_SUFFIX}", run.run), STANDARD.encode(packed).into());
    }
    let number = |key: &String, data: &Map<String, Value>| {
        let text = data.get(key).and_then(Value::as_str).unwrap_or_default();
        unpack_run(text).map_or(0, |run| run.number)
    };
    let size = |data: &Map<String, Value>| -> usize {
        data.values().filter_map(Value::as_str).map(|text| text.len() / 4 * 3).sum()
    };
    while data.len() > MAX_RUNS || size(&data) > MAX_PACKED_BYTES {
        let oldest = data.keys().min_by_key(|key| (number(key, &data), (*key).clone())).cloned()?;
        data.remove(&oldest);
    }
    let mut secret = before.cloned().unwrap_or_else(|| {
        json!({"apiVersion": "v1", "kind": "Secret", "type": JOURNAL_SECRET_TYPE,
            "metadata": {"name": SECRET_NAME, "namespace": namespace,
                "labels": {"app.kubernetes.io/managed-by": MANAGED_BY}}})
    });
    secret["data"] = Value::Object(data);
    Some(secret)
}

/// The Secret without these runs.
#[must_use]
pub fn without_runs(before: &Value, runs: &[String]) -> Value {
    let mut secret = before.clone();
    if let Some(data) = secret["data"].as_object_mut() {
        runs.iter().for_each(|run| drop(data.remove(&format!("{run}{RUN_KEY_SUFFIX}"))));
    }
    secret
}

#[cfg(test)]
mod tests {
    use super::super::RunState;
    use super::super::tests::entry;
    use super::*;
    use jiff::{Timestamp, ToSpan};

    fn run(at: i64) -> RunEntry {
        let began = Timestamp::UNIX_EPOCH + at.seconds();
        RunEntry { run: format!("20261123-{at:06}"), number: 1 + at as u64, started_at: began, ..entry() }
    }

    #[test]
    fn the_last_ten_are_kept_and_read_again() {
        let mut secret = None;
        for at in 0..14 {
            secret = build_secret("m", secret.as_ref(), &[&run(at)]);
        }
        let journal = parse_journal(secret.as_ref());
        assert_eq!((journal.runs.len(), journal.unreadable_runs.len()), (MAX_RUNS, 0));
        assert_eq!(
            (journal.runs[0].run.as_str(), journal.runs[9].run.as_str()),
            ("20261123-000004", "20261123-000013")
        );
        assert_eq!(journal.runs[9], run(13));
    }

    #[test]
    fn a_workstation_whose_clock_is_behind_is_not_taken_for_an_earlier_run() {
        let behind = RunEntry { number: 9, ..run(1) };
        let secret = build_secret("m", None, &[&run(5), &behind]).unwrap();
        assert_eq!(parse_journal(Some(&secret)).unfinished_run(), Some(&behind));
        assert_eq!(parse_journal(Some(&secret)).next_number(), 10);
    }

    #[test]
    fn the_size_is_bounded_and_the_newest_stays() {
        // Noise does not compress.
        let noise = |seed: u64| (0..90_000_u64).map(|n| ((n * n * 31 + n * seed) % 89 + 33) as u8 as char).collect();
        let large = |at: i64| {
            let mut run = run(at);
            run.steps[0].title = noise(7 + at as u64);
            run
        };
        let mut secret = None;
        for at in 0..10 {
            secret = build_secret("m", secret.as_ref(), &[&large(at)]);
        }
        let secret = secret.unwrap();
        assert!(secret.to_string().len() < 1_048_576 && parse_journal(Some(&secret)).runs.last() == Some(&large(9)));
    }

    #[test]
    fn an_unreadable_run_has_a_reason() {
        let packed = |document: &Value| {
            let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
            packer.write_all(document.to_string().as_bytes()).unwrap();
            STANDARD.encode(packer.finish().unwrap())
        };
        let of = |text: String| parse_journal(Some(&json!({"data": {"1.json.gz": text}}))).unreadable_runs.remove(0);
        assert!(of("AAA".into()).reason.contains("damaged"));
        assert!(of(STANDARD.encode("text")).reason.contains("cannot be decompressed"));
        assert!(of(packed(&json!({"kind": "Other", "apiVersion": "mural/v1"}))).reason.contains("it is Other"));
        let newer = of(packed(&json!({"kind": "UpgradeRun", "apiVersion": "mural/v2"})));
        assert!(newer.from_newer_version && newer.reason.contains("mural/v2"), "{newer:?}");
        let mut odd = serde_json::to_value(entry()).unwrap();
        odd["steps"][0]["action"] = "not-yet-thought-of".into();
        assert!(of(packed(&odd)).from_newer_version);
        let mut odd = serde_json::to_value(entry()).unwrap();
        odd["steps"][0]["id"] = "mural-2".into();
        assert!(of(packed(&odd)).reason.contains("\"mural-2\" is not a step id of this version"));
        assert!(of(packed(&serde_json::to_value(entry()).unwrap())).reason.contains("not that of its key"));
        assert_eq!(parse_journal(None), JournalSnapshot::default());
    }

    #[test]
    fn only_the_newest_run_is_resumed() {
        let mut done = run(2);
        done.end_run(RunState::Done, Timestamp::UNIX_EPOCH);
        let secret = build_secret("m", None, &[&run(1), &done]).unwrap();
        assert_eq!(parse_journal(Some(&secret)).unfinished_run(), None);
        let secret = build_secret("m", Some(&secret), &[&run(3)]).unwrap();
        assert_eq!(parse_journal(Some(&secret)).unfinished_run().map(|run| run.run.as_str()), Some("20261123-000003"));
        assert_eq!(parse_journal(Some(&without_runs(&secret, &[run(3).run]))).runs.len(), 2);
    }
}
