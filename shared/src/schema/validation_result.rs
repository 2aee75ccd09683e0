//! The order of things, and what comes out of it.

use serde::Serialize;
use serde_json::Value;

use super::cel::{self, RuleOperation, RuleOutcome};
use super::error::{ErrorKind, SchemaError, UndeterminedField};
use super::object_path::ObjectPath;
use super::ratcheting::CorrelatedValue;
use super::value_validation::{ValidationMode, validate};
use super::{Schema, defaulting, duplicates, meta, prune};

/// One answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Validity {
    /// The server takes it.
    Valid,
    /// The server refuses it.
    Invalid,
    /// It cannot be said here; why is in `undetermined`.
    Undetermined,
}

/// What the server would say of one object under one schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidationResult {
    /// Whether it could be created, as it is.
    pub create: Validity,
    /// Whether an update that changes nothing but metadata would pass.
    pub unchanged_update: Validity,
    /// Fields that no schema names: the server drops them without a word.
    pub pruned_fields: Vec<String>,
    /// Fields that the server fills in.
    pub defaulted_fields: Vec<String>,
    /// Why it could not be created, sorted.
    pub errors: Vec<SchemaError>,
    /// Why an update that changes nothing would fail, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub update_errors: Vec<SchemaError>,
    /// What could not be judged here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub undetermined: Vec<UndeterminedField>,
}

/// The object after everything was done to it that the server does before it looks.
pub(super) struct DecodedObject {
    pub(super) object: Value,
    pruned_fields: Vec<String>,
    defaulted_fields: Vec<String>,
    errors: Vec<SchemaError>,
}

pub(super) fn decode(schema: &Schema, object: &Value) -> DecodedObject {
    let mut decoded = DecodedObject {
        object: object.clone(),
        pruned_fields: Vec::new(),
        defaulted_fields: Vec::new(),
        errors: Vec::new(),
    };
    let node = &schema.node;
    if let (Some(fields), Some(version)) = (decoded.object.as_object_mut(), &schema.api_version) {
        fields.insert("apiVersion".to_owned(), Value::String(version.clone()));
    }
    if !schema.preserves_unknown_fields {
        prune::prune_resource(&mut decoded.object, node, &mut decoded.pruned_fields);
        prune::drop_nulls(&mut decoded.object, Some(node));
    }
    meta::coerce(&mut decoded.object, node, &mut decoded.pruned_fields, &mut decoded.errors);
    defaulting::apply_defaults(&mut decoded.object, node, &ObjectPath::ROOT, &mut decoded.defaulted_fields);
    decoded.pruned_fields.sort();
    decoded.defaulted_fields.sort();
    decoded
}

pub(super) fn validate_resource(schema: &Schema, object: &Value) -> ValidationResult {
    let mut decoded = decode(schema, object);
    let (create, undetermined_create, has_transition_rules) = validate_create(schema, &mut decoded);
    let (update, undetermined_update) = if create.is_empty() && undetermined_create.is_empty() && !has_transition_rules
    {
        (Vec::new(), Vec::new())
    } else if schema.server.has_ratcheting() {
        validate_unchanged_update(schema, &mut decoded)
    } else {
        validate_unratcheted_update(schema, &mut decoded)
    };
    let mut undetermined = undetermined_create.clone();
    undetermined.extend(undetermined_update.iter().cloned());
    undetermined.sort();
    undetermined.dedup();
    ValidationResult {
        create: decide_validity(&create, &undetermined_create),
        unchanged_update: decide_validity(&update, &undetermined_update),
        pruned_fields: decoded.pruned_fields,
        defaulted_fields: decoded.defaulted_fields,
        errors: sort_errors(create),
        update_errors: sort_errors(update),
        undetermined,
    }
}

const fn decide_validity(errors: &[SchemaError], undetermined: &[UndeterminedField]) -> Validity {
    match (errors.is_empty(), undetermined.is_empty()) {
        (false, _) => Validity::Invalid,
        (true, false) => Validity::Undetermined,
        (true, true) => Validity::Valid,
    }
}

