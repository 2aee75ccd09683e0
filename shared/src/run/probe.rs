//! Where no document tells: a strict dry-run of a create that names a field which only the new schema has.

use serde_json::Value;

use super::context::Run;
use crate::cluster::openapi_documents;
use crate::model::crd::Crd;
use crate::problem::{Exit, Problem};

/// What is not served yet of a version, in words.
///
/// # Errors
/// It cannot be told: nothing was added that could be asked for, or we may not ask.
pub(super) async fn probe_version(run: &Run<'_>, crd: &Crd, version: &str) -> Result<Option<String>, Problem> {
    let prepared = run.prepared;
    let before = prepared.session.view.crds.as_ref().ok().and_then(|live| live.get(crd.name()));
    let field = match before.and_then(|live| served_schema(live, version)) {
        // It is new: that it answers at all is the proof.
        None => Vec::new(),
        Some(old) if Some(old) == served_schema(crd, version) => return Ok(None),
        Some(old) => served_schema(crd, version)
            .and_then(|new| first_added_field(old, new))
            .ok_or_else(|| undetermined_problem(crd, version))?,
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
        Err(error) => Err(undetermined_problem(crd, version).with_source(error)),
    }
}

fn undetermined_problem(crd: &Crd, version: &str) -> Problem {
    let text = format!("it cannot be told which schema is served for {version} of CRD {}", crd.name());
    Problem::new(Exit::ChecksFailed, text)
        .with_hint("let the user read /openapi/v3 (the ClusterRole system:discovery), or create objects of this kind")
}

fn served_schema<'a>(crd: &'a Crd, version: &str) -> Option<&'a Value> {
    crd.versions().find(|one| one.name == version).filter(|one| one.served).and_then(|one| one.schema)
}

/// The first field that the new schema has and the old one has not, through plain objects.
fn first_added_field(old: &Value, new: &Value) -> Option<Vec<String>> {
    // Where unknown fields are kept, none of them is told.
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
    fn the_first_added_field_is_asked_for() {
        let old = object(&json!({"spec": object(&json!({"size": {"type": "integer"}}))}));
        let new = object(&json!({"spec": object(&json!({"size": {"type": "integer"}, "note": {"type": "string"}}))}));
        assert_eq!(first_added_field(&old, &new), Some(vec!["spec".to_owned(), "note".to_owned()]));
        assert_eq!(first_added_field(&new, &old), None, "what was removed cannot be asked for");
        let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        assert_eq!(first_added_field(&open, &new), None);
    }
}
