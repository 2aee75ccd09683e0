//! EFFECTS: an object as it changes. A watch costs one request where polling costs one a second; where it is refused, we poll.
//!
//! Source: Kubernetes API concepts, "Efficient detection of changes".

use std::pin::Pin;
use std::time::{Duration, Instant};

use futures::{FutureExt, Stream, StreamExt};
use http::Request;
use kube::core::WatchEvent;
use serde_json::Value;

use super::{ACCEPT_METADATA_LIST, ApiError, Cluster, error};

/// Between two readings where nothing can be watched: quick at first, since most of it takes a second or two, then at leisure.
const FAST_POLL_INTERVAL: Duration = Duration::from_millis(200);
const FAST_POLL_DURATION: Duration = Duration::from_secs(10);
const SLOW_POLL_INTERVAL: Duration = Duration::from_secs(1);
/// So long a watch is asked for; then a new one is.
const WATCH_TIMEOUT: Duration = Duration::from_secs(300);
/// A connection can die without a word: what is watched is read again this often.
const RESYNC_INTERVAL: Duration = Duration::from_secs(30);
/// A watch that ends sooner is none: something on the way does not let it through.
const MIN_WATCH_DURATION: Duration = Duration::from_secs(2);

type EventStream = Pin<Box<dyn Stream<Item = Result<WatchEvent<Value>, ApiError>> + Send>>;

/// A watch, where one is to be had.
#[derive(Default)]
struct WatchStream {
    open: Option<(Instant, EventStream)>,
    /// No watch is to be had here.
    is_unsupported: bool,
}

impl WatchStream {
    /// Begins to watch, where that is not done already.
    async fn start(&mut self, cluster: &Cluster, collection: &str, query: &str, accept: &str) {
        if self.open.is_some() || self.is_unsupported {
            return;
        }
        match cluster.watch_events(collection, query, accept).await {
            Ok(events) => self.open = Some((Instant::now(), events)),
            // What does not answer is asked again at the next reading; what refuses would refuse again.
            Err(ApiError::Rejected { .. }) => self.is_unsupported = true,
            Err(_) => {}
        }
    }

    /// It has broken off.
    fn close_broken(&mut self) {
        self.is_unsupported |= self.open.take().is_some_and(|(opened, _)| opened.elapsed() < MIN_WATCH_DURATION);
    }
}

/// One object, watched.
pub struct ObjectWatcher {
    cluster: Cluster,
    /// Where it may be served, the newest version first; after the first reading the one where it is.
    paths: Vec<String>,
    last_object: Option<Value>,
    began: Instant,
    last_read: Instant,
    stream: WatchStream,
}

impl ObjectWatcher {
    /// The object at one of these paths. Nothing is asked for yet.
    #[must_use]
    pub fn new(cluster: &Cluster, paths: Vec<String>) -> Self {
        let (began, last_read) = (Instant::now(), Instant::now());
        Self { cluster: cluster.clone(), paths, last_object: None, began, last_read, stream: WatchStream::default() }
    }

