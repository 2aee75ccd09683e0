//! What a run must be allowed to do, and what of it the API server grants.

use std::fmt;

use serde::Serialize;
use serde_json::{Value, json};

use super::observed::Observed;

/// One thing that a run does, as RBAC names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Permission {
    /// The namespace; none for what belongs to the cluster.
    pub namespace: Option<String>,
    /// The API group; empty for the core.
    pub group: String,
    /// The kind in the plural: `secrets`.
    pub resource: String,
    /// `get`, `list`, `create`, `update`, `patch`, `delete`, `watch`
    pub verb: &'static str,
}

impl Permission {
    /// A need.
    #[must_use]
    pub fn new(namespace: Option<&str>, group: &str, resource: &str, verb: &'static str) -> Self {
        Self { namespace: namespace.map(str::to_owned), group: group.to_owned(), resource: resource.to_owned(), verb }
    }

    /// The question to the API server (`authorization.k8s.io/v1`).
    #[must_use]
    pub fn to_access_review(&self) -> Value {
        let mut attributes = json!({"verb": self.verb, "group": self.group, "resource": self.resource});
        if let Some(namespace) = &self.namespace {
            attributes["namespace"] = namespace.as_str().into();
        }
        json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": attributes}})
    }

    /// Whether one of the rules that hold in a namespace grants it. A rule for single names is left out: it is no proof.
    #[must_use]
    pub fn is_granted_by(&self, rules: &Value) -> bool {
        let has = |rule: &Value, key: &str, wanted: &str| {
            rule[key].as_array().into_iter().flatten().any(|word| word == "*" || word == wanted)
        };
        rules.pointer("/status/resourceRules").and_then(Value::as_array).into_iter().flatten().any(|rule| {
            let every_name = rule["resourceNames"].as_array().is_none_or(Vec::is_empty);
            every_name
                && has(rule, "verbs", self.verb)
                && has(rule, "apiGroups", &self.group)
                && has(rule, "resources", &self.resource)
        })
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        Ok(())
    }
}

/// All permissions of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequiredPermissions {
    /// Without one of these, the run is refused.
    pub required: Vec<Permission>,
    /// Without one of these, the run works and shows less.
    pub optional: Vec<Permission>,
}

/// The API server's answers about the permissions of a run.
#[derive(Debug, Clone)]
pub struct AccessReview {
    /// What the run needs.
    pub permissions: RequiredPermissions,
    /// The required ones that are not granted; an error if the API server did not say.
    pub denied: Observed<Vec<Permission>>,
}
