//! Sends dry runs: repeats those that got no answer about the object, and separates a rejection from a missing answer.
//!
//! `crd_dry_run` and `application_objects` build the requests and read the results; `model/dry_run.rs` has their types.
//! A dry run changes nothing, so it may be repeated after any failure.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::Method;
use serde_json::Value;
use tokio::time::Instant;

use super::busy_retry::is_busy;
use super::{ApiError, Cluster};
use crate::model::dry_run::{DryRunFailure, DryRunRejection};

/// Attempts for one object.
const MAX_ATTEMPTS: u32 = 4;
/// The pause before the second attempt. It doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// How long one forecast repeats requests while every answer is missing. Afterwards, a server that is away is not asked again.
const MAX_DRY_RUN_OUTAGE: Duration = Duration::from_secs(30);

/// One forecast's dry runs. All share the time for repetitions, so that a dead server does not cost it once per object.
pub(super) struct DryRunner<'a> {
    cluster: &'a Cluster,
    outage: Mutex<Outage>,
}

/// What the server would store.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DryRunOutput {
    /// The merged object.
    pub(super) merged: Value,
    /// The server's warnings about the write.
    pub(super) warnings: Vec<String>,
}

/// The missing answers since the last answer.
#[derive(Default)]
struct Outage {
    began: Option<Instant>,
    /// Why no further request is sent.
    gave_up: Option<String>,
}

impl<'a> DryRunner<'a> {
    pub(super) fn new(cluster: &'a Cluster) -> Self {
        Self { cluster, outage: Mutex::default() }
    }

    /// Sends one dry run.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: &Value,
    ) -> Result<DryRunOutput, DryRunFailure> {
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            if let Some(reason) = self.gave_up() {
                return Err(DryRunFailure::NoAnswer(reason));
            }
            let error = match self.cluster.request_with_warnings(method.clone(), path, (kind, body)).await {
                Ok((merged, warnings)) => {
                    self.end_outage();
                    return Ok(DryRunOutput { merged, warnings });
                }
                Err(error) => error,
            };
            if !Meaning::of(&error).is_worth_retry() || attempt == MAX_ATTEMPTS || !self.has_time_left(&error) {
                return Err(to_failure(error));
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Err(DryRunFailure::NoAnswer("no attempt was made".to_owned()))
    }

    fn gave_up(&self) -> Option<String> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner).gave_up.clone()
    }

    fn end_outage(&self) {
        *self.outage.lock().unwrap_or_else(PoisonError::into_inner) = Outage::default();
    }

    /// Records a missing answer. Returns whether there is time for another attempt.
    fn has_time_left(&self, error: &ApiError) -> bool {
        let mut outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        let began = *outage.began.get_or_insert_with(Instant::now);
        let has_time_left = began.elapsed() < MAX_DRY_RUN_OUTAGE;
        if !has_time_left && error.is_unavailable() {
            outage.gave_up = Some(error.to_string());
        }
        has_time_left
    }
}

/// What a failed request says about the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// The server refuses it.
    Rejection,
    /// The server refuses it while one of its webhooks fails, which may pass.
    FailingWebhook,
    /// Nothing. Another attempt may say more.
    Transient,
    /// Nothing. Another attempt would say the same, or was made already.
    Silence,
}

impl Meaning {
    /// Words of the server decide only where its status code does not: for 400 and 500.
    fn of(error: &ApiError) -> Self {
        let ApiError::Rejected { code, reason, message, causes } = error else {
            return match error {
                ApiError::Unreachable { .. } | ApiError::Timeout { .. } => Self::Transient,
                ApiError::Login(_) | ApiError::Expired { .. } | ApiError::Rejected { .. } => Self::Silence,
            };
        };
        let says = |words: &str| message.contains(words);
        match *code {
            // A webhook with side effects, or expired credentials.
            400 if says("does not support dry run") => Self::Silence,
            401 => Self::Silence,
            // The client has repeated the request until the time limit.
            code if is_busy(code) => Self::Silence,
            // The object changed while the server merged. A conflict of field managers names the fields.
            409 if reason == "Conflict" && causes.is_empty() => Self::Transient,
            408 => Self::Transient,
            ..500 => Self::Rejection,
            // structured-merge-diff cannot read the object: an unknown field, or two items with one key.
            _ if says("failed to create typed patch object") => Self::Rejection,
            _ if says("failed calling webhook") || says("conversion webhook for") => Self::FailingWebhook,
            _ => Self::Transient,
        }
    }

    const fn is_worth_retry(self) -> bool {
        matches!(self, Self::FailingWebhook | Self::Transient)
    }
}

