//! Type errors of a CEL rule, as far as they follow from the schema alone: fields that it does not have, and comparisons of a
//! field with a literal of another type.
//!
//! The API server checks every type when a CRD is written, and refuses the CRD
//! (apiextensions-apiserver `pkg/apiserver/schema/cel/compilation.go`). What is not certain here is no error: values of maps, of
//! lists and of loops, results of functions, and objects that keep unknown fields.

use kube_cel::cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr};
use kube_cel::cel::parser::Parser;
use serde_json::Value;

use super::escape_field_name;

/// The operators that want both sides to be of one type.
const COMPARISONS: [&str; 6] = ["_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"];
/// Formats of strings that are no strings in a rule.
const TYPED_FORMATS: [&str; 5] = ["byte", "date", "date-time", "datetime", "duration"];

/// The first type error of a rule at a position of a schema, in the words of CEL; none where nothing is certain to be wrong.
///
/// `is_resource` is whether the position is a whole Kubernetes object: the root, or an embedded resource.
#[must_use]
pub fn find_rule_type_error(rule: &str, schema: &Value, is_resource: bool) -> Option<String> {
    let expression = Parser::new().enable_optional_syntax(true).parse(rule.trim()).ok()?;
    TypeChecker { value: SchemaType { schema, is_resource } }.check(&expression)
}

/// The schema of a value.
#[derive(Clone, Copy)]
struct SchemaType<'a> {
    schema: &'a Value,
    is_resource: bool,
}

/// What is known of an expression.
#[derive(Clone, Copy)]
enum KnownType<'a> {
    Schema(SchemaType<'a>),
    /// The name that CEL gives a type: `int`.
    Scalar(&'static str),
    Unknown,
}

struct TypeChecker<'a> {
    /// The type of `self`.
    value: SchemaType<'a>,
}

impl<'a> TypeChecker<'a> {
    fn check(&self, expression: &IdedExpr) -> Option<String> {
        match &expression.expr {
            Expr::Call(call) => {
                let parts = call.target.iter().map(|target| &**target).chain(&call.args);
                self.check_comparison(call).or_else(|| self.check_all(parts))
            }
            Expr::Select(select) => match self.select_type(select) {
                Err(error) => Some(error),
                Ok(_) => self.check(&select.operand),
            },
            Expr::Comprehension(inner) => {
                self.check_all([&inner.iter_range, &inner.accu_init, &inner.loop_cond, &inner.loop_step, &inner.result])
            }
            Expr::List(list) => self.check_all(&list.elements),
            Expr::Map(map) => map.entries.iter().find_map(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => self.check_all([&entry.key, &entry.value]),
                EntryExpr::StructField(_) => None,
            }),
            Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) => None,
        }
    }

    fn check_all<'b>(&self, parts: impl IntoIterator<Item = &'b IdedExpr>) -> Option<String> {
        parts.into_iter().find_map(|part| self.check(part))
    }

    fn check_comparison(&self, call: &CallExpr) -> Option<String> {
        let [left, right] = call.args.as_slice() else { return None };
        let operator = call.func_name.as_str();
        if !COMPARISONS.contains(&operator) {
            return None;
        }
        let (left, right) = (self.type_of(left).ok()?.scalar()?, self.type_of(right).ok()?.scalar()?);
        let differ = comparable(left) != comparable(right);
        differ.then(|| format!("found no matching overload for '{operator}' applied to '({left}, {right})'"))
    }

    fn type_of(&self, expression: &IdedExpr) -> Result<KnownType<'a>, String> {
        match &expression.expr {
            Expr::Ident(name) if name == "self" => Ok(KnownType::Schema(self.value)),
            Expr::Select(select) => self.select_type(select),
            Expr::Literal(literal) => Ok(literal_type(literal)),
            Expr::Unspecified
            | Expr::Call(_)
            | Expr::Comprehension(_)
            | Expr::Ident(_)
            | Expr::List(_)
            | Expr::Map(_)
            | Expr::Struct(_) => Ok(KnownType::Unknown),
        }
    }

    fn select_type(&self, select: &SelectExpr) -> Result<KnownType<'a>, String> {
        match self.type_of(&select.operand)? {
            KnownType::Schema(operand) => operand.field(&select.field),
            KnownType::Scalar(_) | KnownType::Unknown => Ok(KnownType::Unknown),
        }
    }
}

