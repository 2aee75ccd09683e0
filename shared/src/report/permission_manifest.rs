//! The permissions of a run as Roles and bindings that `kubectl apply` accepts.
//!
//! The input is what `plan/required_permissions.rs` computes; `kubectl mural upgrade plan --explain-permissions` prints the output.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::model::access_review::{Permission, RequiredPermissions};
use crate::model::yaml::{self, YamlError};

/// The name of every Role, ClusterRole and binding.
const ROLE_NAME: &str = "mural-upgrade";
const RBAC_API: &str = "rbac.authorization.k8s.io";

/// Who gets the permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// A user, as the API server authenticates it.
    User(&'a str),
    /// The identity of a pod.
    ServiceAccount {
        /// Its namespace.
        namespace: &'a str,
        /// Its name.
        name: &'a str,
    },
}

impl Subject<'_> {
    fn to_json(self) -> Value {
        match self {
            Self::User(name) => json!({"apiGroup": RBAC_API, "kind": "User", "name": name}),
            Self::ServiceAccount { namespace, name } => {
                json!({"kind": "ServiceAccount", "namespace": namespace, "name": name})
            }
        }
    }
}

/// Renders one ClusterRole for cluster-wide permissions and one Role per namespace, each with a binding for this subject.
///
/// # Errors
/// The YAML cannot be written.
pub fn render(permissions: &RequiredPermissions, subject: Subject<'_>) -> Result<String, YamlError> {
    let all: BTreeSet<&Permission> = permissions.required.iter().chain(&permissions.optional).collect();
    let places: BTreeSet<Option<&str>> = all.iter().map(|need| need.namespace.as_deref()).collect();
    let mut text = "# Everything that this upgrade sends to the API server, by this program, kubectl and helm.\n\
        # Apply it as an administrator: kubectl apply --filename FILE\n"
        .to_owned();
    for place in places {
        let here = all.iter().copied().filter(|need| need.namespace.as_deref() == place);
        for document in [build_role(place, here), build_binding(place, subject)] {
            text.push_str("---\n");
            text.push_str(&yaml::write(&document)?);
        }
    }
    Ok(text)
}

/// A Role for the permissions of one namespace, or a ClusterRole.
fn build_role<'a>(namespace: Option<&str>, permissions: impl Iterator<Item = &'a Permission>) -> Value {
    // Resources of one group with the same verbs share a rule.
    let mut verbs: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for need in permissions {
        verbs.entry((&need.group, &need.resource)).or_default().insert(need.verb);
    }
    let mut rules: BTreeMap<(&str, BTreeSet<&str>), Vec<&str>> = BTreeMap::new();
    for ((group, resource), verbs) in verbs {
        rules.entry((group, verbs)).or_default().push(resource);
    }
    let rules: Vec<Value> = rules
        .into_iter()
        .map(|((group, verbs), resources)| json!({"apiGroups": [group], "resources": resources, "verbs": verbs}))
        .collect();
    let kind = if namespace.is_some() { "Role" } else { "ClusterRole" };
    json!({"apiVersion": format!("{RBAC_API}/v1"), "kind": kind, "metadata": build_metadata(namespace), "rules": rules})
}

fn build_binding(namespace: Option<&str>, subject: Subject<'_>) -> Value {
    let (kind, role) =
        if namespace.is_some() { ("RoleBinding", "Role") } else { ("ClusterRoleBinding", "ClusterRole") };
    json!({
        "apiVersion": format!("{RBAC_API}/v1"), "kind": kind, "metadata": build_metadata(namespace),
        "roleRef": {"apiGroup": RBAC_API, "kind": role, "name": ROLE_NAME},
        "subjects": [subject.to_json()],
    })
}

fn build_metadata(namespace: Option<&str>) -> Value {
    match namespace {
        Some(namespace) => json!({"name": ROLE_NAME, "namespace": namespace}),
        None => json!({"name": ROLE_NAME}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::yaml::{ErrorDetail, parse_documents};

    #[test]
    fn the_manifest_is_one_role_per_place_and_its_binding() {
        let need = |namespace, resource, verb| Permission::new(namespace, "apps", resource, verb);
        let permissions = RequiredPermissions {
            required: vec![
                need(Some("m"), "deployments", "get"),
                need(Some("m"), "deployments", "patch"),
                need(Some("m"), "statefulsets", "patch"),
                need(None, "deployments", "list"),
            ],
            optional: vec![need(Some("m"), "statefulsets", "get")],
        };
        let text = render(&permissions, Subject::User("ops")).unwrap();
        let documents = parse_documents(&text, ErrorDetail::Snippet).unwrap();
        let kinds: Vec<&str> = documents.iter().filter_map(|document| document["kind"].as_str()).collect();
        assert_eq!(kinds, ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]);
        let rule =
            json!([{"apiGroups": ["apps"], "resources": ["deployments", "statefulsets"], "verbs": ["get", "patch"]}]);
        assert_eq!(documents[2]["rules"], rule);
        assert_eq!(documents[3]["subjects"][0]["name"], "ops");
    }
}
