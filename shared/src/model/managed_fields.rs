//! Who owns which field of a live object, as `metadata.managedFields` tells it (KEP-555, structured-merge-diff `fieldpath`).

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};

/// The field manager of migrated objects, and of `storedVersions` that are trimmed after a proof.
pub const MIGRATION_FIELD_MANAGER: &str = "mural-migrate";

/// kubectl's own field manager for `apply --server-side`: what the vendor's commands applied before has the same owner.
pub const FIELD_MANAGER: &str = "kubectl";
/// helm's field manager, in both of its write methods
/// (<https://github.com/helm/helm/blob/v4.0.0/cmd/helm/helm.go>, `ManagedFieldsManager`).
pub const HELM_FIELD_MANAGER: &str = "helm";

/// The entries of `managedFields` that helm may take over: the vendor's upgrade guide and this program apply CRDs as `kubectl`,
/// and the transitional CRD is a patch of this program.
const TRANSFERABLE_ENTRIES: [(&str, &str); 2] = [(FIELD_MANAGER, "Apply"), (MIGRATION_FIELD_MANAGER, "Update")];

fn list_entries(live: &Value) -> impl Iterator<Item = &Value> {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
    entries.filter(|entry| entry["subresource"].as_str().unwrap_or_default().is_empty())
}

fn is_transferable(entry: &Value) -> bool {
    let is_listed =
        |(manager, operation): &(&str, &str)| entry["manager"] == *manager && entry["operation"] == *operation;
    entry["subresource"].as_str().unwrap_or_default().is_empty() && TRANSFERABLE_ENTRIES.iter().any(is_listed)
}

/// Whether an object has fields that `kubectl apply --server-side` wrote, as the vendor's upgrade guide does.
#[must_use]
pub fn is_applied_by_kubectl(live: &Value) -> bool {
    list_entries(live).any(|entry| entry["manager"] == FIELD_MANAGER && entry["operation"] == "Apply")
}

/// The managers that own the versions of a live CRD: those that wrote its schemas. Others annotate it or set its conversion.
pub fn list_schema_writers(live: &Value) -> impl Iterator<Item = &str> {
    let writers = list_entries(live).filter(|entry| entry.pointer("/fieldsV1/f:spec/f:versions").is_some());
    writers.filter_map(|entry| entry["manager"].as_str())
}

/// The next `managedFields`, in which helm owns what kubectl's apply and this program own now; none if they own nothing.
///
/// Only the owner changes, as in
/// <https://github.com/kubernetes/client-go/blob/v0.34.0/util/csaupgrade/upgrade.go>. helm's next server-side apply then meets
/// no conflict with them, and removes the fields that its chart no longer has.
#[must_use]
pub fn transfer_to_helm(live: &Value) -> Option<Value> {
    let entries = live.pointer("/metadata/managedFields")?.as_array()?;
    let (taken, mut kept): (Vec<Value>, Vec<Value>) = entries.iter().cloned().partition(is_transferable);
    for mut entry in taken {
        (entry["manager"], entry["operation"]) = (json!(HELM_FIELD_MANAGER), json!("Apply"));
        let same = |other: &&mut Value| {
            ["manager", "operation", "apiVersion", "subresource"].iter().all(|key| other[*key] == entry[*key])
        };
        match kept.iter_mut().find(same) {
            Some(helm) => {
                let fields = entry["fieldsV1"].take();
                merge_field_sets(&mut helm["fieldsV1"], fields);
            }
            None => kept.push(entry),
        }
    }
    (kept != *entries).then_some(Value::Array(kept))
}

/// A set of fields is a tree of keys: the union of two.
pub(super) fn merge_field_sets(one: &mut Value, other: Value) {
    if let Value::Object(fields) = other {
        if !one.is_object() {
            *one = Value::Object(Map::new());
        }
        for (key, value) in fields {
            merge_field_sets(&mut one[key], value);
        }
    }
}

/// Whether a server-side apply of helm can meet a conflict that [`transfer_to_helm`] does not solve.
#[must_use]
pub fn has_foreign_owners(live: &Value) -> bool {
    list_entries(live).any(|entry| !is_of_helm(entry) && !is_transferable(entry))
}

