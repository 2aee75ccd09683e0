//! The replicas of an object with the subresource `scale`
//! (<https://github.com/kubernetes/apiextensions-apiserver/blob/v0.34.0/pkg/registry/customresource/validator.go>,
//! `ValidateScaleSpec` and `ValidateScaleStatus`).
//!
//! Owns the paths of one version of a CRD. Input: an object. Output: the errors of fields that must hold a count or a text.

use serde_json::Value;

use super::error::{ErrorKind, SchemaError, format_go_value};

/// The paths of `subresources.scale`; empty if the version has none.
#[derive(Debug, Default)]
pub(super) struct ScalePaths {
    replicas: Vec<String>,
    label_selector: Option<String>,
}

impl ScalePaths {
    /// Reads `subresources` of a version.
    pub(super) fn read(subresources: &Value) -> Self {
        let path = |key: &str| subresources["scale"][key].as_str().map(str::to_owned);
        let replicas = ["specReplicasPath", "statusReplicasPath"].into_iter().filter_map(path).collect();
        Self { replicas, label_selector: path("labelSelectorPath") }
    }

    /// The errors of the fields that the paths name. A field that is not there is no error.
    pub(super) fn validate(&self, object: &Value, errors: &mut Vec<SchemaError>) {
        for path in &self.replicas {
            let Some(value) = find(object, path) else { continue };
            let detail = match value.as_i64() {
                Some(count) if count < 0 => "should be a non-negative integer".to_owned(),
                Some(count) if count > i64::from(i32::MAX) => format!("should be less than or equal to {}", i32::MAX),
                Some(_) => continue,
                None => describe_wrong_type(path, value, "int64"),
            };
            // The server prints 0 for a value that is no integer.
            let shown = if value.is_i64() { format_go_value(value) } else { "0".to_owned() };
            errors.push(SchemaError::new(path.clone(), ErrorKind::Invalid, Some(shown), detail));
        }
        let selector = self.label_selector.as_ref().and_then(|path| Some((path, find(object, path)?)));
        if let Some((path, value)) = selector.filter(|(_, value)| !value.is_string()) {
            let detail = describe_wrong_type(path, value, "string");
            errors.push(SchemaError::new(path.clone(), ErrorKind::Invalid, Some("\"\"".to_owned()), detail));
        }
    }
}

fn find<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    path.trim_start_matches('.').split('.').try_fold(object, |value, field| value.get(field))
}

fn describe_wrong_type(path: &str, value: &Value, wanted: &str) -> String {
    let is = match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    };
    format!("{path} accessor error: the value is of the type {is}, expected {wanted}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn replicas_are_a_count_that_fits_into_32_bits() {
        let paths = ScalePaths::read(&json!({"scale": {"specReplicasPath": ".spec.tasksMax",
            "statusReplicasPath": ".status.replicas", "labelSelectorPath": ".status.selector"}}));
        let messages = |object: Value| {
            let mut errors = Vec::new();
            paths.validate(&object, &mut errors);
            errors.iter().map(|error| format!("{}: {}", error.path, error.message)).collect::<Vec<_>>()
        };
        for fine in [json!({}), json!({"spec": {"tasksMax": 2}, "status": {"replicas": 0, "selector": "a=b"}})] {
            assert_eq!(messages(fine.clone()), Vec::<String>::new(), "{fine}");
        }
        assert!(messages(json!({"spec": {"tasksMax": 3_000_000_000_u64}}))[0].contains("2147483647"));
        assert!(messages(json!({"spec": {"tasksMax": -1}}))[0].contains("non-negative"));
        assert!(messages(json!({"spec": {"tasksMax": "2"}}))[0].contains("expected int64"));
        assert!(messages(json!({"status": {"selector": 1}}))[0].contains("expected string"));
    }
}
