//! The objects of a chart's manifest that someone deleted: helm does not notice, and the next upgrade creates them again.
//!
//! Input: the live objects and the rendered manifest. What could not be read is not missing.

use serde_json::Value;

use crate::model::application::ApplicationState;
use crate::model::crd::CRD_KIND;
use crate::model::object::ObjectRef;
use crate::plan::object_changes::select_release_objects;

/// The objects of a manifest that are not on the cluster. CRDs have decisions of their own, and a Job with a time to live may be gone.
pub(super) fn list_missing_objects(
    application: &ApplicationState,
    namespace: &str,
    manifest: &[Value],
) -> Vec<ObjectRef> {
    let Ok(kinds) = &application.kinds else { return Vec::new() };
    let is_kept = |(object, document): &(ObjectRef, &Value)| {
        object.kind != CRD_KIND && document["spec"]["ttlSecondsAfterFinished"].is_null() && kinds.get(object).is_some()
    };
    let is_missing = |object: &ObjectRef| matches!(application.live_objects.get(object, namespace), Ok(None));
    let objects = select_release_objects(namespace, manifest).into_iter().filter(is_kept);
    objects.map(|(object, _)| object).filter(is_missing).collect()
}
