//! CEL rules: `x-kubernetes-validations` (apiextensions-apiserver `pkg/apiserver/schema/cel/validation.go`).
//!
//! The rules run in `kube-cel`, which brings the functions of Kubernetes to the crate `cel`. What that crate cannot do
//! makes a rule *undetermined*, never passed: macros with two variables (`all(k, v, …)`), `cel.bind`, `sortBy`,
//! functions that it does not have, comparing values of types that it does not compare. Three things of the server are
//! not done here: the cost budget at run time, the type check that refuses a rule when the CRD is written, and lists
//! that are sets or maps compared without regard to their order.

mod conversion;
mod escape;
pub(super) mod features;
pub(super) mod type_check;

use std::sync::OnceLock;

use kube_cel::KubeCelExt;
use kube_cel::cel::common::ast::IdedExpr;
use kube_cel::cel::extractors::This;
use kube_cel::cel::objects::OptionalValue;
use kube_cel::cel::parser::Parser;
use kube_cel::cel::{Context, ExecutionError, Value as CelValue};
use serde_json::Value;

use super::ServerVersion;
use super::error::{ErrorKind, SchemaError, UndeterminedField, format_go_value};
use super::node::{Node, is_flag_set};
use super::object_path::{ObjectPath, PathPart};
use super::ratcheting::CorrelatedValue;

pub(super) use escape::escape_field_name;

/// The rules of one position.
pub(super) type Rules = Vec<Rule>;

/// One rule, read when it first runs.
#[derive(Debug)]
pub(super) struct Rule {
    rule: String,
    message: String,
    message_expression: String,
    field_path: String,
    reason: ErrorKind,
    optional_old_self: bool,
    program: OnceLock<Result<RuleProgram, String>>,
}

#[derive(Debug)]
struct RuleProgram {
    expression: IdedExpr,
    message: Option<IdedExpr>,
    uses_old_self: bool,
}

thread_local! {
    /// The functions are many, and the same for every rule.
    static FUNCTIONS: Context<'static> = build_functions();
}

/// The crate counts the bytes of a string; CEL counts its characters.
fn build_functions() -> Context<'static> {
    let mut functions = Context::default().with_all();
    functions.add_function("size", |This(value): This<CelValue>| {
        let size = match value {
            CelValue::String(text) => text.chars().count(),
            CelValue::Bytes(bytes) => bytes.len(),
            CelValue::List(items) => items.len(),
            CelValue::Map(entries) => entries.map.len(),
            _ => return Err(ExecutionError::NoSuchOverload),
        };
        i64::try_from(size).map_err(|_| ExecutionError::NoSuchOverload)
    });
    functions
}

/// Evaluates an expression with these variables, which are plain JSON.
pub(super) fn evaluate_with(expression: &IdedExpr, variables: &[(&str, &Value)]) -> Result<CelValue, ExecutionError> {
    FUNCTIONS.with(|functions| {
        let mut context = functions.new_inner_scope();
        for (name, value) in variables {
            let value = kube_cel::cel::to_value(value).map_err(|_| ExecutionError::NoSuchOverload)?;
            context.add_variable_from_value(*name, value);
        }
        CelValue::resolve(expression, &context)
    })
}

/// The rules of a schema. A server before 1.25 knows none.
pub(super) fn compile(schema: &Value, server: ServerVersion) -> Rules {
    let all = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
    let known = server >= ServerVersion::new(1, 25);
    all.filter(|_| known).map(Rule::read).collect()
}

impl Rule {
    fn read(rule: &Value) -> Self {
        let text = |key: &str| rule[key].as_str().unwrap_or_default().trim().to_owned();
        let reason = match rule["reason"].as_str() {
            Some("FieldValueForbidden") => ErrorKind::Forbidden,
            Some("FieldValueRequired") => ErrorKind::Required,
            Some("FieldValueDuplicate") => ErrorKind::Duplicate,
            _ => ErrorKind::Invalid,
        };
        Self {
            rule: text("rule"),
            message: text("message"),
            message_expression: text("messageExpression"),
            field_path: text("fieldPath"),
            reason,
            optional_old_self: is_flag_set(rule, "optionalOldSelf"),
            program: OnceLock::new(),
        }
    }

