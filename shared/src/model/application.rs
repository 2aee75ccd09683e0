//! What is known of the application's objects: as they live, and what the server says of what they shall become.

use std::collections::BTreeMap;

use serde_json::Value;

use super::kinds::Kinds;
use super::object::ObjectRef;
use super::secret::Hidden;
use super::view::{Looked, NotSeen};

/// The application's objects on the cluster, as far as they could be read. They hold secrets.
#[derive(Debug, Clone, Default)]
pub struct Live {
    objects: BTreeMap<(String, String, String, String), Hidden<Value>>,
    /// Kinds that could not be read, by `group/kind`.
    unread: BTreeMap<(String, String), NotSeen>,
}

impl Live {
    /// Keeps an object as it lives.
    pub fn keep(&mut self, object: Value, namespace: &str) {
        if let Some(named) = ObjectRef::of(&object) {
            self.objects.insert(key(&named, namespace), Hidden::new(object));
        }
    }

    /// Remembers that a kind could not be read.
    pub fn keep_unread(&mut self, object: &ObjectRef, not_seen: NotSeen) {
        self.unread.insert((object.group().to_owned(), object.kind.clone()), not_seen);
    }

    /// The object as it lives; `Ok(None)` where there is none. A missing namespace is the release's own.
    ///
    /// # Errors
    /// Objects of its kind could not be read.
    pub fn get(&self, object: &ObjectRef, namespace: &str) -> Result<Option<&Value>, &NotSeen> {
        match self.unread.get(&(object.group().to_owned(), object.kind.clone())) {
            Some(not_seen) => Err(not_seen),
            None => Ok(self.objects.get(&key(object, namespace)).map(Hidden::reveal)),
        }
    }

    /// What could not be read.
    pub fn unread(&self) -> impl Iterator<Item = &NotSeen> {
        self.unread.values()
    }
}

/// Objects of the cluster are asked for with the release's namespace too, which they do not have.
fn key(object: &ObjectRef, namespace: &str) -> (String, String, String, String) {
    let place = if object.namespace.is_empty() || object.namespace == namespace { "" } else { &object.namespace };
    (object.group().to_owned(), object.kind.clone(), place.to_owned(), object.name.clone())
}

/// What the server says of one object that helm would write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It would be written.
    Accepted,
    /// It would not, in the server's own words, secrets masked.
    Refused {
        /// The HTTP status.
        code: u16,
        /// The server's sentence.
        words: String,
    },
    /// The server could not be asked, and why: no word about the object.
    Unknown(String),
    /// It was not asked on purpose, and why.
    NotAsked(&'static str),
}

/// One object and the server's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreseen {
    /// The object.
    pub object: ObjectRef,
    /// What the server says.
    pub answer: Answer,
}

/// How helm writes objects that are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// A patch that helm works out itself: helm 3, and helm 4 for a release that helm 3 made.
    #[default]
    ClientSide,
    /// A server-side apply as the manager `helm`: helm 4 for a release that it made.
    ServerSide,
}

/// All that is known of the application's objects.
#[derive(Debug, Clone)]
pub struct Application {
    /// Which kinds are served.
    pub kinds: Looked<Kinds>,
    /// The manifest that helm compares the next one with.
    pub stored: Hidden<Vec<Value>>,
    /// The objects as they live.
    pub live: Live,
    /// What the server says of each object that would be written.
    pub foreseen: Vec<Foreseen>,
    /// How helm would write.
    pub method: Method,
}
