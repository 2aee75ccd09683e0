//! One object brought back: made, linked to its owners, its status written; or left, or replaced, where it is there already.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::Value;

use super::owners::Owners;
use crate::cluster::{ApiError, Cluster};
use crate::model::crd::Crd;
use crate::model::kept::clean;

/// Who made what is brought back, in its managed fields.
const MANAGER: &str = "mural-restore";
/// How long a kind may take to be served after its CRD is established: each API server learns of it by itself.
const SERVED_WITHIN: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// How often a write is tried against somebody who writes the same object.
const TRIES: usize = 8;

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    Created,
    /// It was there, just as it was saved.
    Equal,
    /// It was there with other content, and stays.
    Left,
    Overwritten,
}

/// What is needed to bring objects back.
pub(super) struct Maker<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) owners: Owners<'a>,
    pub(super) overwrite: bool,
}

impl Maker<'_> {
    /// Brings one object back. Tells the owners that are not there.
    pub(super) async fn make(&self, crd: &Crd, mut object: Value) -> Result<(Done, Vec<String>), ApiError> {
        let lost = self.owners.link(&mut object).await?;
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let version = text("/apiVersion").rsplit('/').next().unwrap_or_default().to_owned();
        let collection = crd.collection_in(&version, text("/metadata/namespace"));
        let path = format!("{collection}/{}", text("/metadata/name"));
        let status = if crd.has_status_subresource(&version) { object.get("status").cloned() } else { None };
        let done = match self.create(&collection, &object).await {
            Ok(created) => self.status(&path, created, status.as_ref()).await.map(|()| Done::Created),
            Err(error) if error.conflict() => self.existing(&path, &object, status.as_ref()).await,
            Err(error) => Err(error),
        };
        done.map(|done| (done, lost))
    }

    /// A kind that was just established may not be served yet.
    async fn create(&self, collection: &str, object: &Value) -> Result<Value, ApiError> {
        let path = format!("{collection}?fieldManager={MANAGER}&fieldValidation=Strict");
        let began = Instant::now();
        loop {
            match self.cluster.request(Method::POST, &path, Some(("application/json", object))).await {
                Err(error) if error.not_found() && began.elapsed() < SERVED_WITHIN => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                other => return other,
            }
        }
    }

    async fn existing(&self, path: &str, object: &Value, status: Option<&Value>) -> Result<Done, ApiError> {
        for _ in 0..TRIES {
            let live = self.cluster.get(path).await?;
            if clean(&live) == *object {
                return Ok(Done::Equal);
            }
            if !self.overwrite {
                // Ours, cut off between its making and its status.
                if status.is_some() && live.get("status").is_none() && only_ours(&live) {
                    return self.status(path, live, status).await.map(|()| Done::Created);
                }
                return Ok(Done::Left);
            }
            let mut wanted = object.clone();
            for key in ["uid", "resourceVersion"] {
                wanted["metadata"][key] = live["metadata"][key].clone();
            }
            let put = format!("{path}?fieldManager={MANAGER}&fieldValidation=Strict");
            match self.cluster.request(Method::PUT, &put, Some(("application/json", &wanted))).await {
                Ok(written) => return self.status(path, written, status).await.map(|()| Done::Overwritten),
                Err(error) if error.conflict() => {}
                Err(error) => return Err(error),
            }
        }
        Err(busy())
    }

    /// Writes the status as it was saved. A controller that writes it too is met with fresh reads.
    async fn status(&self, path: &str, mut live: Value, status: Option<&Value>) -> Result<(), ApiError> {
        let Some(status) = status else { return Ok(()) };
        let put = format!("{path}/status?fieldManager={MANAGER}&fieldValidation=Strict");
        for _ in 0..TRIES {
            if live.get("status") == Some(status) {
                return Ok(());
            }
            live["status"] = status.clone();
            match self.cluster.request(Method::PUT, &put, Some(("application/json", &live))).await {
                Ok(_) => return Ok(()),
                Err(error) if error.conflict() => live = self.cluster.get(path).await?,
                Err(error) => return Err(error),
            }
        }
        Err(busy())
    }
}

fn only_ours(live: &Value) -> bool {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array);
    entries.is_some_and(|entries| !entries.is_empty() && entries.iter().all(|entry| entry["manager"] == MANAGER))
}

fn busy() -> ApiError {
    ApiError::Refused {
        code: 409,
        reason: "Conflict".to_owned(),
        message: format!("somebody else kept writing it, {TRIES} times"),
    }
}