    fn program(&self) -> Result<&RuleProgram, String> {
        let read = || {
            let parse = |text: &str| Parser::new().enable_optional_syntax(true).parse(text);
            let expression = parse(&self.rule).map_err(|_| "the rule cannot be read here".to_owned())?;
            let message =
                Some(&self.message_expression).filter(|text| !text.is_empty()).and_then(|text| parse(text).ok());
            let uses_old_self = expression.references().has_variable("oldSelf");
            Ok(RuleProgram { expression, message, uses_old_self })
        };
        self.program.get_or_init(read).as_ref().map_err(Clone::clone)
    }

    /// How the server names a rule that has no message.
    fn display_text(&self) -> &str {
        if self.message.is_empty() { &self.rule } else { &self.message }
    }
}

/// How the rules are evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RuleOperation {
    /// There is no older object.
    Create,
    /// The older object is the same, but for its metadata. With `forgives`, what stands below the root is forgiven.
    UnchangedUpdate {
        /// Whether the server ratchets.
        ratchets: bool,
    },
}

/// What the rules said.
#[derive(Debug, Default)]
pub(super) struct RuleOutcome {
    pub(super) errors: Vec<SchemaError>,
    pub(super) undetermined: Vec<UndeterminedField>,
    /// Whether a rule looked at the older object.
    pub(super) has_transition_rules: bool,
}

/// Asks every rule of the schema about the object.
pub(super) fn evaluate_object_rules(object: &Value, node: &Node, operation: RuleOperation) -> RuleOutcome {
    let mut outcome = RuleOutcome::default();
    if node.has_rules {
        let direct = (operation != RuleOperation::Create).then_some(CorrelatedValue { value: object, node });
        let older = Correlation { direct, nearest: None };
        FUNCTIONS.with(|functions| {
            Evaluator { functions, operation, outcome: &mut outcome }.visit(object, node, &ObjectPath::ROOT, older);
        });
    }
    outcome
}

/// Asks every rule about a default, as when its CRD is written: against itself as the older value, and where that is right without one
/// (`defaulting/validation.go`). The paths begin with `default`.
pub(super) fn evaluate_default_rules(default: &Value, node: &Node) -> RuleOutcome {
    let place = ObjectPath::ROOT.child(PathPart::Field("default"));
    let mut outcome = RuleOutcome::default();
    for direct in [Some(CorrelatedValue { value: default, node }), None] {
        if node.has_rules && outcome.errors.is_empty() {
            let (operation, older) =
                (RuleOperation::UnchangedUpdate { ratchets: false }, Correlation { direct, nearest: None });
            FUNCTIONS.with(|functions| {
                Evaluator { functions, operation, outcome: &mut outcome }.visit(default, node, &place, older);
            });
        }
    }
    outcome
}

/// What the server finds of the older object, from one position on (`CorrelatedObject`).
#[derive(Clone, Copy)]
struct Correlation<'a> {
    /// The older value of this position.
    direct: Option<CorrelatedValue<'a>>,
    /// The value that has an older one and stands nearest: this one, or one around it. Where the server calls the two
    /// equal, it forgives. The root is not among them: its metadata differs.
    nearest: Option<(&'a Value, CorrelatedValue<'a>)>,
}

impl<'a> Correlation<'a> {
    fn descend(self, value: &'a Value, direct: Option<CorrelatedValue<'a>>) -> Self {
        Self { direct, nearest: direct.map(|older| (value, older)).or(self.nearest) }
    }

    fn field(self, value: &'a Value, name: &str) -> Self {
        self.descend(value, self.direct.and_then(|older| older.field(name)))
    }

    fn item(self, value: &'a Value) -> Self {
        self.descend(value, self.direct.and_then(|older| older.item(value)))
    }

    fn is_ratcheted(self) -> bool {
        self.nearest.is_some_and(|(value, older)| older.is_equal_to(value))
    }
}

