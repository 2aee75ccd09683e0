//! A fake API server for unit tests: the real client in front of a scripted service (`tower-test`).
//!
//! A test states the answers of each route, starts the server, and runs the code with the returned [`Cluster`]. The answers of a
//! route are used in order; the last one repeats. A request without a route gets 404. Use `#[tokio::test(start_paused = true)]`:
//! time limits and pauses then take no time.
//!
//! ```ignore
//! let server = FakeApiServer::new().answer("GET", "/version", [Answer::status(503, "busy"), Answer::json(&version)]);
//! let cluster = server.start();
//! assert_eq!(cluster.get("/version").await?, version);
//! assert_eq!(server.requests(), ["GET /version", "GET /version"]);
//! ```

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use http::{Request, Response, StatusCode};
use kube::client::Body;
use serde_json::{Value, json};
use tower_test::mock::{self, SendResponse};

use super::Cluster;

/// What the server does with one request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// Sends this body with this status code.
    Body(u16, Value),
    /// Closes the connection without an answer.
    Disconnect,
    /// Never answers: the client runs into its time limit.
    Silence,
}

impl Answer {
    /// 200 with this object.
    pub(crate) fn json(object: &Value) -> Self {
        Self::Body(200, object.clone())
    }

    /// A `Status` with this code and message.
    pub(crate) fn status(code: u16, message: &str) -> Self {
        Self::failure(code, "", message, &[])
    }

    /// 409 as of an object that another client has changed.
    pub(crate) fn conflict(message: &str) -> Self {
        Self::failure(409, "Conflict", message, &[])
    }

    /// 409 as of a server-side apply to a field that another manager owns.
    pub(crate) fn field_conflict(message: &str, field: &str) -> Self {
        Self::failure(409, "Conflict", message, &[(field, message)])
    }

    /// 422 with the fields that are invalid.
    pub(crate) fn invalid(message: &str, causes: &[(&str, &str)]) -> Self {
        Self::failure(422, "Invalid", message, causes)
    }

    fn failure(code: u16, reason: &str, message: &str, causes: &[(&str, &str)]) -> Self {
        let causes: Vec<Value> =
            causes.iter().map(|(field, words)| json!({"field": field, "message": words})).collect();
        let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
            "message": message, "details": {"causes": causes}});
        Self::Body(code, status)
    }
}

/// One route: method, path without the query, and the answers that are left.
struct Route {
    method: &'static str,
    path: String,
    answers: VecDeque<Answer>,
}

/// The scripted server. Clones share the script and the record of requests.
#[derive(Clone, Default)]
pub(crate) struct FakeApiServer {
    routes: Arc<Mutex<Vec<Route>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl FakeApiServer {
    /// A server without routes.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds the answers of a route. The path has no query.
    pub(crate) fn answer(self, method: &'static str, path: &str, answers: impl IntoIterator<Item = Answer>) -> Self {
        let route = Route { method, path: path.to_owned(), answers: answers.into_iter().collect() };
        self.routes.lock().unwrap().push(route);
        self
    }

    /// Starts to answer. Returns the connection to it.
    #[expect(clippy::disallowed_methods, reason = "a client of no cluster, for tests")]
    pub(crate) fn start(&self) -> Cluster {
        let (service, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
        let server = self.clone();
        tokio::spawn(async move {
            // A request that is never answered keeps its sender, so that its connection stays open.
            let mut unanswered = Vec::new();
            while let Some((request, sender)) = handle.next_request().await {
                unanswered.extend(server.serve(&request, sender));
            }
        });
        Cluster::from_client(kube::Client::new(service, "default"))
    }

    /// `METHOD /path?query` of each request, in the order of arrival.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    fn serve(
        &self,
        request: &Request<Body>,
        sender: SendResponse<Response<Body>>,
    ) -> Option<SendResponse<Response<Body>>> {
        let (method, uri) = (request.method().as_str(), request.uri());
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        self.requests.lock().unwrap().push(format!("{method} {}{query}", uri.path()));
        match self.next_answer(method, uri.path()) {
            Answer::Body(code, body) => sender.send_response(build_response(code, &body)),
            Answer::Disconnect => sender.send_error(std::io::Error::from(std::io::ErrorKind::ConnectionReset)),
            Answer::Silence => return Some(sender),
        }
        None
    }

    fn next_answer(&self, method: &str, path: &str) -> Answer {
        let mut routes = self.routes.lock().unwrap();
        let route = routes.iter_mut().find(|route| route.method == method && route.path == path);
        let Some(route) = route else { return Answer::status(404, "no route") };
        let last = if route.answers.len() > 1 { route.answers.pop_front() } else { route.answers.front().cloned() };
        last.unwrap_or_else(|| Answer::status(404, "no answer"))
    }
}

fn build_response(code: u16, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string().into_bytes()));
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn answers_come_in_order_and_the_last_one_repeats() {
        let version = json!({"major": "1"});
        let server =
            FakeApiServer::new().answer("GET", "/version", [Answer::status(500, "no"), Answer::json(&version)]);
        let cluster = server.start();
        assert!(cluster.get("/version").await.is_err());
        assert_eq!(cluster.get("/version").await.unwrap(), version);
        assert_eq!(cluster.get("/version").await.unwrap(), version);
        assert!(cluster.get("/api").await.unwrap_err().is_not_found());
        assert_eq!(server.requests().last().unwrap(), "GET /api");
    }

    /// The reason of a request that runs out of time is the last answer, not the clock.
    #[tokio::test(start_paused = true)]
    async fn a_busy_server_is_asked_until_the_time_limit_and_keeps_its_words() {
        let server = FakeApiServer::new().answer("GET", "/version", [Answer::status(429, "too many requests")]);
        let error = server.start().get("/version").await.unwrap_err();
        assert_eq!(error.to_string(), "too many requests");
        assert!(server.requests().len() > 10, "{:?}", server.requests());
    }
}