impl<'a> SchemaType<'a> {
    fn field(self, name: &str) -> Result<KnownType<'a>, String> {
        match name {
            "apiVersion" | "kind" if self.is_resource => return Ok(KnownType::Scalar("string")),
            "metadata" if self.is_resource => return Ok(KnownType::Unknown),
            _ => {}
        }
        let Some(properties) = self.schema["properties"].as_object().filter(|_| self.is_closed_object()) else {
            return Ok(KnownType::Unknown);
        };
        let found = properties.iter().find(|(key, _)| escape_field_name(key).is_some_and(|escaped| escaped == name));
        let (_, schema) = found.ok_or_else(|| format!("undefined field '{name}'"))?;
        let is_resource = schema["x-kubernetes-embedded-resource"] == true;
        Ok(KnownType::Schema(SchemaType { schema, is_resource }))
    }

    /// Whether only the fields of `properties` can be named.
    fn is_closed_object(self) -> bool {
        self.schema["type"] == "object"
            && self.schema["x-kubernetes-preserve-unknown-fields"].is_null()
            && self.schema["additionalProperties"].is_null()
    }
}

impl KnownType<'_> {
    fn scalar(self) -> Option<&'static str> {
        let schema = match self {
            Self::Scalar(name) => return Some(name),
            Self::Schema(SchemaType { schema, .. }) => schema,
            Self::Unknown => return None,
        };
        let is_typed = schema["format"].as_str().is_some_and(|format| TYPED_FORMATS.contains(&format));
        if is_typed || schema["x-kubernetes-int-or-string"] == true || schema["nullable"] == true {
            return None;
        }
        match schema["type"].as_str()? {
            "string" => Some("string"),
            "integer" => Some("int"),
            "number" => Some("double"),
            "boolean" => Some("bool"),
            _ => None,
        }
    }
}

const fn literal_type(literal: &LiteralValue) -> KnownType<'static> {
    match literal {
        LiteralValue::Boolean(_) => KnownType::Scalar("bool"),
        LiteralValue::Double(_) => KnownType::Scalar("double"),
        LiteralValue::Int(_) => KnownType::Scalar("int"),
        LiteralValue::String(_) => KnownType::Scalar("string"),
        LiteralValue::UInt(_) => KnownType::Scalar("uint"),
        LiteralValue::Bytes(_) | LiteralValue::Null => KnownType::Unknown,
    }
}

/// Types with the same answer can be compared: numbers of every kind can.
fn comparable(scalar: &str) -> &str {
    if matches!(scalar, "int" | "uint" | "double") { "number" } else { scalar }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_that_the_schema_lacks_is_a_type_error() {
        let text = || json!({"type": "string"});
        let free = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"a": text()}});
        let schema = json!({"type": "object", "properties": {"a": text(), "n": {"type": "integer"}, "free": free,
            "with-dash": text(), "map": {"type": "object", "additionalProperties": text()},
            "list": {"type": "array", "items": {"type": "object", "properties": {"x": text()}}},
            "when": {"type": "string", "format": "date-time"}, "port": {"x-kubernetes-int-or-string": true}}});
        let error = |rule: &str| find_rule_type_error(rule, &schema, false);
        let undefined = Some("undefined field 'b'".to_owned());
        for rule in ["!has(self.b) || self.b == 'x'", "self.list.all(i, self.b == i.x)", "[self.b].size() > 0"] {
            assert_eq!(error(rule), undefined, "{rule}");
        }
        assert_eq!(error("self.a > 5").unwrap(), "found no matching overload for '_>_' applied to '(string, int)'");
        assert_eq!(error("self.n == 'x'").unwrap(), "found no matching overload for '_==_' applied to '(int, string)'");
        assert_eq!(error("self.metadata.name == 'x'").unwrap(), "undefined field 'metadata'");
        for rule in [
            "self.n > 5.0 && self.a == 'x' && self.n == 1",
            "self.free.anything == 1 && self.map.key == 'x' && self.with__dash__dash == 'x'",
            "self.list.all(i, i.unknown == 1) && self.when > timestamp('2020-01-01T00:00:00Z') && self.port == 1",
            "has(self.?a) || size(self.a) > 3",
        ] {
            assert_eq!(error(rule), None, "{rule}");
        }
        assert_eq!(find_rule_type_error("self.metadata.name == self.kind", &schema, true), None);
    }
}