/// Where rules are evaluated.
#[derive(Clone, Copy)]
struct RulePosition<'a> {
    value: &'a Value,
    node: &'a Node,
    place: &'a ObjectPath<'a>,
    older: Correlation<'a>,
}

impl RulePosition<'_> {
    fn self_value(self) -> CelValue {
        if self.place.is_root() {
            conversion::root_to_cel_value(self.value, self.node)
        } else {
            conversion::to_cel_value(self.value, self.node)
        }
    }

    /// The older value, as an optional where the rule asks for one.
    fn old_self(self, rule: &Rule) -> Option<CelValue> {
        let old = self.older.direct.map(|CorrelatedValue { value, node }| match self.place.is_root() {
            true => conversion::old_root_to_cel_value(value, node),
            false => conversion::to_cel_value(value, node),
        });
        if !rule.optional_old_self {
            return old;
        }
        Some(CelValue::Opaque(std::sync::Arc::new(old.map_or_else(OptionalValue::none, OptionalValue::of))))
    }
}

struct Evaluator<'a> {
    functions: &'a Context<'static>,
    operation: RuleOperation,
    outcome: &'a mut RuleOutcome,
}

impl Evaluator<'_> {
    fn visit(&mut self, value: &Value, node: &Node, place: &ObjectPath<'_>, older: Correlation<'_>) {
        if value.is_null() || !node.has_rules {
            return;
        }
        if !node.rules.is_empty() {
            self.evaluate_rules(&node.rules, RulePosition { value, node, place, older });
        }
        for branch in &node.all_of {
            self.visit_branch(value, node, branch, place, older);
        }
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let Some((below, named)) = node.child(name).filter(|(below, _)| below.has_rules) else { continue };
                    let step = if named { PathPart::Field(name) } else { PathPart::Key(name) };
                    self.visit(value, below, &place.child(step), older.field(value, name));
                }
            }
            Value::Array(items) => {
                let Some(below) = node.items.as_deref().filter(|below| below.has_rules) else { return };
                for (at, item) in items.iter().enumerate() {
                    self.visit(item, below, &place.child(PathPart::Index(at)), older.item(item));
                }
            }
            _ => {}
        }
    }

    /// Rules inside of `allOf`: the values are those of the schema around it.
    fn visit_branch(
        &mut self,
        value: &Value,
        node: &Node,
        branch: &Node,
        place: &ObjectPath<'_>,
        older: Correlation<'_>,
    ) {
        if value.is_null() || !branch.has_rules {
            return;
        }
        if !branch.rules.is_empty() {
            self.evaluate_rules(&branch.rules, RulePosition { value, node, place, older });
        }
        if let Value::Object(fields) = value {
            for (name, value) in fields {
                let (Some((inner, named)), Some((outer, _))) = (branch.child(name), node.child(name)) else { continue };
                let step = if named { PathPart::Field(name) } else { PathPart::Key(name) };
                self.visit_branch(value, outer, inner, &place.child(step), older.field(value, name));
            }
        }
        if let (Value::Array(items), Some(inner), Some(outer)) = (value, &branch.items, &node.items) {
            for (at, item) in items.iter().enumerate() {
                self.visit_branch(item, outer, inner, &place.child(PathPart::Index(at)), older.item(item));
            }
        }
        for inner in &branch.all_of {
            self.visit_branch(value, node, inner, place, older);
        }
    }

    fn evaluate_rules(&mut self, rules: &Rules, at: RulePosition<'_>) {
        let self_value = at.self_value();
        let mistyped = conversion::is_mistyped(at.value, at.node, at.place.is_root());
        for rule in rules {
            let compiled = match rule.program() {
                Ok(compiled) => compiled,
                Err(reason) => {
                    self.push_undetermined(rule, at, &reason);
                    continue;
                }
            };
            self.outcome.has_transition_rules |= compiled.uses_old_self;
            if compiled.uses_old_self && at.older.direct.is_none() && !rule.optional_old_self {
                continue;
            }
            if mistyped {
                self.push_undetermined(rule, at, "a value is not of the type that the schema says");
                continue;
            }
            let mut context = self.functions.new_inner_scope();
            context.add_variable_from_value("self", self_value.clone());
            if let Some(old) = compiled.uses_old_self.then(|| at.old_self(rule)).flatten() {
                context.add_variable_from_value("oldSelf", old);
            }
            self.evaluate_rule(rule, compiled, &context, at);
        }
    }

    fn evaluate_rule(&mut self, rule: &Rule, compiled: &RuleProgram, context: &Context<'_>, at: RulePosition<'_>) {
        match CelValue::resolve(&compiled.expression, context) {
            Ok(CelValue::Bool(true)) => {}
            Ok(CelValue::Bool(false)) => {
                let can_ratchet =
                    self.operation == RuleOperation::UnchangedUpdate { ratchets: true } && !compiled.uses_old_self;
                if !(can_ratchet && at.older.is_ratcheted()) {
                    self.outcome.errors.push(build_violation(rule, compiled, context, at));
                }
            }
            Ok(_) => self.push_undetermined(rule, at, "it is neither true nor false here"),
            Err(error) => match server_message(&error) {
                Some(words) => {
                    let detail = format!("{words} evaluating rule: {}", rule.display_text());
                    let shown = Some(format!("{:?}", at.node.kind.map_or("", super::node::Type::name)));
                    self.outcome.errors.push(SchemaError::new(at.place.to_string(), ErrorKind::Invalid, shown, detail));
                }
                None => self.push_undetermined(rule, at, &unsupported_reason(&error)),
            },
        }
    }

    fn push_undetermined(&mut self, rule: &Rule, at: RulePosition<'_>, reason: &str) {
        let reason = format!("rule {:?}: {reason}", rule.rule);
        self.outcome.undetermined.push(UndeterminedField { path: at.place.to_string(), reason });
    }
}