/// The final failure.
fn to_failure(error: ApiError) -> DryRunFailure {
    match (Meaning::of(&error), error) {
        (Meaning::Rejection | Meaning::FailingWebhook, ApiError::Rejected { code, message, causes, .. }) => {
            DryRunFailure::Rejected(DryRunRejection { code, message, causes })
        }
        (_, ApiError::Rejected { code, message, .. }) => {
            DryRunFailure::NoAnswer(format!("the API server answered {code}: {message}"))
        }
        (_, other) => DryRunFailure::NoAnswer(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::fake_api_server::{Answer, FakeApiServer};

    const PATH: &str = "/api/v1/namespaces/m/configmaps/a";

    async fn dry_run(answers: impl IntoIterator<Item = Answer>) -> (Result<Value, DryRunFailure>, usize) {
        let server = FakeApiServer::new().answer("PATCH", PATH, answers);
        let cluster = server.start();
        let path = format!("{PATH}?dryRun=All");
        let answer = DryRunner::new(&cluster).send(Method::PATCH, &path, "application/json", &json!({})).await;
        (answer.map(|run| run.merged), server.requests().len())
    }

    fn no_answer(answer: Result<Value, DryRunFailure>) -> String {
        match answer {
            Err(DryRunFailure::NoAnswer(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn transient_failures_are_retried() {
        let merged = json!({"kind": "ConfigMap"});
        let once = [
            Answer::status(429, "too many requests"),
            Answer::status(500, "etcdserver: leader changed"),
            Answer::status(503, "the server is currently unable to handle the request"),
            Answer::status(500, "failed calling webhook \"a.b\": connection refused"),
            Answer::conflict("the object has been modified"),
            Answer::Disconnect,
            Answer::Silence,
        ];
        for fault in once {
            let words = format!("{fault:?}");
            let (answer, requests) = dry_run([fault, Answer::json(&merged)]).await;
            assert_eq!((answer, requests), (Ok(merged.clone()), 2), "{words}");
        }
    }

    /// A hub that is too busy never "refuses" an object.
    #[tokio::test(start_paused = true)]
    async fn a_server_that_never_answers_has_refused_nothing() {
        let (answer, _) = dry_run([Answer::status(503, "the hub is busy")]).await;
        assert_eq!(no_answer(answer), "the API server answered 503: the hub is busy");
        let (answer, requests) = dry_run([Answer::status(500, "etcdserver: request timed out")]).await;
        assert!(no_answer(answer).contains("etcdserver"));
        assert_eq!(requests, MAX_ATTEMPTS as usize);
        let (answer, _) = dry_run([Answer::Silence]).await;
        assert!(no_answer(answer).contains("did not answer within 60 s"));
        let (answer, requests) = dry_run([Answer::Disconnect]).await;
        assert!(no_answer(answer).contains("cannot reach"));
        assert_eq!(requests, MAX_ATTEMPTS as usize);
        let (answer, requests) = dry_run([Answer::status(401, "Unauthorized")]).await;
        assert!(no_answer(answer).contains("401") && requests == 1);
        let (answer, requests) = dry_run([Answer::status(400, "webhook a.b does not support dry run")]).await;
        assert!(no_answer(answer).contains("dry run") && requests == 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_final_at_once_and_keeps_its_causes() {
        let invalid = Answer::invalid("ConfigMap \"a\" is invalid", &[("data.b", "too long")]);
        let (answer, requests) = dry_run([invalid]).await;
        let Err(DryRunFailure::Rejected(rejection)) = answer else { panic!("{answer:?}") };
        assert_eq!((rejection.code, rejection.causes[0].field.as_str(), requests), (422, "data.b", 1));
        let typed =
            "failed to create typed patch object (m/a; apps/v1, Kind=Deployment): .spec: duplicate entries for key";
        let (answer, requests) = dry_run([Answer::status(500, typed)]).await;
        assert!(matches!(answer, Err(DryRunFailure::Rejected(_))) && requests == 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_webhook_that_stays_away_is_a_refusal_with_its_words() {
        let (answer, requests) = dry_run([Answer::status(500, "failed calling webhook \"a.b\": no endpoints")]).await;
        let Err(DryRunFailure::Rejected(rejection)) = answer else { panic!("{answer:?}") };
        assert!(rejection.message.contains("no endpoints") && requests == MAX_ATTEMPTS as usize);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_server_is_waited_for_once_and_not_per_object() {
        let server = FakeApiServer::new().answer("PATCH", PATH, [Answer::Silence]);
        let cluster = server.start();
        let runner = DryRunner::new(&cluster);
        for _ in 0..20 {
            let answer = runner.send(Method::PATCH, PATH, "application/json", &json!({})).await;
            assert!(no_answer(answer.map(|run| run.merged)).contains("did not answer"));
        }
        assert!(server.requests().len() <= MAX_ATTEMPTS as usize, "{:?}", server.requests());
    }
}
