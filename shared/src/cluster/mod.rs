//! EFFECTS: the Kubernetes API.
//!
//! [`Cluster`] is one API server with one identity and one time limit. This file is the only one that builds a client. Objects are
//! read and written as raw JSON; the modules below turn them into values of `model`. Nothing here judges: callers of the folder pass
//! closures. Failures are typed: `KubeconfigError` before the first request, [`ApiError`] afterwards.

pub mod admission_reader;
pub mod application_objects;
mod backup_archive;
pub mod backup_folder;
pub mod backup_secrets;
pub mod bundle_reader;
mod busy_retry;
pub mod conversion_reader;
pub mod crd_dry_run;
pub mod crd_reader;
mod dry_run;
pub mod error;
#[cfg(test)]
pub(crate) mod fake_api_server;
pub mod field_conflicts;
pub mod flux_reader;
pub mod health_reader;
pub mod journal_secret;
pub mod kubeconfig;
pub mod leases;
pub mod login;
pub mod object_judge;
pub mod openapi_documents;
mod outage_retry;
pub mod pages;
pub mod permission_reader;
pub mod rewrite;
pub mod run_result_map;
mod server_warnings;
pub mod storage_migration;
pub mod storage_version_wait;
pub mod stored_fields;
pub mod view_reader;
pub mod watch;

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::USER_AGENT;
use http::{HeaderValue, Method, Request};
use jiff::Timestamp;
use serde_json::Value;

use busy_retry::BusyBackoff;
pub use error::{ApiError, ClusterReadError};
pub use kubeconfig::KubeconfigError;
use login::Login;
use outage_retry::{MAX_OUTAGE_DURATION, OutageRetry, RETRY_INTERVAL};

use crate::ask::ClusterAccess;
use crate::model::token_expiry;
use crate::tools::activity_log::{self, Activity};

/// Objects per list page. CRDs are large: a page may have some megabytes.
const LIST_PAGE_SIZE: usize = 100;
/// Requests metadata only (meta.k8s.io/v1 `PartialObjectMetadata`).
const ACCEPT_METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const ACCEPT_METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
/// Time limit of one request. `--request-timeout` changes it.
const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// Our name in the cluster's audit log, next to the operator's kubectl and helm.
pub const USER_AGENT_VALUE: &str = concat!("mural/", env!("CARGO_PKG_VERSION"));

/// A connection to one API server with one identity.
#[derive(Clone)]
pub struct Cluster {
    client: kube::Client,
    config: kube::Config,
    login: Arc<Login>,
    /// The kubeconfig context.
    pub context: String,
    /// The API server's URL.
    pub server: String,
    /// When the kubeconfig's token expires. `None`: unknown, or no token.
    pub token_expiry: Option<Timestamp>,
    request_timeout: Duration,
    outage_retry: Arc<OutageRetry>,
}

impl Cluster {
    /// Reads the kubeconfig as kubectl does and prepares a client. Sends nothing yet, but runs a login plugin.
    ///
    /// # Errors
    /// The kubeconfig or the context is missing or not usable, or the login plugin fails.
    pub async fn connect(access: &ClusterAccess) -> Result<Self, KubeconfigError> {
        crate::tools::tls::install_provider();
        let kubeconfig = kubeconfig::read(access)?;
        let context = kubeconfig::choose_context(&kubeconfig, access.context.as_deref())?;
        let mut config = kubeconfig::build_config(&kubeconfig, &context, &access.variables.proxies)?;
        login::avoid_prompt(&mut config.auth_info, std::io::stdin().is_terminal());
        let login = Arc::new(Login::new(&config.auth_info));
        if access.impersonate.is_some() {
            config.auth_info.impersonate.clone_from(&access.impersonate);
            config.auth_info.impersonate_groups = Some(access.impersonate_groups.clone());
        }
        // `send_once` repeats requests itself, so that the server's answer stays the reason.
        config.default_retry = false;
        config.headers.push((USER_AGENT, HeaderValue::from_static(USER_AGENT_VALUE)));
        let request_timeout =
            access.request_timeout.filter(|limit| !limit.is_zero()).unwrap_or(DEFAULT_REQUEST_TIMEOUT);
        let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let token_expiry = read_token_expiry(&config);
        let client = build_client(config.clone(), &context, &login)?;
        Ok(Self { client, config, login, context, server, token_expiry, request_timeout, outage_retry: Arc::default() })
    }

