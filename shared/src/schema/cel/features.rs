//! What a rule asks of its server: functions that not every version has, and loops within loops
//! (k8s.io/apiserver `pkg/cel/environment/base.go`).

use kube_cel::cel::common::ast::{EntryExpr, Expr, IdedExpr};
use kube_cel::cel::parser::Parser;

use crate::schema::ServerVersion;

/// What a rule uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleFeatures {
    /// Functions that came after the first version with rules, with the version that brought them.
    pub versioned_functions: Vec<(String, ServerVersion)>,
    /// How deep its loops (`all`, `exists`, `map`, `filter`) stand in each other.
    pub loop_depth: usize,
    /// Whether it looks at the older object.
    pub uses_old_self: bool,
}

/// Functions by the version that brought them.
const FUNCTIONS_BY_MINOR_VERSION: [(u32, &[&str]); 7] = [
    (28, &["quantity", "isQuantity", "optMap", "orValue", "_?._", "_[?_]"]),
    (29, &["quote"]),
    (30, &["ip", "isIP", "cidr", "isCIDR", "containsIP", "containsCIDR", "prefixLength", "masked"]),
    (31, &[]),
    (32, &["transformList", "transformMap", "transformMapEntry"]),
    (33, &["semver", "isSemver"]),
    (34, &["distinct", "flatten", "slice", "sort", "sortBy"]),
];
/// Names before a function: `sets.contains(…)`.
const NAMESPACES_BY_MINOR_VERSION: [(u32, &str); 4] = [(28, "optional"), (29, "sets"), (29, "strings"), (31, "format")];
/// Two variables in a loop.
const TWO_VARIABLES_MINOR_VERSION: u32 = 32;

/// Reads a rule; none where it cannot be read here.
#[must_use]
pub fn parse_rule_features(rule: &str) -> Option<RuleFeatures> {
    let expression = Parser::new().enable_optional_syntax(true).parse(rule.trim()).ok()?;
    let uses_old_self = expression.references().has_variable("oldSelf");
    let mut features = RuleFeatures { uses_old_self, ..RuleFeatures::default() };
    collect_features(&expression, 0, &mut features);
    features.versioned_functions.sort();
    features.versioned_functions.dedup();
    Some(features)
}

fn collect_features(expression: &IdedExpr, depth: usize, features: &mut RuleFeatures) {
    match &expression.expr {
        Expr::Call(call) => {
            let namespace = call.target.as_ref().and_then(|target| match &target.expr {
                Expr::Ident(name) => NAMESPACES_BY_MINOR_VERSION.iter().find(|(_, known)| known == name),
                _ => None,
            });
            let function =
                FUNCTIONS_BY_MINOR_VERSION.iter().find(|(_, names)| names.contains(&call.func_name.as_str()));
            let minor_version = namespace.map(|(minor, _)| *minor).or(function.map(|(minor, _)| *minor));
            let name = namespace.map_or_else(String::new, |(_, name)| format!("{name}.")) + &call.func_name;
            features.versioned_functions.extend(minor_version.map(|minor| (name, ServerVersion::new(1, minor))));
            call.target.iter().for_each(|target| collect_features(target, depth, features));
            call.args.iter().for_each(|argument| collect_features(argument, depth, features));
        }
        Expr::Comprehension(inner) => {
            features.loop_depth = features.loop_depth.max(depth + 1);
            if inner.iter_var2.is_some() {
                features
                    .versioned_functions
                    .push(("two variables in a loop".to_owned(), ServerVersion::new(1, TWO_VARIABLES_MINOR_VERSION)));
            }
            collect_features(&inner.iter_range, depth, features);
            [&inner.loop_cond, &inner.loop_step]
                .into_iter()
                .for_each(|part| collect_features(part, depth + 1, features));
            [&inner.accu_init, &inner.result].into_iter().for_each(|part| collect_features(part, depth, features));
        }
        Expr::Select(select) => collect_features(&select.operand, depth, features),
        Expr::List(list) => list.elements.iter().for_each(|element| collect_features(element, depth, features)),
        Expr::Map(map) => map.entries.iter().for_each(|entry| {
            if let EntryExpr::MapEntry(entry) = &entry.expr {
                collect_features(&entry.key, depth, features);
                collect_features(&entry.value, depth, features);
            }
        }),
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_of_later_versions_are_named() {
        let newer = |rule: &str| parse_rule_features(rule).unwrap().versioned_functions;
        assert_eq!(newer("self.all(x, x.size() < 3)"), []);
        assert_eq!(newer("isIP(self)"), [("isIP".to_owned(), ServerVersion::new(1, 30))]);
        assert_eq!(newer("sets.contains(self, ['a'])"), [("sets.contains".to_owned(), ServerVersion::new(1, 29))]);
        assert_eq!(newer("!format.dns1123Label().validate(self).hasValue()")[0].1, ServerVersion::new(1, 31));
        assert_eq!(parse_rule_features("self ==== 1"), None);
    }

    #[test]
    fn loops_are_counted_by_their_depth() {
        let loops = |rule: &str| parse_rule_features(rule).unwrap().loop_depth;
        assert_eq!(loops("self == 1"), 0);
        assert_eq!(loops("self.all(x, x > 1) && self.exists(y, y > 2)"), 1);
        assert_eq!(loops("self.all(x, self.exists_one(y, x == y))"), 2);
    }
}
