//! What a rule asks of its server: functions that not every version has, and loops within loops
//! (k8s.io/apiserver `pkg/cel/environment/base.go`).

use kube_cel::cel::common::ast::{EntryExpr, Expr, IdedExpr};
use kube_cel::cel::parser::Parser;

use crate::schema::ServerVersion;

/// What a rule uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleUses {
    /// Functions that came after the first version with rules, with the version that brought them.
    pub newer: Vec<(String, ServerVersion)>,
    /// How deep its loops (`all`, `exists`, `map`, `filter`) stand in each other.
    pub loops: usize,
    /// Whether it looks at the older object.
    pub old_self: bool,
}

/// Functions by the version that brought them.
const FUNCTIONS: [(u32, &[&str]); 7] = [
    (28, &["quantity", "isQuantity", "optMap", "orValue", "_?._", "_[?_]"]),
    (29, &["quote"]),
    (30, &["ip", "isIP", "cidr", "isCIDR", "containsIP", "containsCIDR", "prefixLength", "masked"]),
    (31, &[]),
    (32, &["transformList", "transformMap", "transformMapEntry"]),
    (33, &["semver", "isSemver"]),
    (34, &["distinct", "flatten", "slice", "sort", "sortBy"]),
];
/// Names before a function: `sets.contains(…)`.
const NAMESPACES: [(u32, &str); 4] = [(28, "optional"), (29, "sets"), (29, "strings"), (31, "format")];
/// Two variables in a loop.
const TWO_VARIABLES: u32 = 32;

/// Reads a rule; none where it cannot be read here.
#[must_use]
pub fn rule_uses(rule: &str) -> Option<RuleUses> {
    let expression = Parser::new().enable_optional_syntax(true).parse(rule.trim()).ok()?;
    let old_self = expression.references().has_variable("oldSelf");
    let mut uses = RuleUses { old_self, ..RuleUses::default() };
    walk(&expression, 0, &mut uses);
    uses.newer.sort();
    uses.newer.dedup();
    Some(uses)
}

fn walk(expression: &IdedExpr, depth: usize, uses: &mut RuleUses) {
    match &expression.expr {
        Expr::Call(call) => {
            let namespace = call.target.as_ref().and_then(|target| match &target.expr {
                Expr::Ident(name) => NAMESPACES.iter().find(|(_, known)| known == name),
                _ => None,
            });
            let own = FUNCTIONS.iter().find(|(_, names)| names.contains(&call.func_name.as_str()));
            let since = namespace.map(|(minor, _)| *minor).or(own.map(|(minor, _)| *minor));
            let name = namespace.map_or_else(String::new, |(_, name)| format!("{name}.")) + &call.func_name;
            uses.newer.extend(since.map(|minor| (name, ServerVersion::new(1, minor))));
            call.target.iter().for_each(|target| walk(target, depth, uses));
            call.args.iter().for_each(|argument| walk(argument, depth, uses));
        }
        Expr::Comprehension(inner) => {
            uses.loops = uses.loops.max(depth + 1);
            if inner.iter_var2.is_some() {
                uses.newer.push(("two variables in a loop".to_owned(), ServerVersion::new(1, TWO_VARIABLES)));
            }
            walk(&inner.iter_range, depth, uses);
            [&inner.loop_cond, &inner.loop_step].into_iter().for_each(|part| walk(part, depth + 1, uses));
            [&inner.accu_init, &inner.result].into_iter().for_each(|part| walk(part, depth, uses));
        }
        Expr::Select(select) => walk(&select.operand, depth, uses),
        Expr::List(list) => list.elements.iter().for_each(|element| walk(element, depth, uses)),
        Expr::Map(map) => map.entries.iter().for_each(|entry| {
            if let EntryExpr::MapEntry(entry) = &entry.expr {
                walk(&entry.key, depth, uses);
                walk(&entry.value, depth, uses);
            }
        }),
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_later_is_named() {
        let newer = |rule: &str| rule_uses(rule).unwrap().newer;
        assert_eq!(newer("self.all(x, x.size() < 3)"), []);
        assert_eq!(newer("isIP(self)"), [("isIP".to_owned(), ServerVersion::new(1, 30))]);
        assert_eq!(newer("sets.contains(self, ['a'])"), [("sets.contains".to_owned(), ServerVersion::new(1, 29))]);
        assert_eq!(newer("!format.dns1123Label().validate(self).hasValue()")[0].1, ServerVersion::new(1, 31));
        assert_eq!(rule_uses("self ==== 1"), None);
    }

    #[test]
    fn loops_are_counted_by_their_depth() {
        let loops = |rule: &str| rule_uses(rule).unwrap().loops;
        assert_eq!(loops("self == 1"), 0);
        assert_eq!(loops("self.all(x, x > 1) && self.exists(y, y > 2)"), 1);
        assert_eq!(loops("self.all(x, self.exists_one(y, x == y))"), 2);
    }
}
