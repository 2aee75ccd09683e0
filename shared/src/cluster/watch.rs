//! EFFECTS: an object as it changes. A watch costs one request where polling costs one a second; where it is refused, we poll.
//!
//! Source: Kubernetes API concepts, "Efficient detection of changes".

use std::pin::Pin;
use std::time::{Duration, Instant};

use futures::{FutureExt, Stream, StreamExt};
use http::Request;
use kube::core::WatchEvent;
use serde_json::Value;

use super::{ApiError, Cluster, METADATA_LIST, error};

/// Between two readings where nothing can be watched: quick at first, since most of it takes a second or two, then at leisure.
const QUICK: Duration = Duration::from_millis(200);
const QUICK_FOR: Duration = Duration::from_secs(10);
const SLOW: Duration = Duration::from_secs(1);
/// So long a watch is asked for; then a new one is.
const WATCH_FOR: Duration = Duration::from_secs(300);
/// A connection can die without a word: what is watched is read again this often.
const READ_ANYWAY: Duration = Duration::from_secs(30);
/// A watch that ends sooner is none: something on the way does not let it through.
const TOO_SHORT: Duration = Duration::from_secs(2);

type Events = Pin<Box<dyn Stream<Item = Result<WatchEvent<Value>, ApiError>> + Send>>;

/// A watch, where one is to be had.
#[derive(Default)]
struct Feed {
    open: Option<(Instant, Events)>,
    /// No watch is to be had here.
    refused: bool,
}

impl Feed {
    /// Begins to watch, where that is not done already.
    async fn begin(&mut self, cluster: &Cluster, collection: &str, query: &str, accept: &str) {
        if self.open.is_some() || self.refused {
            return;
        }
        match cluster.events(collection, query, accept).await {
            Ok(events) => self.open = Some((Instant::now(), events)),
            // What does not answer is asked again at the next reading; what refuses would refuse again.
            Err(ApiError::Refused { .. }) => self.refused = true,
            Err(_) => {}
        }
    }

    /// It has broken off.
    fn broken(&mut self) {
        self.refused |= self.open.take().is_some_and(|(opened, _)| opened.elapsed() < TOO_SHORT);
    }
}

/// One object, watched.
pub struct Watched {
    cluster: Cluster,
    /// Where it may be served, the newest version first; after the first reading the one where it is.
    paths: Vec<String>,
    last: Option<Value>,
    began: Instant,
    read: Instant,
    feed: Feed,
}

impl Watched {
    /// The object at one of these paths. Nothing is asked for yet.
    #[must_use]
    pub fn new(cluster: &Cluster, paths: Vec<String>) -> Self {
        let (began, read) = (Instant::now(), Instant::now());
        Self { cluster: cluster.clone(), paths, last: None, began, read, feed: Feed::default() }
    }

    /// The object as it is: at once at the first call, then when it has changed, at the latest after `at_most`. None: it is not there.
    ///
    /// # Errors
    /// The server refuses the reading or does not answer. Asked again, it is tried again.
    pub async fn next(&mut self, at_most: Duration) -> Result<Option<Value>, ApiError> {
        if self.last.is_none() {
            return self.read_again().await;
        }
        let Some((_, events)) = &mut self.feed.open else {
            tokio::time::sleep(self.pause().min(at_most)).await;
            return self.read_again().await;
        };
        match tokio::time::timeout(at_most, events.next()).await {
            Err(_) if self.read.elapsed() < READ_ANYWAY => Ok(self.last.clone()),
            Err(_) => self.read_again().await,
            Ok(Some(Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)))) => {
                self.last = Some(object);
                Ok(self.last.clone())
            }
            Ok(Some(Ok(WatchEvent::Bookmark(_)))) => Ok(self.last.clone()),
            Ok(Some(Ok(WatchEvent::Deleted(_)))) => {
                (self.feed.open, self.last) = (None, None);
                Ok(None)
            }
            Ok(Some(Ok(WatchEvent::Error(_)) | Err(_)) | None) => {
                self.feed.broken();
                self.read_again().await
            }
        }
    }

    fn pause(&self) -> Duration {
        if self.began.elapsed() < QUICK_FOR { QUICK } else { SLOW }
    }

    /// Reads it, and begins to watch from there.
    async fn read_again(&mut self) -> Result<Option<Value>, ApiError> {
        self.read = Instant::now();
        self.last = self.read().await?;
        self.watch().await;
        Ok(self.last.clone())
    }

    async fn read(&mut self) -> Result<Option<Value>, ApiError> {
        for at in 0..self.paths.len() {
            let Some(path) = self.paths.get(at).cloned() else { break };
            match self.cluster.get(&path).await {
                Err(error) if error.not_found() => {}
                other => {
                    let found = other?;
                    self.paths = vec![path];
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    async fn watch(&mut self) {
        let Some((version, path)) = self.last.as_ref().and_then(version).zip(self.paths.first()) else { return };
        let Some((collection, name)) = path.rsplit_once('/') else { return };
        let query = format!("fieldSelector=metadata.name%3D{name}&resourceVersion={version}");
        self.feed.begin(&self.cluster, collection, &query, "application/json").await;
    }
}

fn version(object: &Value) -> Option<String> {
    object.pointer("/metadata/resourceVersion")?.as_str().map(str::to_owned)
}

/// Whether anything of a kind has changed in a namespace, at the price of one request for all the time.
pub struct Changes {
    cluster: Cluster,
    collection: String,
    feed: Feed,
}

impl Changes {
    /// Of this collection. Nothing is asked for yet.
    #[must_use]
    pub fn of(cluster: &Cluster, collection: String) -> Self {
        Self { cluster: cluster.clone(), collection, feed: Feed::default() }
    }

    /// Whether anything has changed since it was asked last; also true where that cannot be told, as at the first time.
    pub async fn any(&mut self) -> bool {
        let Some((_, events)) = &mut self.feed.open else {
            self.feed.begin(&self.cluster, &self.collection, "", METADATA_LIST).await;
            return true;
        };
        let mut any = false;
        loop {
            match events.next().now_or_never() {
                None => return any,
                Some(Some(Ok(WatchEvent::Error(_)) | Err(_)) | None) => {
                    self.feed.broken();
                    return true;
                }
                Some(Some(Ok(_))) => any = true,
            }
        }
    }
}

impl Cluster {
    /// A watch of a collection, from now on or from the version that the query names.
    ///
    /// # Errors
    /// The server refuses it, or does not answer in time.
    async fn events(&self, collection: &str, query: &str, accept: &str) -> Result<Events, ApiError> {
        let seconds = WATCH_FOR.as_secs();
        let separator = if query.is_empty() { "" } else { "&" };
        let path = format!("{collection}?watch=true&timeoutSeconds={seconds}{separator}{query}");
        let request = Request::builder().uri(path).header("Accept", accept).body(Vec::new());
        let request = request.map_err(|error| ApiError::unreachable(&self.server, &error))?;
        let opened = tokio::time::timeout(self.answer_within, self.client.request_events::<Value>(request)).await;
        let silent = |_| ApiError::Silent { server: self.server.clone(), seconds: self.answer_within.as_secs() };
        let server = self.server.clone();
        let events = opened.map_err(silent)?.map_err(|error| error::api(&self.server, error))?;
        Ok(events.map(move |event| event.map_err(|cause| error::api(&server, cause))).boxed())
    }
}
