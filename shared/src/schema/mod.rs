//! PURE: what the API server would say of a custom resource under a CRD's schema, without asking it.
//!
//! A [`Schema`] is read once and then judges object after object. It does what kube-apiserver 1.37 does, in its order
//! (apiextensions-apiserver `pkg/apiserver/customresource_handler.go`, `pkg/registry/customresource/strategy.go`): unknown
//! fields are pruned, nulls that may not stand are dropped, metadata is read, defaults are filled in; then come the
//! OpenAPI schema, embedded metadata, lists that are sets or maps, and CEL rules, which the server leaves alone where
//! what came before is too wrong.
//!
//! Three answers: whether it could be created; whether an update that changes nothing but metadata would still pass
//! (validation ratcheting, KEP-4008, from 1.30 on); which fields would be dropped without a word.
//!
//! Differences from the server are documented where they are: `re2.rs` (patterns), `formats/net.rs` (e-mail), `cel.rs` (rules).

mod cel;
mod combinators;
pub mod crd_rules;
mod defaulting;
mod duplicates;
mod error;
mod formats;
pub mod match_conditions;
mod meta;
mod node;
mod number;
mod object_path;
mod prune;
mod ratcheting;
mod re2;
mod scale;
mod server_version;
mod validation_result;
mod value_validation;

#[cfg(test)]
mod tests;

pub use cel::features::{RuleFeatures, parse_rule_features};
pub use cel::type_check::find_rule_type_error;
pub use error::{ErrorKind, SchemaError, UndeterminedField};
pub use server_version::ServerVersion;
pub use validation_result::{ValidationResult, Validity};

use serde_json::Value;

use crate::model::crd::Crd;
use node::Node;

/// The schema of one version of a CRD, ready to judge objects.
#[derive(Debug)]
pub struct Schema {
    node: Node,
    server: ServerVersion,
    /// `spec.preserveUnknownFields`, of CRDs made by `v1beta1`: nothing is pruned.
    preserves_unknown_fields: bool,
    api_version: Option<String>,
    scale: scale::ScalePaths,
}

impl Schema {
    /// Reads an `openAPIV3Schema`, as a server of that version understands it.
    #[must_use]
    pub fn new(schema: &Value, server: ServerVersion) -> Self {
        let scale = scale::ScalePaths::default();
        Self { node: Node::read(schema, server), server, preserves_unknown_fields: false, api_version: None, scale }
    }

    /// The schema of one version of a CRD; none where the CRD does not have that version. Objects of other versions are
    /// judged as the strategy `None` converts them: with their `apiVersion` replaced.
    #[must_use]
    pub fn from_crd(crd: &Crd, version: &str, server: ServerVersion) -> Option<Self> {
        let spec = &crd.json()["spec"];
        let is_beta = crd.json()["apiVersion"] == "apiextensions.k8s.io/v1beta1";
        let versions = spec["versions"].as_array();
        let found = versions.into_iter().flatten().find(|one| one["name"] == version);
        if found.is_none() && spec["version"] != version {
            return None;
        }
        let version_schema = found.map_or(&Value::Null, |found| &found["schema"]["openAPIV3Schema"]);
        let schema = if version_schema.is_null() { &spec["validation"]["openAPIV3Schema"] } else { version_schema };
        // In v1beta1 unknown fields are kept unless it says otherwise.
        let preserves_unknown_fields = spec["preserveUnknownFields"].as_bool().unwrap_or(is_beta) || schema.is_null();
        let node = Node::read(schema, server);
        let own = found.map_or(&Value::Null, |found| &found["subresources"]);
        let scale = scale::ScalePaths::read(if own.is_null() { &spec["subresources"] } else { own });
        let api_version = Some(format!("{}/{version}", crd.group()));
        Some(Self { node, server, preserves_unknown_fields, api_version, scale })
    }

    /// The object as the server would keep it: pruned, its nulls dropped, its defaults filled in.
    #[must_use]
    pub fn to_persisted(&self, object: &Value) -> Value {
        validation_result::decode(self, object).object
    }

    /// The fields that the schema declares beside a pruned one, whose path is as in [`ValidationResult::pruned_fields`]. Empty if the
    /// schema declares none there: such an object takes any field, and the server prunes them all.
    pub fn declared_siblings<'a>(&'a self, pruned_path: &str) -> impl Iterator<Item = &'a str> {
        let parent = pruned_path.rsplit_once('.').map_or("", |(parent, _)| parent);
        self.node.find(parent).into_iter().flat_map(|node| node.properties.keys().map(String::as_str))
    }

    /// The fields that are null and may not be. A create or an update drops them; a server-side apply is rejected.
    #[must_use]
    pub fn list_forbidden_nulls(&self, object: &Value) -> Vec<String> {
        let mut paths = Vec::new();
        if !self.preserves_unknown_fields {
            prune::list_dropped_nulls(object, Some(&self.node), &object_path::ObjectPath::ROOT, &mut paths);
        }
        paths
    }

    /// What the server would say of this object.
    #[must_use]
    pub fn validate(&self, object: &Value) -> ValidationResult {
        validation_result::validate_resource(self, object)
    }
}
