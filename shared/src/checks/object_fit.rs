//! Judges one custom resource as the API server would judge its creation, by the CRDs of a chart. Offline.
//!
//! Input: CRDs and a manifest. Output: a value; `helm mural crds fit` shows it. Validation, pruning and CEL rules are in `schema/`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::model::crd::Crd;
use crate::schema::{Schema, ServerVersion, Validity};

/// What the API server would do with an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "fit", rename_all_fields = "camelCase")]
pub enum ObjectFit {
    /// It is created as it is written.
    Fits,
    /// It is created without some fields: no schema has them, and the server drops them without an error.
    Pruned {
        /// The fields.
        fields: Vec<String>,
    },
    /// It is rejected.
    Rejected {
        /// Each field with the server's reason.
        reasons: Vec<String>,
    },
    /// A rule could not be evaluated here.
    Undetermined {
        /// Which one, and why.
        reasons: Vec<String>,
    },
    /// It is of no kind of these CRDs.
    OtherKind,
}

/// The CRDs of a chart, ready to judge objects.
pub struct ObjectJudge {
    /// By group and kind: the CRD, and a schema for each version that was asked for.
    crds: BTreeMap<(String, String), Crd>,
    schemas: BTreeMap<(String, String), Option<Schema>>,
    server: ServerVersion,
}

impl ObjectJudge {
    /// A judge with these CRDs, by the rules of a server of this version.
    #[must_use]
    pub fn new(crds: impl IntoIterator<Item = Crd>, server: ServerVersion) -> Self {
        let by_kind = crds.into_iter().map(|crd| ((crd.group().to_owned(), crd.kind().to_owned()), crd));
        Self { crds: by_kind.collect(), schemas: BTreeMap::new(), server }
    }

    /// Judges one object.
    pub fn judge(&mut self, object: &Value) -> ObjectFit {
        let api_version = object["apiVersion"].as_str().unwrap_or_default();
        let Some((group, version)) = api_version.split_once('/') else { return ObjectFit::OtherKind };
        let key = (group.to_owned(), object["kind"].as_str().unwrap_or_default().to_owned());
        let Some(crd) = self.crds.get(&key) else { return ObjectFit::OtherKind };
        if !crd.versions().any(|one| one.name == version && one.served) {
            let served: Vec<&str> = crd.versions().filter(|one| one.served).map(|one| one.name).collect();
            let reason = format!("apiVersion: {version} is not served; {} serves {}", crd.name(), served.join(", "));
            return ObjectFit::Rejected { reasons: vec![reason] };
        }
        if let Some(reason) = find_scope_error(crd, object) {
            return ObjectFit::Rejected { reasons: vec![reason] };
        }
        let schema = self
            .schemas
            .entry((crd.name().to_owned(), version.to_owned()))
            .or_insert_with(|| Schema::from_crd(crd, version, self.server));
        schema.as_ref().map_or(ObjectFit::Fits, |schema| judge_by_schema(schema, object))
    }
}

/// A namespace on an object of a cluster-scoped kind. An object without one gets that of the request.
fn find_scope_error(crd: &Crd, object: &Value) -> Option<String> {
    let has_namespace =
        object.pointer("/metadata/namespace").and_then(Value::as_str).is_some_and(|name| !name.is_empty());
    (!crd.is_namespaced() && has_namespace)
        .then(|| format!("metadata.namespace: {} is cluster-scoped, so its objects have no namespace", crd.name()))
}

fn judge_by_schema(schema: &Schema, object: &Value) -> ObjectFit {
    let answer = schema.validate(object);
    match answer.create {
        Validity::Invalid => {
            let reasons = answer.errors.iter().map(|error| match error.path.as_str() {
                "" => error.message.clone(),
                path => format!("{path}: {}", error.message),
            });
            ObjectFit::Rejected { reasons: reasons.collect() }
        }
        Validity::Undetermined => {
            let reasons = answer.undetermined.iter().map(|field| format!("{}: {}", field.path, field.reason));
            ObjectFit::Undetermined { reasons: reasons.collect() }
        }
        Validity::Valid if answer.pruned_fields.is_empty() => ObjectFit::Fits,
        Validity::Valid => ObjectFit::Pruned { fields: answer.pruned_fields },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn judge(object: &Value) -> ObjectFit {
        let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "required": ["size"],
            "x-kubernetes-validations": [{"rule": "self.size != 'xl' || self.replicas > 1", "message": "xl needs two"}],
            "properties": {"size": {"type": "string"}, "replicas": {"type": "integer"}}}}});
        let crd = Crd::new(json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "pools.x.io"}, "spec": {"group": "x.io", "scope": "Namespaced",
                "names": {"kind": "Pool", "plural": "pools"},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]}}))
        .unwrap();
        ObjectJudge::new([crd], ServerVersion::NEWEST).judge(object)
    }

    fn pool(version: &str, spec: &Value) -> Value {
        json!({"apiVersion": format!("x.io/{version}"), "kind": "Pool", "metadata": {"name": "a"}, "spec": spec})
    }

    #[test]
    fn objects_are_judged_as_the_server_judges_a_creation() {
        assert_eq!(judge(&pool("v1", &json!({"size": "l"}))), ObjectFit::Fits);
        let fields = vec!["spec.color".to_owned()];
        assert_eq!(judge(&pool("v1", &json!({"size": "l", "color": "red"}))), ObjectFit::Pruned { fields });
        let reasons = |fit: ObjectFit| match fit {
            ObjectFit::Rejected { reasons } => reasons.join("; "),
            other => panic!("{other:?}"),
        };
        assert!(reasons(judge(&pool("v1", &json!({})))).contains("spec.size"));
        assert!(reasons(judge(&pool("v1", &json!({"size": "xl", "replicas": 1})))).contains("xl needs two"));
        assert!(reasons(judge(&pool("v0", &json!({"size": "l"})))).contains("v0 is not served"));
        assert_eq!(judge(&json!({"apiVersion": "v1", "kind": "ConfigMap"})), ObjectFit::OtherKind);
    }
}
