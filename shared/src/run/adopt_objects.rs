//! Makes helm the owner of objects that kubectl applied, just before helm writes their release.
//!
//! Only metadata changes: helm's ownership label and annotations, and for a server-side helm the owner in `managedFields`. Each
//! object is written only in the version that was read. `plan/adoption.rs` decides which objects.

use http::Method;
use serde_json::{Value, json};

use super::context::Run;
use crate::cluster::{ApiError, Cluster, application_objects};
use crate::model::application::ApplyMethod;
use crate::model::crd::{CRD_KIND, crd_path};
use crate::model::managed_fields::{HELM_FIELD_MANAGER, transfer_to_helm};
use crate::model::manifest::{RELEASE_NAME_ANNOTATION, set_release_owner};
use crate::model::object::ObjectRef;
use crate::model::observed::ReadFailure;
use crate::model::served_kinds::ServedKinds;
use crate::model::text_format::format_count;
use crate::problem::{Exit, Explain};

/// Attempts for one object, against others who write it.
const MAX_ATTEMPTS: usize = 5;

/// Makes helm the owner of these objects.
pub(super) async fn adopt_objects(
    run: &Run<'_>,
    release: &str,
    apply_method: ApplyMethod,
    objects: &[ObjectRef],
) -> Result<String, AdoptionError> {
    let cluster = &run.prepared.session.cluster;
    let namespace = &run.prepared.session.installation.namespace;
    let kinds = match objects.iter().all(|object| object.kind == CRD_KIND) {
        true => ServedKinds::default(),
        false => application_objects::read_served_kinds(cluster).await.map_err(AdoptionError::UnknownKinds)?,
    };
    let adopter = Adopter { cluster, release, namespace, apply_method };
    for object in objects {
        let path = match object.kind.as_str() {
            CRD_KIND => Some(crd_path(&object.name)),
            _ => kinds.collection_path(object, namespace).map(|folder| format!("{folder}/{}", object.name)),
        };
        let Some(path) = path else { continue };
        adopter.adopt(object, &path).await?;
    }
    Ok(format!("helm owns {} of {release}", format_count(objects.len(), "object")))
}

/// Makes helm the owner of the fields that this program applied to CRDs of a release, if helm applies the release on the server. A
/// CRD without a release stays: helm does not write it again.
pub(super) async fn return_crds_to_helm(run: &Run<'_>, names: &[String]) -> Result<(), AdoptionError> {
    let session = &run.prepared.session;
    let namespace = &session.installation.namespace;
    for crd in names.iter().filter_map(|name| session.view.crds.as_ref().ok()?.get(name)) {
        let Some(release) = crd.annotation(RELEASE_NAME_ANNOTATION) else { continue };
        let Ok(Some(record)) = session.view.newest_revision(release) else { continue };
        let Some(object) = ObjectRef::from_manifest(crd.json()) else { continue };
        let apply_method = ApplyMethod::of_record(record);
        if apply_method == ApplyMethod::ServerSide {
            let adopter = Adopter { cluster: &session.cluster, release, namespace, apply_method };
            adopter.adopt(&object, &crd_path(crd.name())).await?;
        }
    }
    Ok(())
}

struct Adopter<'a> {
    cluster: &'a Cluster,
    release: &'a str,
    namespace: &'a str,
    apply_method: ApplyMethod,
}

impl Adopter<'_> {
    async fn adopt(&self, object: &ObjectRef, path: &str) -> Result<(), AdoptionError> {
        for attempt in 1.. {
            match self.try_adopt(path).await {
                Ok(Adoption::Done) => break,
                Ok(Adoption::Foreign { owner }) => {
                    return Err(AdoptionError::Foreign { object: object.to_string(), owner });
                }
                Err(error) if error.is_not_found() => break,
                Err(error) if error.is_conflict() && attempt < MAX_ATTEMPTS => {}
                Err(error) => return Err(AdoptionError::Patch { object: object.to_string(), error }),
            }
        }
        Ok(())
    }

    async fn try_adopt(&self, path: &str) -> Result<Adoption, ApiError> {
        let mut live = self.cluster.get(path).await?;
        match live["metadata"]["annotations"][RELEASE_NAME_ANNOTATION].as_str() {
            Some(owner) if owner == self.release => {}
            Some(owner) => return Ok(Adoption::Foreign { owner: owner.to_owned() }),
            None => live = self.patch(path, &self.build_metadata_patch(&live)).await?,
        }
        if self.apply_method == ApplyMethod::ServerSide
            && let Some(managed_fields) = transfer_to_helm(&live)
        {
            let version = &live["metadata"]["resourceVersion"];
            let patch = json!({"metadata": {"resourceVersion": version, "managedFields": managed_fields}});
            self.patch(path, &patch).await?;
        }
        Ok(Adoption::Done)
    }

    fn build_metadata_patch(&self, live: &Value) -> Value {
        let mut patch = json!({"metadata": {"resourceVersion": live["metadata"]["resourceVersion"]}});
        set_release_owner(&mut patch, self.release, self.namespace);
        patch
    }

    async fn patch(&self, path: &str, patch: &Value) -> Result<Value, ApiError> {
        let path = format!("{path}?fieldManager={HELM_FIELD_MANAGER}");
        self.cluster.request(Method::PATCH, &path, Some(("application/merge-patch+json", patch))).await
    }
}

/// How one attempt ended.
enum Adoption {
    /// helm owns the object.
    Done,
    /// Another release owns it.
    Foreign { owner: String },
}

/// Why helm is not the owner of an object.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdoptionError {
    /// The paths of the objects are unknown.
    #[error(transparent)]
    UnknownKinds(ReadFailure),
    /// Another release owns the object.
    #[error("{object} belongs to the release {owner} since the plan was made")]
    Foreign { object: String, owner: String },
    /// The API server rejects the patch, or conflicts do not end.
    #[error("helm could not be made the owner of {object}")]
    Patch {
        object: String,
        #[source]
        error: ApiError,
    },
}

impl Explain for AdoptionError {
    fn exit(&self) -> Exit {
        match self {
            Self::UnknownKinds(_) => Exit::ChecksFailed,
            Self::Foreign { .. } => Exit::Refused,
            Self::Patch { .. } => Exit::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::UnknownKinds(_) => return Vec::new(),
            Self::Foreign { .. } => "run the same command again: a new plan is made from what is there now",
            Self::Patch { .. } => "run the same command again: an object that helm owns is not written again",
        };
        vec![hint.to_owned()]
    }
}
