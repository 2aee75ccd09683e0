//! A proxy in front of the API server that injects faults.
//!
//! It terminates TLS with its own certificate and uses the client certificate of the given kubeconfig, so the API
//! server sees the same user. It speaks HTTP/1.1 and opens one connection to the server for each connection of a
//! client.

mod relay;
mod tls;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::runtime::Runtime;

/// What the proxy does with a matching request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultEffect {
    /// Not passed on; answered with this status, and with `Retry-After` in seconds where one is given.
    Status(u16, Option<u32>),
    /// Not passed on; answered as the server answers a page of a list whose snapshot is gone (410, `Expired`).
    Expired,
    /// Not passed on; the connection is reset.
    Reset,
    /// Passed on and done by the server; then the connection is reset instead of an answer.
    LostAnswer,
    /// Not passed on; answered with 200 and this document.
    Json(String),
    /// Passed on after this long.
    Delay(Duration),
    /// Passed on; the connection ends in the middle of the answer's body.
    Truncated,
    /// Passed on; the answer's `Date` is so many seconds off.
    Date(i64),
}

/// A fault, and the requests to which it applies.
#[derive(Debug, Clone)]
pub struct FaultRule {
    effect: FaultEffect,
    method: Option<String>,
    path: String,
    exact: bool,
    agent: String,
    skip: usize,
    times: usize,
}

impl FaultRule {
    /// Applies to the first request whose path and query contain this text.
    pub fn for_path_containing(path: impl Into<String>, effect: FaultEffect) -> Self {
        Self { effect, method: None, path: path.into(), exact: false, agent: String::new(), skip: 0, times: 1 }
    }

    /// Applies to the first request with exactly this path and query.
    pub fn for_path(path: impl Into<String>, what: FaultEffect) -> Self {
        Self { exact: true, ..Self::for_path_containing(path, what) }
    }

    /// Applies to this method only.
    #[must_use]
    pub fn for_method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Applies to clients whose user agent starts with this text.
    #[must_use]
    pub fn for_agent(mut self, agent: &str) -> Self {
        agent.clone_into(&mut self.agent);
        self
    }

    /// Skips this number of matching requests first.
    #[must_use]
    pub const fn skip(mut self, skip: usize) -> Self {
        self.skip = skip;
        self
    }

    /// Applies to this number of matching requests.
    #[must_use]
    pub const fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// Whether it applies to this request. Counts the request.
    fn take_if_matches(&mut self, method: &str, path: &str, agent: &str) -> bool {
        let path_matches = if self.exact { path == self.path } else { path.contains(&self.path) };
        let matches = path_matches
            && agent.starts_with(&self.agent)
            && self.method.as_deref().is_none_or(|wanted| wanted == method);
        if !matches || self.times == 0 {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.times -= 1;
        true
    }
}

/// A request that came through, in the order of arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxiedRequest {
    /// `GET`, `PATCH`, …
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The client's user agent, such as `kubectl/v1.37.2 …` or `Helm/4.3.1`.
    pub agent: String,
    /// What was done to it.
    pub fault: Option<FaultEffect>,
}

#[derive(Default)]
struct State {
    faults: Vec<FaultRule>,
    requests: Vec<ProxiedRequest>,
}

/// Faults and requests, shared with every connection.
#[derive(Default)]
struct SharedState(Mutex<State>);

impl SharedState {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first fault that meets the request, in the order they were given.
    fn decide(&self, method: &str, path: &str, agent: &str) -> Option<FaultEffect> {
        let mut state = self.state();
        let met = state
            .faults
            .iter_mut()
            .find_map(|fault| fault.take_if_matches(method, path, agent).then(|| fault.effect.clone()));
        state.requests.push(ProxiedRequest {
            method: method.to_owned(),
            path: path.to_owned(),
            agent: agent.to_owned(),
            fault: met.clone(),
        });
        met
    }
}

/// A running proxy. Dropping it stops it.
pub struct FaultProxy {
    shared: Arc<SharedState>,
    kubeconfig: PathBuf,
    runtime: Option<Runtime>,
}

impl FaultProxy {
    /// Starts a proxy in front of the API server of the kubeconfig's current context, and writes `proxy.kubeconfig`
    /// into `dir`.
    ///
    /// # Errors
    /// The kubeconfig cannot be read or has no client certificate, or no port is free.
    pub fn start(upstream: &Path, dir: &Path) -> Result<Self> {
        let target = tls::target(upstream).with_context(|| format!("the kubeconfig {}", upstream.display()))?;
        let identity = tls::identity()?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let kubeconfig = dir.join("proxy.kubeconfig");
        let text = target.kubeconfig(&format!("https://{}", listener.local_addr()?), &identity.ca_pem)?;
        std::fs::write(&kubeconfig, text)?;
        let shared = Arc::new(SharedState::default());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        runtime.spawn(relay::serve(listener, identity.acceptor, Arc::new(target), Arc::clone(&shared)));
        Ok(Self { shared, kubeconfig, runtime: Some(runtime) })
    }

    /// The kubeconfig for clients; its only context uses the proxy.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Adds a fault.
    pub fn add_fault(&self, fault: FaultRule) {
        self.shared.state().faults.push(fault);
    }

    /// Removes all faults and recorded requests.
    pub fn clear(&self) {
        *self.shared.state() = State::default();
    }

    /// What came through since the start, or since [`FaultProxy::clear`].
    #[must_use]
    pub fn requests(&self) -> Vec<ProxiedRequest> {
        self.shared.state().requests.clone()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        // Never waits: a watch may be open, and the caller may be a task itself.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_meets_what_it_names_and_only_so_often() {
        let shared = SharedState::default();
        shared
            .state()
            .faults
            .push(FaultRule::for_path_containing("/crds", FaultEffect::Reset).for_method("PATCH").skip(1).times(2));
        let ask = |method, path| shared.decide(method, path, "a client").is_some();
        assert!(!ask("GET", "/crds/a") && !ask("PATCH", "/pods/a"), "another method, another path");
        assert!(!ask("PATCH", "/crds/a"), "skipped");
        assert!(ask("PATCH", "/crds/b") && ask("PATCH", "/crds/c"));
        assert!(!ask("PATCH", "/crds/d"), "used up");
        let faults: Vec<bool> = shared.state().requests.iter().map(|seen| seen.fault.is_some()).collect();
        assert_eq!(faults, [false, false, false, true, true, false]);
    }
}
