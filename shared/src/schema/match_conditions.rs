//! The `matchConditions` of an admission webhook: CEL that decides whether the API server calls the webhook for a request
//! (<https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#matching-requests-matchconditions>).
//!
//! Input is the condition and what is known of the request. A condition that needs more, such as the user or the
//! authorizer, is *undetermined*.

use kube_cel::cel::Value as CelValue;
use kube_cel::cel::parser::Parser;
use serde_json::{Value, json};

use super::cel;

/// What is known of a write before it is sent.
#[derive(Debug, Clone, Copy)]
pub struct PlannedRequest<'a> {
    /// The object, as it will be written.
    pub object: &'a Value,
    /// API group, version and plural name.
    pub resource: (&'a str, &'a str, &'a str),
}

/// Whether all conditions of the webhook hold, so that the API server calls it. A webhook without conditions is called.
///
/// # Errors
/// The reason why a condition cannot be evaluated here, if no other condition rules the call out.
///
/// ```
/// use mural::schema::match_conditions::{PlannedRequest, is_called};
/// use serde_json::json;
///
/// let webhook = json!({"matchConditions": [{"name": "labelled", "expression": "has(object.metadata.labels)"}]});
/// let (object, resource) = (json!({"metadata": {"name": "a"}}), ("", "v1", "secrets"));
/// assert_eq!(is_called(&webhook, PlannedRequest { object: &object, resource }), Ok(false));
/// ```
pub fn is_called(webhook: &Value, request: PlannedRequest<'_>) -> Result<bool, String> {
    let mut undetermined = None;
    for condition in webhook["matchConditions"].as_array().into_iter().flatten() {
        match evaluate(condition["expression"].as_str().unwrap_or_default(), request) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(reason) => {
                let name = condition["name"].as_str().unwrap_or("?");
                undetermined.get_or_insert_with(|| format!("its match condition {name} {reason}"));
            }
        }
    }
    undetermined.map_or(Ok(true), Err)
}

/// The verb of the request is not known: helm creates what is missing and updates the rest. A condition must give the
/// same answer for both.
fn evaluate(expression: &str, request: PlannedRequest<'_>) -> Result<bool, String> {
    let parsed = Parser::new().enable_optional_syntax(true).parse(expression);
    let parsed = parsed.map_err(|_| "cannot be read here".to_owned())?;
    if parsed.references().has_variable("oldObject") {
        return Err("depends on the object before the write".to_owned());
    }
    let answer = |operation: &str| {
        let (group, version, resource) = request.resource;
        let metadata = &request.object["metadata"];
        let variable = json!({
            "operation": operation, "dryRun": false, "subResource": "",
            "name": metadata["name"].as_str().unwrap_or_default(),
            "namespace": metadata["namespace"].as_str().unwrap_or_default(),
            "resource": {"group": group, "version": version, "resource": resource},
            "kind": {"group": group, "version": version, "kind": request.object["kind"]},
        });
        match cel::evaluate_with(&parsed, &[("object", request.object), ("request", &variable)]) {
            Ok(CelValue::Bool(answer)) => Ok(answer),
            Ok(_) | Err(_) => Err("needs more than the object".to_owned()),
        }
    };
    let (create, update) = (answer("CREATE")?, answer("UPDATE")?);
    (create == update).then_some(create).ok_or_else(|| "depends on the operation".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(expressions: &[&str]) -> Result<bool, String> {
        let conditions: Vec<Value> = expressions.iter().map(|text| json!({"name": "a", "expression": text})).collect();
        let object = json!({"kind": "Secret", "type": "helm.sh/release.v1",
            "metadata": {"name": "one", "namespace": "hub", "labels": {"owner": "helm"}}});
        let request = PlannedRequest { object: &object, resource: ("", "v1", "secrets") };
        is_called(&json!({"matchConditions": conditions}), request)
    }

    #[test]
    fn a_condition_on_the_object_is_evaluated() {
        assert_eq!(answer(&[]), Ok(true));
        assert_eq!(answer(&["has(object.type) && object.type == 'example.org/cloud'"]), Ok(false));
        assert_eq!(answer(&["object.metadata.labels['owner'] == 'helm'"]), Ok(true));
        assert_eq!(answer(&["request.namespace != 'hub'"]), Ok(false));
        assert_eq!(answer(&["request.resource.resource == 'secrets'", "request.kind.kind == 'Secret'"]), Ok(true));
        assert_eq!(answer(&["request.operation in ['CREATE', 'UPDATE']"]), Ok(true));
    }

    #[test]
    fn a_condition_on_something_else_is_undetermined_unless_another_one_excludes_the_object() {
        let unknown =
            ["request.userInfo.username != 'root'", "oldObject == null", "authorizer.path('/').check('get').allowed()"];
        for expression in unknown.iter().chain(&["request.operation == 'CREATE'", "object.missing == 1", "1 +"]) {
            assert!(answer(&[expression]).is_err(), "{expression}");
            assert_eq!(answer(&[expression, "object.type == 'Opaque'"]), Ok(false), "{expression}");
        }
    }
}