/// By field; that rules were skipped comes last, because the other errors are the reason for it.
fn sort_errors(mut errors: Vec<SchemaError>) -> Vec<SchemaError> {
    errors.sort_by(|one, other| (one.is_skipped_rules(), one).cmp(&(other.is_skipped_rules(), other)));
    errors.dedup();
    errors
}

fn validate_create(schema: &Schema, decoded: &mut DecodedObject) -> (Vec<SchemaError>, Vec<UndeterminedField>, bool) {
    let node = &schema.node;
    let mut errors = decoded.errors.clone();
    meta::validate_on_create(&decoded.object, &mut errors);
    let result = validate(&decoded.object, node, &ObjectPath::ROOT, ValidationMode::Create);
    errors.extend(result.errors);
    schema.scale.validate(&decoded.object, &mut errors);
    meta::validate_embedded(&mut decoded.object, node, &mut errors);
    duplicates::find_duplicates(&decoded.object, node, &ObjectPath::ROOT, &mut errors);
    let rule_outcome = evaluate_rules(schema, decoded, RuleOperation::Create, &mut errors);
    let mut undetermined = result.undetermined;
    undetermined.extend(rule_outcome.undetermined);
    (errors, undetermined, rule_outcome.has_transition_rules)
}

/// Since 1.30 what is found again and equal is forgiven; embedded metadata and duplicates have rules of
/// their own: the first are looked at again, the second only where there were none before.
fn validate_unchanged_update(
    schema: &Schema,
    decoded: &mut DecodedObject,
) -> (Vec<SchemaError>, Vec<UndeterminedField>) {
    let node = &schema.node;
    let mut errors = decoded.errors.clone();
    meta::validate_on_update(&decoded.object, &mut errors);
    let result = validate(
        &decoded.object,
        node,
        &ObjectPath::ROOT,
        ValidationMode::Ratcheted(CorrelatedValue { value: &decoded.object, node }),
    );
    errors.extend(result.errors);
    schema.scale.validate(&decoded.object, &mut errors);
    meta::validate_embedded(&mut decoded.object, node, &mut errors);
    let rule_outcome = evaluate_rules(schema, decoded, RuleOperation::UnchangedUpdate { ratchets: true }, &mut errors);
    let mut undetermined = result.undetermined;
    undetermined.extend(rule_outcome.undetermined);
    (errors, undetermined)
}

/// Before 1.30 an update is looked at as a create is, but for the duplicates.
fn validate_unratcheted_update(
    schema: &Schema,
    decoded: &mut DecodedObject,
) -> (Vec<SchemaError>, Vec<UndeterminedField>) {
    let node = &schema.node;
    let mut errors = decoded.errors.clone();
    meta::validate_on_update(&decoded.object, &mut errors);
    let result = validate(&decoded.object, node, &ObjectPath::ROOT, ValidationMode::Create);
    errors.extend(result.errors);
    schema.scale.validate(&decoded.object, &mut errors);
    meta::validate_embedded(&mut decoded.object, node, &mut errors);
    let rule_outcome = evaluate_rules(schema, decoded, RuleOperation::UnchangedUpdate { ratchets: false }, &mut errors);
    let mut undetermined = result.undetermined;
    undetermined.extend(rule_outcome.undetermined);
    (errors, undetermined)
}

/// The rules, unless what came before is too wrong.
fn evaluate_rules(
    schema: &Schema,
    decoded: &DecodedObject,
    operation: RuleOperation,
    errors: &mut Vec<SchemaError>,
) -> RuleOutcome {
    if !schema.node.has_rules {
        return RuleOutcome::default();
    }
    if errors.iter().any(|error| error.kind.blocks_rules()) {
        let words = "some validation rules were not checked because the object was invalid; correct the existing errors \
                     to complete validation";
        let skipped = SchemaError::new(String::new(), ErrorKind::SkippedRules, Some("null".to_owned()), words);
        errors.push(skipped.with_nil_field());
        return RuleOutcome { has_transition_rules: true, ..RuleOutcome::default() };
    }
    let mut rule_outcome = cel::evaluate_object_rules(&decoded.object, &schema.node, operation);
    errors.append(&mut rule_outcome.errors);
    rule_outcome
}
