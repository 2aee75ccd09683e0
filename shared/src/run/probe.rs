//! Finds out which schema is served for a version if no OpenAPI document contains it.
//!
//! Owns the choice of a field that only the new schema has. The request is a strict dry run of a create with that field. Input: a
//! CRD and the version. Output: the reason why the version is not served, or `None`.

use serde_json::Value;

use super::context::Run;
use super::served_schema_error::ServedSchemaError;
use crate::cluster::{ApiError, openapi_documents};
use crate::model::crd::Crd;

/// Why a version is not served yet; `None` if it is.
///
/// # Errors
/// It is undetermined: the new schema adds no field, or you may not create objects of the kind.
pub(super) async fn probe_version(
    run: &Run<'_>,
    crd: &Crd,
    version: &str,
) -> Result<Option<String>, ServedSchemaError> {
    let prepared = run.prepared;
    let before = prepared.session.view.crds.as_ref().ok().and_then(|live| live.get(crd.name()));
    let field = match before.and_then(|live| served_schema(live, version)) {
        // The version is new: any answer proves that it is served.
        None => Vec::new(),
        Some(old) if Some(old) == served_schema(crd, version) => return Ok(None),
        Some(old) => served_schema(crd, version)
            .and_then(|new| first_added_field(old, new))
            .ok_or_else(|| undetermined(crd, version, None))?,
    };
    let known = openapi_documents::is_field_served(
        &prepared.session.cluster,
        &prepared.session.installation.namespace,
        crd,
        version,
        &field,
    )
    .await;
    match known {
        Ok(true) => Ok(None),
        Ok(false) if field.is_empty() => Ok(Some(format!("{version} of CRD {} is not served", crd.name()))),
        Ok(false) => Ok(Some(format!("{version} of CRD {} does not know {} yet", crd.name(), field.join(".")))),
        Err(error) => Err(undetermined(crd, version, Some(error))),
    }
}

fn undetermined(crd: &Crd, version: &str, cause: Option<ApiError>) -> ServedSchemaError {
    ServedSchemaError::Undetermined { name: crd.name().to_owned(), version: version.to_owned(), cause }
}

fn served_schema<'a>(crd: &'a Crd, version: &str) -> Option<&'a Value> {
    crd.versions().find(|one| one.name == version).filter(|one| one.served).and_then(|one| one.schema)
}

/// The first field, in plain objects, that the new schema has and the old one lacks.
fn first_added_field(old: &Value, new: &Value) -> Option<Vec<String>> {
    // If unknown fields are preserved, the dry run accepts every field.
    if old["x-kubernetes-preserve-unknown-fields"] == true {
        return None;
    }
    let fields = new["properties"].as_object()?;
    fields.iter().find_map(|(name, inner)| {
        let deeper = match old["properties"].get(name) {
            None => Some(Vec::new()),
            Some(old) => first_added_field(old, inner),
        };
        deeper.map(|rest| std::iter::once(name.clone()).chain(rest).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(fields: &Value) -> Value {
        json!({"type": "object", "properties": fields})
    }

    #[test]
    fn the_first_added_field_is_found() {
        let old = object(&json!({"spec": object(&json!({"size": {"type": "integer"}}))}));
        let new = object(&json!({"spec": object(&json!({"size": {"type": "integer"}, "note": {"type": "string"}}))}));
        assert_eq!(first_added_field(&old, &new), Some(vec!["spec".to_owned(), "note".to_owned()]));
        assert_eq!(first_added_field(&new, &old), None, "a removed field proves nothing");
        let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        assert_eq!(first_added_field(&open, &new), None);
    }
}