fn build_violation(rule: &Rule, compiled: &RuleProgram, context: &Context<'_>, at: RulePosition<'_>) -> SchemaError {
    let RulePosition { value, node, place, .. } = at;
    let computed = compiled.message.as_ref().and_then(|message| match CelValue::resolve(message, context) {
        Ok(CelValue::String(text)) => {
            let text = text.trim();
            (!text.is_empty() && !text.contains('\n') && text.len() <= 5 * 1024).then(|| text.to_owned())
        }
        _ => None,
    });
    let words = computed.unwrap_or_else(|| match rule.message.is_empty() {
        true => format!("failed rule: {}", rule.rule),
        false => rule.message.clone(),
    });
    let path =
        format!("{place}{}", if place.is_root() { rule.field_path.trim_start_matches('.') } else { &rule.field_path });
    let composite = matches!(node.kind, Some(super::node::Type::Object | super::node::Type::Array));
    let shown = (!composite && rule.reason == ErrorKind::Invalid).then(|| format_go_value(value));
    let words = if rule.reason == ErrorKind::Duplicate { String::new() } else { words };
    SchemaError::new(path, rule.reason, shown, words)
}

/// What the server says of an error that it meets too; none where only this crate may meet it.
fn server_message(error: &ExecutionError) -> Option<String> {
    match error {
        ExecutionError::NoSuchKey(key) => Some(format!("no such key: {key}")),
        ExecutionError::DivisionByZero(_) => Some("division by zero".to_owned()),
        ExecutionError::RemainderByZero(_) => Some("modulus by zero".to_owned()),
        ExecutionError::IndexOutOfBounds(CelValue::Int(index)) => Some(format!("index out of bounds: {index}")),
        _ => None,
    }
}

/// Why a rule cannot be judged, without the values that the error carries.
fn unsupported_reason(error: &ExecutionError) -> String {
    match error {
        ExecutionError::UndeclaredReference(name) => format!("{name:?} is not known here"),
        ExecutionError::FunctionError { function, .. } => format!("the function {function} failed here"),
        ExecutionError::NoSuchOverload => "an operator is not known here for these types".to_owned(),
        _ => "it cannot be evaluated here".to_owned(),
    }
}
