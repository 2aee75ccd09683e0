//! The API server's audit log, parsed as evidence: who wrote what, in which order, and how many requests it took.
//!
//! The file is roughly in order of completion. One request is before another only if it was answered before the other
//! arrived. The sandbox's audit policy omits reads, events, and the Leases of the control plane.

use std::fmt;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde::Deserialize;

/// API groups whose `create` stores nothing, such as SubjectAccessReview.
const QUESTIONS: [&str; 2] = ["authentication.k8s.io", "authorization.k8s.io"];
const WRITES: [&str; 5] = ["create", "update", "patch", "delete", "deletecollection"];

/// A position in the log, in bytes. [`AuditLog::entries_since`] reads what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark(u64);

/// The purpose of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// A read of existing objects.
    Read,
    /// A `create` that stores nothing: an access review or a token review.
    Review,
    /// A write with `dryRun`.
    DryRun,
    /// A write of a lock's Lease.
    Lock,
    /// A write of the journal's Secret.
    Journal,
    /// Any other write, accepted or rejected.
    Write,
}

/// One answered request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The certificate's user.
    pub user: String,
    /// The impersonated user, with `--as`.
    pub as_user: Option<String>,
    /// `get`, `list`, `create`, `patch`, …
    pub verb: String,
    /// The API group; empty for the core.
    pub group: String,
    /// The resource, such as `customresourcedefinitions`; empty for other paths.
    pub resource: String,
    /// The subresource, such as `status` or `scale`; mostly empty.
    pub subresource: String,
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    /// Name of the object; empty if the server generated it, and for collections.
    pub name: String,
    /// Path and query.
    pub uri: String,
    /// The HTTP status of the answer.
    pub code: u16,
    /// The client's user agent. It proves nothing.
    pub user_agent: String,
    /// Time when the server had received the request.
    pub received: Timestamp,
    /// Time when the server had answered.
    pub answered: Timestamp,
}

impl Entry {
    /// What the request was for.
    #[must_use]
    pub fn act(&self) -> Act {
        if !WRITES.contains(&self.verb.as_str()) {
            Act::Read
        } else if QUESTIONS.contains(&self.group.as_str()) && self.resource.ends_with("reviews") {
            Act::Review
        } else if self.query("dryRun").is_some() {
            Act::DryRun
        } else if self.group == "coordination.k8s.io" {
            Act::Lock
        } else if self.is_record_of_run() {
            Act::Journal
        } else {
            Act::Write
        }
    }

    /// Whether it writes what a run says of itself: the journal, the copy of the backup, the result.
    fn is_record_of_run(&self) -> bool {
        match self.resource.as_str() {
            "secrets" => self.name == "mural-journal" || self.name.starts_with("mural-backup-"),
            "configmaps" => self.name == "mural-result",
            _ => false,
        }
    }

    /// Whether the server accepted the request.
    #[must_use]
    pub const fn succeeded(&self) -> bool {
        self.code >= 200 && self.code < 300
    }

    /// Whether it writes a CustomResourceDefinition or its status.
    #[must_use]
    pub fn is_crd(&self) -> bool {
        self.group == "apiextensions.k8s.io" && self.resource == "customresourcedefinitions"
    }

    /// Whether it writes helm's record of a revision of this release.
    #[must_use]
    pub fn is_record_of(&self, release: &str) -> bool {
        let revision = self
            .name
            .strip_prefix("sh.helm.release.v1.")
            .and_then(|name| name.strip_prefix(release))
            .and_then(|name| name.strip_prefix(".v"));
        self.resource == "secrets" && revision.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
    }

    /// The client's field manager, percent-encoded.
    #[must_use]
    pub fn field_manager(&self) -> Option<&str> {
        self.query("fieldManager")
    }

    fn query(&self, key: &str) -> Option<&str> {
        let (_, query) = self.uri.split_once('?')?;
        query.split('&').filter_map(|pair| pair.split_once('=')).find(|(name, _)| *name == key).map(|(_, value)| value)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, verb, uri, code, received, .. } = self;
        write!(f, "{received} {user} {verb} {uri} -> {code}")
    }
}

/// Whether `a` was answered before `b` arrived. Overlapping requests have no order.
#[must_use]
pub fn ends_before(a: &Entry, b: &Entry) -> bool {
    a.answered < b.received
}

/// The user's writes, without dry-runs, reviews, locks and the journal. They include rejected writes, see
/// [`Entry::succeeded`].
#[must_use]
pub fn writes_by<'a>(entries: &'a [Entry], user: &str) -> Vec<&'a Entry> {
    acts_by(entries, user, Act::Write)
}