    /// A connection through a client of a test.
    #[cfg(test)]
    pub(crate) fn from_client(client: kube::Client) -> Self {
        Self {
            client,
            config: kube::Config::new(http::Uri::from_static("https://fake")),
            login: Arc::default(),
            context: "fake".to_owned(),
            server: "https://fake".to_owned(),
            token_expiry: None,
            request_timeout: DEFAULT_REQUEST_TIMEOUT,
            outage_retry: Arc::default(),
        }
    }

    /// The same cluster over new connections: a load balancer may lead to another API server.
    ///
    /// # Errors
    /// As [`Cluster::connect`].
    pub fn reconnect(&self) -> Result<Self, KubeconfigError> {
        Ok(Self { client: build_client(self.config.clone(), &self.context, &self.login)?, ..self.clone() })
    }

    /// Sends one request and returns the answer as JSON.
    ///
    /// # Errors
    /// The API server rejects the request, does not answer in time, or does not answer in JSON.
    pub async fn request(&self, method: Method, path: &str, body: Option<(&str, &Value)>) -> Result<Value, ApiError> {
        let text = self.request_text(method, path, body).await?;
        serde_json::from_str(&text).map_err(|error| ApiError::from_cause(&self.server, &error))
    }

    /// As [`Cluster::request`], with the answer as text.
    async fn request_text(&self, method: Method, path: &str, body: Option<(&str, &Value)>) -> Result<String, ApiError> {
        let (kind, bytes) = match body {
            Some((kind, value)) => (kind, value.to_string().into_bytes()),
            None => ("application/json", Vec::new()),
        };
        self.send(Request::builder().method(method).uri(path).header("Content-Type", kind).body(bytes)).await
    }

    /// Reads one path in the form of the `Accept` header.
    ///
    /// # Errors
    /// As [`Cluster::request`].
    pub async fn get_as(&self, path: &str, accept: &str) -> Result<Value, ApiError> {
        let text = self.send(Request::builder().uri(path).header("Accept", accept).body(Vec::new())).await?;
        serde_json::from_str(&text).map_err(|error| ApiError::from_cause(&self.server, &error))
    }

    /// Reads the server's clock from the `Date` header. `None`: no answer.
    pub async fn read_server_time(&self) -> Option<Timestamp> {
        let request = Request::builder().uri("/version").body(kube::client::Body::empty()).ok()?;
        let answer = tokio::time::timeout(self.request_timeout, self.client.send(request)).await.ok()?.ok()?;
        let date = answer.headers().get(http::header::DATE)?.to_str().ok()?;
        jiff::fmt::rfc2822::parse(date).ok().map(|date| date.timestamp())
    }

    /// Lets reads wait through a short outage from now on. For a run that has started to write.
    pub fn enable_retries(&self) {
        self.outage_retry.enable();
    }

    /// Whether the server just returned from an outage: a 403 may be wrong until it has loaded RBAC.
    pub(crate) fn is_recovering(&self) -> bool {
        self.outage_retry.is_recovering(Instant::now())
    }

