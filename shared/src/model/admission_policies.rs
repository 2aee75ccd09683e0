//! What surrounds an installation and can stand in the way of a write or a roll-out.

use std::collections::BTreeMap;

use serde_json::Value;

use super::crd::Crd;
use super::observed::Observed;

/// One reading of the policies that affect writes.
#[derive(Debug, Clone)]
pub struct AdmissionPolicies {
    /// Validating and mutating webhook configurations, raw.
    pub webhooks: Observed<Vec<Value>>,
    /// How many ready endpoints each Service has that a webhook names.
    pub ready_endpoints: BTreeMap<ServiceRef, Observed<usize>>,
    /// Labels of the installation's namespace.
    pub namespace_labels: Observed<BTreeMap<String, String>>,
    /// Whether the installation's namespace is being deleted.
    pub namespace_terminating: Observed<bool>,
    /// ResourceQuotas of the namespace, raw.
    pub resource_quotas: Observed<Vec<Value>>,
    /// PodDisruptionBudgets of the namespace, raw.
    pub disruption_budgets: Observed<Vec<Value>>,
    /// How the API server converts live objects with the webhook URL that a CRD keeps; CRDs with a new URL are missing.
    pub conversions: BTreeMap<String, ConversionAnswer>,
}

/// The API server's answer to a read that needs a conversion webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConversionAnswer {
    /// It converted an object.
    Converted,
    /// There is no object to convert.
    NoObjects,
    /// The webhook failed, in the server's words.
    Failed(String),
    /// The objects could not be read; the reason.
    Unread(String),
}

/// The URL of a CRD's conversion webhook; none if it has no webhook, or one behind a Service.
#[must_use]
pub fn conversion_url(crd: &Crd) -> Option<&str> {
    let conversion = &crd.json()["spec"]["conversion"];
    (conversion["strategy"] == "Webhook").then(|| conversion["webhook"]["clientConfig"]["url"].as_str()).flatten()
}

/// A Service that a webhook is answered by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServiceRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ServiceRef {
    /// The Service that converts a CRD's objects; `None` where none does.
    #[must_use]
    pub fn from_conversion(crd: &Crd) -> Option<Self> {
        let conversion = &crd.json()["spec"]["conversion"];
        (conversion["strategy"] == "Webhook")
            .then(|| Self::from_client_config(&conversion["webhook"]["clientConfig"]))
            .flatten()
    }

    /// The Service that a `clientConfig` names; `None` where it names a url.
    #[must_use]
    pub fn from_client_config(client_config: &Value) -> Option<Self> {
        let text = |pointer: &str| client_config.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        Some(Self { namespace: text("/service/namespace")?, name: text("/service/name")? })
    }
}

impl std::fmt::Display for ServiceRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Service {}/{}", self.namespace, self.name)
    }
}

/// The webhooks of a configuration.
pub fn webhooks(configuration: &Value) -> impl Iterator<Item = &Value> {
    configuration["webhooks"].as_array().into_iter().flatten()
}

/// Whether labels match a label selector; an empty one matches all (apimachinery `LabelSelectorAsSelector`).
#[must_use]
pub fn selector_matches(selector: &Value, labels: &BTreeMap<String, String>) -> bool {
    let words = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let equal = selector["matchLabels"].as_object().into_iter().flatten();
    let mut label_matches = equal.map(|(key, value)| labels.get(key).map(String::as_str) == value.as_str());
    let mut expressions = selector["matchExpressions"].as_array().into_iter().flatten().map(|rule| {
        let found = rule["key"].as_str().and_then(|key| labels.get(key));
        match rule["operator"].as_str() {
            Some("In") => found.is_some_and(|value| words(&rule["values"]).contains(value)),
            Some("NotIn") => found.is_none_or(|value| !words(&rule["values"]).contains(value)),
            Some("Exists") => found.is_some(),
            Some("DoesNotExist") => found.is_none(),
            _ => true,
        }
    });
    label_matches.all(|fits| fits) && expressions.all(|fits| fits)
}

/// An object's labels.
#[must_use]
pub fn read_labels(object: &Value) -> BTreeMap<String, String> {
    let all = object.pointer("/metadata/labels").and_then(Value::as_object).into_iter().flatten();
    all.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_selector_selects_as_the_server_does() {
        let labels = read_labels(&json!({"metadata": {"labels": {"app": "dex", "tier": "auth"}}}));
        let rule = |operator: &str, key: &str, values: Value| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
        assert!(selector_matches(&json!({}), &labels) && selector_matches(&Value::Null, &labels));
        assert!(selector_matches(&json!({"matchLabels": {"app": "dex"}}), &labels));
        assert!(!selector_matches(&json!({"matchLabels": {"app": "hue"}}), &labels));
        assert!(selector_matches(&rule("In", "app", json!(["dex", "zot"])), &labels));
        assert!(!selector_matches(&rule("NotIn", "app", json!(["dex"])), &labels));
        assert!(selector_matches(&rule("NotIn", "absent", json!(["dex"])), &labels));
        assert!(!selector_matches(&rule("Exists", "absent", json!([])), &labels));
        assert!(!selector_matches(&rule("DoesNotExist", "app", json!([])), &labels));
    }
}
