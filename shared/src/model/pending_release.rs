//! A pending record: whose it is, and how it is marked `failed`, so that helm goes on.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::metadata_keys::RUN_LABEL;
use super::release::{RecordError, ReleaseRecord, decode_release};
use super::release_status::ReleaseStatus;

/// The run of ours that made the newest revision, judged by a release's records, oldest first.
///
/// The label alone proves nothing: helm copies the labels of one revision to the next, also when a person upgrades or
/// rolls back by hand (pkg/action/upgrade.go `mergeCustomLabels`). Only a run that no earlier revision names made this one.
#[must_use]
pub fn find_creating_run(records: &[ReleaseRecord]) -> Option<&str> {
    let (newest, earlier) = records.split_last()?;
    let run = newest.labels.get(RUN_LABEL)?;
    let handed_on = earlier.iter().any(|record| record.labels.get(RUN_LABEL) == Some(run));
    (!handed_on).then_some(run.as_str())
}

/// The run of ours in which helm was cut off: the one that [`made_by`] names, where the newest revision is pending.
#[must_use]
pub fn find_interrupted_run(records: &[ReleaseRecord]) -> Option<&str> {
    find_creating_run(records).filter(|_| records.last().is_some_and(|newest| newest.status.is_pending()))
}

/// The Secret of a pending record, marked failed; none where it is not pending any more.
///
/// As helm-controller does it (internal/reconcile/unlock.go: status and description of the record, then helm's own update
/// of the Secret): the status stands in the record and in a label, and helm reads the record. Everything else stays as
/// helm wrote it, whatever its version.
///
/// # Errors
/// The record is damaged.
pub fn mark_failed(secret: &Value, description: &str, now: Timestamp) -> Result<Option<Value>, RecordError> {
    let (mut release, _) = decode_release(secret)?;
    let status = release.pointer("/info/status").and_then(Value::as_str).unwrap_or_default();
    if !ReleaseStatus::from(status).is_pending() {
        return Ok(None);
    }
    release["info"]["status"] = ReleaseStatus::Failed.as_str().into();
    release["info"]["description"] = description.into();
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    let packed = packer.write_all(release.to_string().as_bytes()).and_then(|()| packer.finish());
    let packed = packed.map_err(RecordError::Gzip)?;
    let mut secret = secret.clone();
    secret["data"]["release"] = STANDARD.encode(STANDARD.encode(packed)).into();
    secret["metadata"]["labels"]["status"] = ReleaseStatus::Failed.as_str().into();
    secret["metadata"]["labels"]["modifiedAt"] = json!(now.as_second().to_string());
    Ok(Some(secret))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::release::read_record;

    fn secret(revision: u64, status: &str, run: Option<&str>) -> Value {
        let release = json!({"name": "mural", "version": revision, "info": {"status": status, "notes": "n"},
            "config": {"a": 1.0, "big": 9_007_199_254_740_993_u64}, "apply_method": "ssa", "unknown": [null]});
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(release.to_string().as_bytes()).unwrap();
        let data = STANDARD.encode(STANDARD.encode(packer.finish().unwrap()));
        let mut labels = json!({"name": "mural", "owner": "helm", "status": status, "version": revision.to_string()});
        if let Some(run) = run {
            labels[RUN_LABEL] = run.into();
        }
        json!({"metadata": {"name": "x", "resourceVersion": "9", "labels": labels}, "data": {"release": data}})
    }

    fn records(all: &[(&str, Option<&str>)]) -> Vec<ReleaseRecord> {
        (1..).zip(all).map(|(revision, (status, run))| read_record(&secret(revision, status, *run)).unwrap()).collect()
    }

    #[test]
    fn only_what_our_run_made_is_ours() {
        let ours = records(&[("deployed", Some("1")), ("pending-upgrade", Some("2"))]);
        assert_eq!(find_interrupted_run(&ours), Some("2"));
        assert_eq!(find_interrupted_run(&records(&[("pending-install", Some("1"))])), Some("1"));
        let by_hand = records(&[("deployed", Some("1")), ("pending-upgrade", Some("1"))]);
        assert_eq!(find_interrupted_run(&by_hand), None, "helm copies labels to the next revision");
        assert_eq!(find_interrupted_run(&records(&[("pending-upgrade", None)])), None);
        assert_eq!(find_interrupted_run(&records(&[("uninstalling", Some("1"))])), None);
        assert_eq!(find_interrupted_run(&records(&[("failed", Some("1"))])), None);
    }

    #[test]
    fn only_status_and_description_change() {
        let before = secret(2, "pending-upgrade", Some("2"));
        let after = mark_failed(&before, "said", Timestamp::UNIX_EPOCH).unwrap().unwrap();
        let (mut was, is) = (decode_release(&before).unwrap().0, decode_release(&after).unwrap().0);
        assert_eq!((&is["info"]["status"], &is["info"]["description"]), (&json!("failed"), &json!("said")));
        (was["info"]["status"], was["info"]["description"]) = (json!("failed"), json!("said"));
        assert_eq!(was, is);
        let labels = json!({"name": "mural", "owner": "helm", "status": "failed", "version": "2", (RUN_LABEL): "2", "modifiedAt": "0"});
        assert_eq!((&after["metadata"]["labels"], &after["metadata"]["resourceVersion"]), (&labels, &json!("9")));
    }

    #[test]
    fn a_revision_that_helm_ended_is_left_alone() {
        assert!(mark_failed(&secret(2, "failed", Some("2")), "said", Timestamp::UNIX_EPOCH).unwrap().is_none());
        assert!(mark_failed(&json!({"data": {}}), "said", Timestamp::UNIX_EPOCH).is_err());
    }
}