fn is_of_helm(entry: &Value) -> bool {
    entry["manager"] == HELM_FIELD_MANAGER && entry["operation"] == "Apply"
}

/// The managers other than helm whose fields helm's apply changes from `live` to `next`, each with the fields. Fields that
/// [`transfer_to_helm`] gives to helm do not count.
#[must_use]
pub fn find_foreign_owners(live: &Value, next: &Value) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in list_entries(live) {
        if is_of_helm(entry) || is_transferable(entry) {
            continue;
        }
        let manager = entry["manager"].as_str().unwrap_or("an unknown manager");
        let mut paths = Vec::new();
        collect_leaves(&entry["fieldsV1"], &mut Vec::new(), &mut paths);
        let changed = paths.into_iter().filter(|path| path.find(live) != path.find(next));
        found.entry(manager.to_owned()).or_default().extend(changed.map(|path| path.to_string()));
    }
    found.retain(|_, fields| !fields.is_empty());
    found
}

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

    fn entry(manager: &str, operation: &str, fields: &Value) -> Value {
        json!({"manager": manager, "operation": operation, "apiVersion": "apiextensions.k8s.io/v1", "fieldsV1": fields})
    }

    /// The entries that `helm install`, the vendor's upgrade guide and a transitional CRD leave on a CRD.
    #[test]
    fn helm_takes_over_what_the_guide_and_this_program_applied() {
        let (names, versions) = (json!({"f:spec": {"f:names": {}}}), json!({"f:spec": {"f:versions": {}}}));
        let annotated = entry("kubectl-annotate", "Update", &json!({"f:metadata": {}}));
        let mut trimmed = entry(MIGRATION_FIELD_MANAGER, "Update", &json!({"f:status": {}}));
        trimmed["subresource"] = json!("status");
        let live = json!({"metadata": {"managedFields": [entry("helm", "Apply", &names), entry("kubectl", "Apply", &versions),
            entry(MIGRATION_FIELD_MANAGER, "Update", &versions), annotated.clone(), trimmed.clone()]}});
        let helm = entry("helm", "Apply", &json!({"f:spec": {"f:names": {}, "f:versions": {}}}));
        let next = transfer_to_helm(&live).unwrap();
        assert_eq!(next, json!([helm, annotated, trimmed]));
        assert_eq!(transfer_to_helm(&json!({"metadata": {"managedFields": next}})), None);
        assert_eq!(transfer_to_helm(&json!({"metadata": {}})), None);
        assert!(is_applied_by_kubectl(&live));
    }

    #[test]
    fn a_manager_of_the_conversion_writes_no_schema() {
        let conversion = entry("cainjector", "Update", &json!({"f:spec": {"f:conversion": {}}}));
        let helm = entry("helm", "Update", &json!({"f:spec": {"f:conversion": {}, "f:versions": {}}}));
        let live = json!({"metadata": {"managedFields": [conversion, helm]}});
        assert_eq!(list_schema_writers(&live).collect::<Vec<_>>(), ["helm"]);
    }

    #[test]
    fn without_helm_the_applied_fields_become_helms_first_ones() {
        let versions = json!({"f:spec": {"f:versions": {}}});
        let by_helm_3 = entry("helm", "Update", &json!({"f:spec": {}}));
        let live = json!({"metadata": {"managedFields": [by_helm_3.clone(), entry("kubectl", "Apply", &versions)]}});
        assert_eq!(transfer_to_helm(&live), Some(json!([by_helm_3, entry("helm", "Apply", &versions)])));
    }

    #[test]
    fn a_foreign_manager_is_reported_with_its_fields() {
        let versions = json!({"f:spec": {"f:versions": {}}});
        let live = |manager: &str| {
            json!({"metadata": {"managedFields": [entry(manager, "Apply", &versions), entry("helm", "Apply", &versions)]},
                "spec": {"versions": ["v1"]}})
        };
        let next = json!({"spec": {"versions": ["v2"]}});
        assert!(find_foreign_owners(&live("kubectl"), &next).is_empty());
        assert!(find_foreign_owners(&live("gitops"), &live("gitops")).is_empty(), "the same value is no conflict");
        let found = find_foreign_owners(&live("gitops"), &next);
        assert_eq!(found, BTreeMap::from([("gitops".to_owned(), vec!["spec.versions".to_owned()])]));
    }
}
