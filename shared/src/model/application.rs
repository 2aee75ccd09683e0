//! What is known of the application's objects: as they live, and what the server says of what they shall become.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::dry_run::DryRunRejection;
use super::object::ObjectRef;
use super::observed::{Observed, ReadFailure};
use super::release::ReleaseRecord;
use super::secret::Hidden;
use super::served_kinds::ServedKinds;

/// The application's objects on the cluster, as far as they could be read. They hold secrets.
#[derive(Debug, Clone, Default)]
pub struct LiveObjects {
    objects: BTreeMap<(String, String, String, String), Hidden<Value>>,
    /// Kinds that could not be read, by `group/kind`.
    read_failures: BTreeMap<(String, String), ReadFailure>,
}

impl LiveObjects {
    /// Keeps an object as it lives.
    pub fn insert(&mut self, object: Value, namespace: &str) {
        if let Some(named) = ObjectRef::from_manifest(&object) {
            self.objects.insert(object_key(&named, namespace), Hidden::new(object));
        }
    }

    /// Remembers that a kind could not be read.
    pub fn insert_failure(&mut self, object: &ObjectRef, failure: ReadFailure) {
        self.read_failures.insert((object.group().to_owned(), object.kind.clone()), failure);
    }

    /// The object as it lives; `Ok(None)` where there is none. A missing namespace is the release's own.
    ///
    /// # Errors
    /// Objects of its kind could not be read.
    pub fn get(&self, object: &ObjectRef, namespace: &str) -> Result<Option<&Value>, &ReadFailure> {
        match self.read_failures.get(&(object.group().to_owned(), object.kind.clone())) {
            Some(failure) => Err(failure),
            None => Ok(self.objects.get(&object_key(object, namespace)).map(Hidden::reveal)),
        }
    }

    /// What could not be read.
    pub fn read_failures(&self) -> impl Iterator<Item = &ReadFailure> {
        self.read_failures.values()
    }
}

/// Cluster-scoped objects are queried with the release's namespace too, which they do not have.
fn object_key(object: &ObjectRef, namespace: &str) -> (String, String, String, String) {
    let place = if object.namespace.is_empty() || object.namespace == namespace { "" } else { &object.namespace };
    (object.group().to_owned(), object.kind.clone(), place.to_owned(), object.name.clone())
}

/// The API server's answer to the dry run of one object that helm would write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DryRunAnswer {
    /// The server would write it.
    Accepted,
    /// The server refuses it. Secrets are masked.
    Rejected(DryRunRejection),
    /// The server did not judge the object; the reason.
    NoAnswer(String),
    /// No request was sent, on purpose; the reason.
    NotAsked(&'static str),
}

/// One object and the server's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectForecast {
    /// The object.
    pub object: ObjectRef,
    /// What the server says.
    pub answer: DryRunAnswer,
    /// The warnings that came with the answer, secrets masked.
    pub warnings: Vec<String>,
}

/// How helm writes objects that are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApplyMethod {
    /// A patch that helm works out itself: helm 3, and helm 4 for a release that helm 3 made.
    #[default]
    ClientSide,
    /// A server-side apply as the manager `helm`: helm 4 for a release that it made.
    ServerSide,
}

impl ApplyMethod {
    /// The method of a release: helm 4 records it, helm 3 does not.
    #[must_use]
    pub fn of_record(record: &ReleaseRecord) -> Self {
        if record.apply_method == "ssa" { Self::ServerSide } else { Self::ClientSide }
    }
}

/// All that is known of the application's objects.
#[derive(Debug, Clone)]
pub struct ApplicationState {
    /// Which kinds are served.
    pub kinds: Observed<ServedKinds>,
    /// The manifest that helm compares the next one with.
    pub stored_objects: Hidden<Vec<Value>>,
    /// The objects as they live.
    pub live_objects: LiveObjects,
    /// What the server says of each object that would be written.
    pub forecasts: Vec<ObjectForecast>,
    /// How helm would write.
    pub apply_method: ApplyMethod,
}