/// This user's dry-runs.
#[must_use]
pub fn dry_runs_by<'a>(entries: &'a [Entry], user: &str) -> Vec<&'a Entry> {
    acts_by(entries, user, Act::DryRun)
}

/// The user's writes of the journal.
#[must_use]
pub fn journal_by<'a>(entries: &'a [Entry], user: &str) -> Vec<&'a Entry> {
    acts_by(entries, user, Act::Journal)
}

/// The user's writes of locks.
#[must_use]
pub fn locks_by<'a>(entries: &'a [Entry], user: &str) -> Vec<&'a Entry> {
    acts_by(entries, user, Act::Lock)
}

fn acts_by<'a>(entries: &'a [Entry], user: &str, act: Act) -> Vec<&'a Entry> {
    entries.iter().filter(|entry| entry.user == user && entry.act() == act).collect()
}

/// Makes sure that every earlier request was answered before any later one arrived.
///
/// # Errors
/// The message contains the first pair in the wrong order. An empty side is an error, because it would prove nothing.
pub fn all_before(earlier: &[&Entry], later: &[&Entry]) -> Result<()> {
    let last =
        earlier.iter().max_by_key(|entry| entry.answered).context("nothing that should come first is in the log")?;
    let next =
        later.iter().min_by_key(|entry| entry.received).context("nothing that should come after is in the log")?;
    ensure!(ends_before(last, next), "not in order:\n  {last}\n  should have been answered before\n  {next}");
    Ok(())
}

/// Makes sure that every write of a CRD came before the first write of an application object.
///
/// `application` selects the application's objects; other writes, such as the CRD chart's record, are ignored.
///
/// # Errors
/// See [`all_before`].
pub fn crds_first(writes: &[&Entry], application: impl Fn(&Entry) -> bool) -> Result<()> {
    let (crds, others): (Vec<&Entry>, Vec<&Entry>) = writes.iter().copied().partition(|entry| entry.is_crd());
    let others: Vec<&Entry> = others.into_iter().filter(|entry| application(entry)).collect();
    all_before(&crds, &others)
}

/// The log of one API server.
#[derive(Debug, Clone)]
pub struct AuditLog {
    file: PathBuf,
}

impl AuditLog {
    /// Reads the log from this file.
    #[must_use]
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Self { file: file.into() }
    }

    /// Path of the log.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The current end of the log. The server logs a request before it answers, so every request answered so far is
    /// before the mark.
    ///
    /// # Errors
    /// The file does not exist.
    pub fn mark(&self) -> Result<Mark> {
        let length = std::fs::metadata(&self.file).with_context(|| self.file.display().to_string())?.len();
        Ok(Mark(length))
    }

    /// The entries after the mark, in the order of the file, without an incomplete last line.
    ///
    /// # Errors
    /// The file cannot be read, is shorter than the mark, or contains a line that is not an audit event.
    pub fn entries_since(&self, mark: Mark) -> Result<Vec<Entry>> {
        let read = || -> Result<Vec<u8>> {
            let mut file = std::fs::File::open(&self.file)?;
            ensure!(file.metadata()?.len() >= mark.0, "it is shorter than it was: it was started again");
            file.seek(SeekFrom::Start(mark.0))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        entries(&read().with_context(|| self.file.display().to_string())?)
    }

    /// The whole log.
    ///
    /// # Errors
    /// See [`AuditLog::entries_since`].
    pub fn all(&self) -> Result<Vec<Entry>> {
        self.entries_since(Mark(0))
    }
}