    /// The object as it is: at once at the first call, then when it has changed, at the latest after `at_most`. None: it is not there.
    ///
    /// # Errors
    /// The server refuses the reading or does not answer. Asked again, it is tried again.
    pub async fn next(&mut self, at_most: Duration) -> Result<Option<Value>, ApiError> {
        if self.last_object.is_none() {
            return self.reread().await;
        }
        let Some((_, events)) = &mut self.stream.open else {
            tokio::time::sleep(self.poll_interval().min(at_most)).await;
            return self.reread().await;
        };
        match tokio::time::timeout(at_most, events.next()).await {
            Err(_) if self.last_read.elapsed() < RESYNC_INTERVAL => Ok(self.last_object.clone()),
            Err(_) => self.reread().await,
            Ok(Some(Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)))) => {
                self.last_object = Some(object);
                Ok(self.last_object.clone())
            }
            Ok(Some(Ok(WatchEvent::Bookmark(_)))) => Ok(self.last_object.clone()),
            Ok(Some(Ok(WatchEvent::Deleted(_)))) => {
                (self.stream.open, self.last_object) = (None, None);
                Ok(None)
            }
            Ok(Some(Ok(WatchEvent::Error(_)) | Err(_)) | None) => {
                self.stream.close_broken();
                self.reread().await
            }
        }
    }

    fn poll_interval(&self) -> Duration {
        if self.began.elapsed() < FAST_POLL_DURATION { FAST_POLL_INTERVAL } else { SLOW_POLL_INTERVAL }
    }

    /// Reads it, and begins to watch from there.
    async fn reread(&mut self) -> Result<Option<Value>, ApiError> {
        self.last_read = Instant::now();
        self.last_object = self.read_object().await?;
        self.start_watch().await;
        Ok(self.last_object.clone())
    }

    async fn read_object(&mut self) -> Result<Option<Value>, ApiError> {
        for at in 0..self.paths.len() {
            let Some(path) = self.paths.get(at).cloned() else { break };
            match self.cluster.get(&path).await {
                Err(error) if error.is_not_found() => {}
                other => {
                    let found = other?;
                    self.paths = vec![path];
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    async fn start_watch(&mut self) {
        let Some((version, path)) = self.last_object.as_ref().and_then(resource_version).zip(self.paths.first()) else {
            return;
        };
        let Some((collection, name)) = path.rsplit_once('/') else { return };
        let query = format!("fieldSelector=metadata.name%3D{name}&resourceVersion={version}");
        self.stream.start(&self.cluster, collection, &query, "application/json").await;
    }
}

fn resource_version(object: &Value) -> Option<String> {
    object.pointer("/metadata/resourceVersion")?.as_str().map(str::to_owned)
}

/// Whether anything of a kind has changed in a namespace, at the price of one request for all the time.
pub struct ChangeWatcher {
    cluster: Cluster,
    collection: String,
    stream: WatchStream,
}

impl ChangeWatcher {
    /// Of this collection. Nothing is asked for yet.
    #[must_use]
    pub fn new(cluster: &Cluster, collection: String) -> Self {
        Self { cluster: cluster.clone(), collection, stream: WatchStream::default() }
    }

    /// Whether anything has changed since it was asked last; also true where that cannot be told, as at the first time.
    pub async fn has_changed(&mut self) -> bool {
        let Some((_, events)) = &mut self.stream.open else {
            self.stream.start(&self.cluster, &self.collection, "", ACCEPT_METADATA_LIST).await;
            return true;
        };
        let mut changed = false;
        loop {
            match events.next().now_or_never() {
                None => return changed,
                Some(Some(Ok(WatchEvent::Error(_)) | Err(_)) | None) => {
                    self.stream.close_broken();
                    return true;
                }
                Some(Some(Ok(_))) => changed = true,
            }
        }
    }
}

impl Cluster {
    /// A watch of a collection, from now on or from the version that the query names.
    ///
    /// # Errors
    /// The server refuses it, or does not answer in time.
    async fn watch_events(&self, collection: &str, query: &str, accept: &str) -> Result<EventStream, ApiError> {
        let seconds = WATCH_TIMEOUT.as_secs();
        let separator = if query.is_empty() { "" } else { "&" };
        let path = format!("{collection}?watch=true&timeoutSeconds={seconds}{separator}{query}");
        let request = Request::builder().uri(path).header("Accept", accept).body(Vec::new());
        let request = request.map_err(|error| ApiError::from_cause(&self.server, &error))?;
        let opened = tokio::time::timeout(self.request_timeout, self.client.request_events::<Value>(request)).await;
        let silent = |_| ApiError::Timeout { server: self.server.clone(), seconds: self.request_timeout.as_secs() };
        let (server, login) = (self.server.clone(), self.login.clone());
        let events =
            opened.map_err(silent)?.map_err(|error| error::from_kube_error(&self.server, &self.login, error))?;
        Ok(events.map(move |event| event.map_err(|cause| error::from_kube_error(&server, &login, cause))).boxed())
    }
}
