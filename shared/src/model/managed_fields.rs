//! Who owns which field of a live object, as `metadata.managedFields` tells it (KEP-555, structured-merge-diff `fieldpath`).

use std::fmt;

use serde_json::{Map, Value};

/// kubectl's own field manager for `apply --server-side`: what the vendor's commands applied before has the same owner.
pub const FIELD_MANAGER: &str = "kubectl";

/// One step into an object.
#[derive(Debug, Clone, PartialEq, Eq)]
enum PathElement {
    /// A field of a map.
    Field(String),
    /// The element of a list that has these keys.
    Element(Map<String, Value>),
}

/// A place in an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldPath(Vec<PathElement>);

impl FieldPath {
    /// What stands there; none where nothing does.
    #[must_use]
    pub fn find<'a>(&self, object: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(object, |here, step| match step {
            PathElement::Field(name) => here.get(name),
            // What the server fills in (a port's protocol) may be missing in a manifest: it is no difference.
            PathElement::Element(keys) => here.as_array()?.iter().find(|element| {
                let fits = |key: &String, value: &Value| element.get(key).is_none_or(|other| other == value);
                keys.iter().all(|(key, value)| fits(key, value)) && keys.keys().any(|key| element.get(key).is_some())
            }),
        })
    }

    /// Names of the fields on the way.
    pub fn field_names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|step| match step {
            PathElement::Field(name) => Some(name.as_str()),
            PathElement::Element(_) => None,
        })
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                PathElement::Field(name) if at == 0 => f.write_str(name)?,
                PathElement::Field(name) => write!(f, ".{name}")?,
                PathElement::Element(keys) => {
                    let key_values: Vec<String> = keys
                        .values()
                        .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                        .collect();
                    write!(f, "[{}]", key_values.join(","))?;
                }
            }
        }
        Ok(())
    }
}

/// Every single field that a manager owns, with the manager. What only the status holds is left out.
#[must_use]
pub fn list_owned_fields(live: &Value) -> Vec<(String, FieldPath)> {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
    let mut all = Vec::new();
    for entry in entries.filter(|entry| entry["subresource"] != "status") {
        let manager = entry["manager"].as_str().unwrap_or("an unknown manager");
        let mut paths = Vec::new();
        collect_leaves(&entry["fieldsV1"], &mut Vec::new(), &mut paths);
        all.extend(paths.into_iter().map(|path| (manager.to_owned(), path)));
    }
    all
}

/// `f:NAME` is a field, `k:{…}` an element of a list by its keys; `v:…` and `.` say nothing of a field's value.
fn collect_leaves(set: &Value, here: &mut Vec<PathElement>, into: &mut Vec<FieldPath>) {
    let Some(entries) = set.as_object() else { return };
    let mut below = false;
    for (key, inner) in entries {
        let step = match key.split_once(':') {
            Some(("f", name)) => Some(PathElement::Field(name.to_owned())),
            Some(("k", keys)) => serde_json::from_str(keys).ok().map(PathElement::Element),
            _ => None,
        };
        if let Some(step) = step {
            below = true;
            here.push(step);
            collect_leaves(inner, here, into);
            here.pop();
        }
    }
    if !below && !here.is_empty() {
        into.push(FieldPath(here.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_found_by_their_owner() {
        let live = json!({
            "metadata": {"managedFields": [
                {"manager": "kubectl-edit", "fieldsV1": {"f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers":
                    {"k:{\"name\":\"ui\"}": {".": {}, "f:image": {}}}}}}}},
                {"manager": "kube-controller-manager", "subresource": "status", "fieldsV1": {"f:status": {"f:replicas": {}}}}]},
            "spec": {"replicas": 5, "template": {"spec": {"containers": [{"name": "side"}, {"name": "ui", "image": "a:2"}]}}}});
        let found = list_owned_fields(&live);
        let lines: Vec<String> = found.iter().map(|(manager, path)| format!("{manager} {path}")).collect();
        assert_eq!(lines, ["kubectl-edit spec.replicas", "kubectl-edit spec.template.spec.containers[ui].image"]);
        assert_eq!(found[1].1.find(&live), Some(&json!("a:2")));
        assert_eq!(found[1].1.find(&json!({"spec": {}})), None);
    }
}