    async fn send(&self, request: http::Result<Request<Vec<u8>>>) -> Result<String, ApiError> {
        let request = request.map_err(|error| ApiError::from_cause(&self.server, &error))?;
        let (path, began) = (request.uri().path().to_owned(), Instant::now());
        if request.method() != Method::GET {
            let answer = self.send_once(request).await;
            self.should_retry(&path, &answer);
            return answer;
        }
        loop {
            let answer = self.send_once(request.clone()).await;
            if answer.is_ok() {
                self.outage_retry.record_allowed(&path);
            }
            if !self.should_retry(&path, &answer) || began.elapsed() >= MAX_OUTAGE_DURATION {
                return answer;
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }

    /// Records an answer. Returns whether a retry may give another one.
    fn should_retry(&self, path: &str, answer: &Result<String, ApiError>) -> bool {
        match answer {
            Err(ApiError::Unreachable { .. } | ApiError::Login(_)) => self.outage_retry.record_failure(Instant::now()),
            Err(error) if error.is_forbidden() => self.outage_retry.record_forbidden(path, Instant::now()),
            Err(ApiError::Timeout { .. }) => false,
            _ => {
                self.outage_retry.record_answer();
                false
            }
        }
    }

    async fn send_once(&self, request: Request<Vec<u8>>) -> Result<String, ApiError> {
        self.send_answer(request).await.map(|answer| answer.text)
    }

    /// Sends a request, and again while the server is too busy for it, until the time limit.
    async fn send_answer(&self, request: Request<Vec<u8>>) -> Result<HttpAnswer, ApiError> {
        let (mut backoff, mut busy) = (BusyBackoff::new(), None);
        let exchange = async {
            loop {
                let answer = self.exchange(request.clone()).await?;
                if !busy_retry::is_busy(answer.code) {
                    return answer.into_success();
                }
                let pause = backoff.next_pause(answer.retry_after);
                busy = answer.into_success().err();
                tokio::time::sleep(pause).await;
            }
        };
        let ended = tokio::time::timeout(self.request_timeout, exchange).await;
        let timeout = || ApiError::Timeout { server: self.server.clone(), seconds: self.request_timeout.as_secs() };
        ended.unwrap_or_else(|_| Err(busy.unwrap_or_else(timeout)))
    }

    /// One request and its answer, whatever it is.
    async fn exchange(&self, request: Request<Vec<u8>>) -> Result<HttpAnswer, ApiError> {
        let (method, uri, began) = (request.method().clone(), request.uri().clone(), Instant::now());
        let answer = self.exchange_once(request).await;
        activity_log::record(&Activity::Request {
            method: method.as_str(),
            path: uri.path_and_query().map_or_else(|| uri.path(), |path| path.as_str()),
            status: answer.as_ref().ok().map(|answer| answer.code),
            took: began.elapsed(),
        });
        answer
    }

    async fn exchange_once(&self, request: Request<Vec<u8>>) -> Result<HttpAnswer, ApiError> {
        let failed = |error| error::from_kube_error(&self.server, &self.login, error);
        let response = self.client.send(request.map(Into::into)).await.map_err(failed)?;
        let retry_after = response.headers().get(http::header::RETRY_AFTER);
        let retry_after = retry_after.and_then(|seconds| seconds.to_str().ok()?.parse().ok());
        let (code, warnings) = (response.status().as_u16(), server_warnings::read_warnings(response.headers()));
        let bytes = response.into_body().collect_bytes().await.map_err(failed)?;
        let text = String::from_utf8(bytes.into()).map_err(|error| ApiError::from_cause(&self.server, &error))?;
        Ok(HttpAnswer { code, retry_after, warnings, text })
    }

    /// Reads one path.
    ///
    /// # Errors
    /// As [`Cluster::request`].
    pub async fn get(&self, path: &str) -> Result<Value, ApiError> {
        self.request(Method::GET, path, None).await
    }

    /// Reads one path whose answer is not JSON, for example a log.
    ///
    /// # Errors
    /// As [`Cluster::request`].
    pub async fn get_text(&self, path: &str) -> Result<String, ApiError> {
        self.request_text(Method::GET, path, None).await
    }

    /// Lists all objects of a collection. Adds `apiVersion` and `kind` to each item, which the server omits in lists.
    ///
    /// # Errors
    /// As [`Cluster::request`]. A list that expires between two pages (410) is retried once.
    pub async fn list(&self, path: &str, query: &str) -> Result<Vec<Value>, ApiError> {
        match self.list_pages(path, query).await {
            Err(error) if error.is_expired() => self.list_pages(path, query).await,
            other => other,
        }
    }

    /// As [`Cluster::list`], metadata only: for Secrets, nothing of their data.
    ///
    /// # Errors
    /// As [`Cluster::list`].
    pub async fn list_metadata(&self, path: &str, query: &str) -> Result<Vec<Value>, ApiError> {
        match self.list_pages_as(path, query, Some(ACCEPT_METADATA_LIST)).await {
            Err(error) if error.is_expired() => self.list_pages_as(path, query, Some(ACCEPT_METADATA_LIST)).await,
            other => other,
        }
    }

    /// Reads the metadata of one object.
    ///
    /// # Errors
    /// As [`Cluster::request`].
    pub async fn get_metadata(&self, path: &str) -> Result<Value, ApiError> {
        self.get_as(path, ACCEPT_METADATA).await
    }

    /// Lists the served group/versions, as charts query them.
    ///
    /// # Errors
    /// As [`Cluster::request`].
    pub async fn list_api_versions(&self) -> Result<Vec<String>, ApiError> {
        let groups = self.get("/apis").await?;
        let versions = groups["groups"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|group| group["versions"].as_array().into_iter().flatten());
        let group_versions = versions.filter_map(|version| version["groupVersion"].as_str().map(str::to_owned));
        Ok(group_versions.chain(["v1".to_owned()]).collect())
    }

    async fn list_pages(&self, path: &str, query: &str) -> Result<Vec<Value>, ApiError> {
        self.list_pages_as(path, query, None).await
    }

    async fn list_pages_as(&self, path: &str, query: &str, accept: Option<&str>) -> Result<Vec<Value>, ApiError> {
        let mut items = Vec::new();
        let mut next = String::new();
        loop {
            let separator = if query.is_empty() { "" } else { "&" };
            let path = format!("{path}?{query}{separator}limit={LIST_PAGE_SIZE}{next}");
            let page = match accept {
                Some(accept) => self.get_as(&path, accept).await?,
                None => self.get(&path).await?,
            };
            let token = page.pointer("/metadata/continue").and_then(Value::as_str).unwrap_or_default().to_owned();
            items.extend(into_typed_items(page));
            if token.is_empty() {
                return Ok(items);
            }
            next = format!("&continue={token}");
        }
    }
}

/// An answer of the server, read to its end.
struct HttpAnswer {
    code: u16,
    /// The seconds that the server asks to wait.
    retry_after: Option<u64>,
    /// The texts of its `Warning` headers.
    warnings: Vec<String>,
    text: String,
}

impl HttpAnswer {
    fn into_success(self) -> Result<Self, ApiError> {
        if self.code < 400 { Ok(self) } else { Err(error::from_answer(self.code, &self.text)) }
    }
}

/// The contexts of the kubeconfig files that kubectl would read. Empty if none can be read.
#[must_use]
pub fn list_contexts(access: &ClusterAccess) -> Vec<String> {
    kubeconfig::read(access).map(|kubeconfig| kubeconfig::list_contexts(&kubeconfig)).unwrap_or_default()
}

/// Only for a token in the kubeconfig: a plugin renews its own.
fn read_token_expiry(config: &kube::Config) -> Option<Timestamp> {
    // kube-rs exposes a token only to a serializer.
    let login = serde_json::to_value(&config.auth_info).ok()?;
    token_expiry::read_expiry(login["token"].as_str()?)
}

fn build_client(config: kube::Config, context: &str, login: &Login) -> Result<kube::Client, KubeconfigError> {
    kube::Client::try_from(config).map_err(|error| KubeconfigError::from_client(context, login, &error))
}

/// The items of a list, with the `apiVersion` and `kind` derived from the list's kind.
fn into_typed_items(mut page: Value) -> Vec<Value> {
    let version = page["apiVersion"].as_str().unwrap_or_default().to_owned();
    let kind = page["kind"].as_str().unwrap_or_default().trim_end_matches("List").to_owned();
    let Value::Array(mut items) = page["items"].take() else { return Vec::new() };
    for item in &mut items {
        if let Value::Object(fields) = item {
            fields.entry("apiVersion").or_insert_with(|| version.clone().into());
            fields.entry("kind").or_insert_with(|| kind.clone().into());
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn items_of_a_list_get_api_version_and_kind() {
        let items = into_typed_items(
            json!({"apiVersion": "apps/v1", "kind": "DeploymentList", "items": [{"metadata": {"name": "a"}}]}),
        );
        assert_eq!(items, [json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}})]);
    }
}
