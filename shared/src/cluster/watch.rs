//! Follows an object while it changes.
//!
//! A watch costs one request where polling costs one per second. If the server or a proxy does not allow a watch, this module polls
//! with growing intervals. Waits in `run/` use it and never see the difference.
//! Source: <https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes>

use std::pin::Pin;
use std::time::{Duration, Instant};

use futures::{FutureExt, Stream, StreamExt};
use http::Request;
use kube::core::WatchEvent;
use serde_json::Value;

use super::{ACCEPT_METADATA_LIST, ApiError, Cluster, error};

/// Polling intervals without a watch: short at first, since most changes take 1 to 2 s.
const FAST_POLL_INTERVAL: Duration = Duration::from_millis(200);
const FAST_POLL_DURATION: Duration = Duration::from_secs(10);
const SLOW_POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Duration of one watch; then a new one starts.
const WATCH_TIMEOUT: Duration = Duration::from_secs(300);
/// A connection can die silently: the object is read again at this interval.
const RESYNC_INTERVAL: Duration = Duration::from_secs(30);
/// A watch that ends sooner does not work: a proxy between us and the server cuts it.
const MIN_WATCH_DURATION: Duration = Duration::from_secs(2);

type EventStream = Pin<Box<dyn Stream<Item = Result<WatchEvent<Value>, ApiError>> + Send>>;

/// A watch, if the server allows one.
#[derive(Default)]
struct WatchStream {
    open: Option<(Instant, EventStream)>,
    /// Watches do not work here.
    is_unsupported: bool,
}

impl WatchStream {
    /// Starts the watch unless it runs.
    async fn start(&mut self, cluster: &Cluster, collection: &str, query: &str, accept: &str) {
        if self.open.is_some() || self.is_unsupported {
            return;
        }
        match cluster.watch_events(collection, query, accept).await {
            Ok(events) => self.open = Some((Instant::now(), events)),
            // An outage is retried at the next reading; a rejection would repeat.
            Err(ApiError::Rejected { .. }) => self.is_unsupported = true,
            Err(_) => {}
        }
    }

    /// The watch ended.
    fn close_broken(&mut self) {
        self.is_unsupported |= self.open.take().is_some_and(|(opened, _)| opened.elapsed() < MIN_WATCH_DURATION);
    }
}

/// One object, watched.
pub struct ObjectWatcher {
    cluster: Cluster,
    /// Possible paths, newest version first. After the first reading: the one that exists.
    paths: Vec<String>,
    last_object: Option<Value>,
    began: Instant,
    last_read: Instant,
    stream: WatchStream,
}

impl ObjectWatcher {
    /// Prepares to follow the object at one of these paths. Sends nothing yet.
    #[must_use]
    pub fn new(cluster: &Cluster, paths: Vec<String>) -> Self {
        let (began, last_read) = (Instant::now(), Instant::now());
        Self { cluster: cluster.clone(), paths, last_object: None, began, last_read, stream: WatchStream::default() }
    }

    /// The object: immediately at the first call, then after a change, at the latest after `at_most`. `None`: it does not exist.
    ///
    /// # Errors
    /// The API server rejects the request or does not answer. The next call retries.
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

    /// Reads the object and starts the watch from its version.
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

/// Whether any object of a kind has changed in a namespace, with one watch.
pub struct ChangeWatcher {
    cluster: Cluster,
    collection: String,
    stream: WatchStream,
}

impl ChangeWatcher {
    /// Prepares to follow this collection. Sends nothing yet.
    #[must_use]
    pub fn new(cluster: &Cluster, collection: String) -> Self {
        Self { cluster: cluster.clone(), collection, stream: WatchStream::default() }
    }

    /// Whether an object changed since the last call. True if that is unknown, as at the first call.
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
    /// Starts a watch of a collection, from now or from the version in the query.
    ///
    /// # Errors
    /// The API server rejects the watch or does not answer in time.
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