/// Parses JSON lines. Text after the last newline is incomplete and ignored.
fn entries(bytes: &[u8]) -> Result<Vec<Entry>> {
    let finished = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let lines = bytes[..finished].split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let events = lines.map(|line| {
        serde_json::from_slice::<Event>(line)
            .with_context(|| format!("no audit event: {}", String::from_utf8_lossy(line)))
    });
    // A long request (a watch) has two entries; the one with the answer counts.
    events
        .filter(|event| event.as_ref().is_ok_and(|event| event.stage != "ResponseStarted") || event.is_err())
        .map(|event| event.map(Entry::from))
        .collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    stage: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    verb: String,
    user: User,
    impersonated_user: Option<User>,
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    object_ref: ObjectRef,
    response_status: Option<ResponseStatus>,
    request_received_timestamp: Timestamp,
    stage_timestamp: Timestamp,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ObjectRef {
    resource: String,
    subresource: String,
    api_group: String,
    namespace: String,
    name: String,
}

#[derive(Deserialize)]
struct ResponseStatus {
    #[serde(default)]
    code: u16,
}

impl From<Event> for Entry {
    fn from(event: Event) -> Self {
        Self {
            user: event.user.username,
            as_user: event.impersonated_user.map(|user| user.username),
            verb: event.verb,
            group: event.object_ref.api_group,
            resource: event.object_ref.resource,
            subresource: event.object_ref.subresource,
            namespace: event.object_ref.namespace,
            name: event.object_ref.name,
            uri: event.request_uri,
            code: event.response_status.map_or(0, |status| status.code),
            user_agent: event.user_agent,
            received: event.request_received_timestamp,
            answered: event.stage_timestamp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDED: &str = include_str!("../samples/audit.log");

    fn recorded() -> Vec<Entry> {
        entries(RECORDED.as_bytes()).unwrap()
    }

    fn of(user: &str, verb: &str, resource: &str) -> Entry {
        recorded().into_iter().find(|e| e.user == user && e.verb == verb && e.resource == resource).unwrap()
    }

    #[test]
    fn a_line_that_is_not_finished_is_left_out() {
        let whole = recorded().len();
        let cut = RECORDED.trim_end().len() - 10;
        assert_eq!(entries(&RECORDED.as_bytes()[..cut]).unwrap().len(), whole - 1);
        assert_eq!(entries(b"{\"kind\":").unwrap(), []);
        assert!(entries(b"{\"kind\":\n").is_err());
    }

    #[test]
    fn questions_and_dry_runs_are_no_writes() {
        let log = recorded();
        assert_eq!(of("operator", "create", "selfsubjectreviews").act(), Act::Review);
        assert_eq!(of("operator", "create", "selfsubjectaccessreviews").act(), Act::Review);
        let dry = dry_runs_by(&log, "operator");
        assert_eq!(dry.len(), 1);
        assert!(dry[0].is_crd() && dry[0].field_manager() == Some("kubectl"), "{}", dry[0]);
        let verbs: Vec<String> =
            writes_by(&log, "operator").iter().map(|e| format!("{} {}", e.verb, e.resource)).collect();
        let expected = [
            "patch customresourcedefinitions",
            "create secrets",
            "patch configmaps",
            "update secrets",
            "create configmaps",
            "delete configmaps",
        ];
        assert_eq!(verbs, expected);
    }

    #[test]
    fn a_lock_is_no_write() {
        let mut lease = of("operator", "create", "secrets");
        (lease.group, lease.resource) = ("coordination.k8s.io".into(), "leases".into());
        assert_eq!(lease.act(), Act::Lock);
        lease.uri += "?dryRun=All";
        assert_eq!(lease.act(), Act::DryRun);
    }

    #[test]
    fn a_refused_write_was_meant_and_did_not_succeed() {
        let log = recorded();
        let refused = writes_by(&log, "viewer");
        assert_eq!((refused.len(), refused[0].code, refused[0].succeeded()), (1, 403, false));
        let as_viewer: Vec<_> = log.iter().filter(|e| e.as_user.as_deref() == Some("viewer")).collect();
        assert_eq!((as_viewer.len(), as_viewer[0].user.as_str()), (1, "operator"));
    }

    #[test]
    fn helms_records_are_known_by_release() {
        let record = of("operator", "create", "secrets");
        assert!(record.is_record_of("demo") && !record.is_record_of("de"), "{record}");
    }

    #[test]
    fn order_is_proved_only_where_requests_do_not_overlap() {
        let (crd, mut map) =
            (of("operator", "patch", "customresourcedefinitions"), of("operator", "patch", "configmaps"));
        assert!(ends_before(&crd, &map) && !ends_before(&map, &crd));
        assert!(crds_first(&[&crd, &map], |_| true).is_ok());
        assert!(crds_first(&[&crd, &map], |_| false).is_err(), "nothing to compare with proves nothing");
        map.received = crd.answered;
        assert!(!ends_before(&crd, &map) && crds_first(&[&crd, &map], |_| true).is_err());
    }

    #[test]
    fn only_entries_after_a_mark_are_returned() {
        let folder = tempfile::tempdir().unwrap();
        let log = AuditLog::new(folder.path().join("audit.log"));
        let (first, rest) = RECORDED.split_at(RECORDED.find('\n').unwrap() + 1);
        std::fs::write(log.file(), first).unwrap();
        let mark = log.mark().unwrap();
        std::fs::write(log.file(), RECORDED).unwrap();
        assert_eq!(log.entries_since(mark).unwrap(), entries(rest.as_bytes()).unwrap());
        std::fs::write(log.file(), "").unwrap();
        assert!(log.entries_since(mark).is_err(), "a log that was started again has lost earlier entries");
    }
}
