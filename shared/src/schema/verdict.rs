//! The order of things, and what comes out of it.

use serde::Serialize;
use serde_json::Value;

use super::cel::{self, Asked, Heard};
use super::place::Place;
use super::ratchet::Older;
use super::said::{ErrorKind, SchemaError, Unsure};
use super::validate::{Look, validate};
use super::{Schema, fill, lists, meta, prune};

/// One answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
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
pub struct Verdicts {
    /// Whether it could be created, as it is.
    pub create: Verdict,
    /// Whether an update that changes nothing but metadata would pass.
    pub unchanged_update: Verdict,
    /// Fields that no schema names: the server drops them without a word.
    pub pruned: Vec<String>,
    /// Fields that the server fills in.
    pub defaulted: Vec<String>,
    /// Why it could not be created, sorted.
    pub errors: Vec<SchemaError>,
    /// Why an update that changes nothing would fail, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub update_errors: Vec<SchemaError>,
    /// What could not be judged here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub undetermined: Vec<Unsure>,
}

/// The object after everything was done to it that the server does before it looks.
pub(super) struct Prepared {
    pub(super) object: Value,
    pruned: Vec<String>,
    defaulted: Vec<String>,
    errors: Vec<SchemaError>,
}

pub(super) fn prepare(schema: &Schema, object: &Value) -> Prepared {
    let mut done = Prepared { object: object.clone(), pruned: Vec::new(), defaulted: Vec::new(), errors: Vec::new() };
    let node = &schema.node;
    if let (Some(fields), Some(version)) = (done.object.as_object_mut(), &schema.api_version) {
        fields.insert("apiVersion".to_owned(), Value::String(version.clone()));
    }
    if !schema.keeps_unknown {
        prune::prune_resource(&mut done.object, node, &mut done.pruned);
        prune::drop_nulls(&mut done.object, Some(node));
    }
    meta::coerce(&mut done.object, node, &mut done.pruned, &mut done.errors);
    fill::fill(&mut done.object, node, &Place::ROOT, &mut done.defaulted);
    done.pruned.sort();
    done.defaulted.sort();
    done
}

pub(super) fn judge(schema: &Schema, object: &Value) -> Verdicts {
    let mut done = prepare(schema, object);
    let (create, unsure, transitions) = as_create(schema, &mut done);
    let (update, more) = if create.is_empty() && unsure.is_empty() && !transitions {
        (Vec::new(), Vec::new())
    } else if schema.server.ratchets() {
        unchanged(schema, &mut done)
    } else {
        unratcheted(schema, &mut done)
    };
    let mut undetermined = unsure.clone();
    undetermined.extend(more.iter().cloned());
    undetermined.sort();
    undetermined.dedup();
    Verdicts {
        create: verdict(&create, &unsure),
        unchanged_update: verdict(&update, &more),
        pruned: done.pruned,
        defaulted: done.defaulted,
        errors: sorted(create),
        update_errors: sorted(update),
        undetermined,
    }
}

const fn verdict(errors: &[SchemaError], unsure: &[Unsure]) -> Verdict {
    match (errors.is_empty(), unsure.is_empty()) {
        (false, _) => Verdict::Invalid,
        (true, false) => Verdict::Undetermined,
        (true, true) => Verdict::Valid,
    }
}

fn sorted(mut errors: Vec<SchemaError>) -> Vec<SchemaError> {
    errors.sort();
    errors.dedup();
    errors
}

fn as_create(schema: &Schema, done: &mut Prepared) -> (Vec<SchemaError>, Vec<Unsure>, bool) {
    let node = &schema.node;
    let mut errors = done.errors.clone();
    meta::own(&done.object, &mut errors);
    let found = validate(&done.object, node, &Place::ROOT, Look::Create);
    errors.extend(found.errors);
    meta::embedded(&mut done.object, node, &mut errors);
    lists::duplicates(&done.object, node, &Place::ROOT, &mut errors);
    let heard = rules(schema, done, Asked::Create, &mut errors);
    let mut unsure = found.unsure;
    unsure.extend(heard.unsure);
    (errors, unsure, heard.transitions)
}

/// Since 1.30 what is found again and equal is forgiven; embedded metadata and duplicates have rules of
/// their own: the first are looked at again, the second only where there were none before.
fn unchanged(schema: &Schema, done: &mut Prepared) -> (Vec<SchemaError>, Vec<Unsure>) {
    let node = &schema.node;
    let mut errors = done.errors.clone();
    meta::own_again(&done.object, &mut errors);
    let found = validate(&done.object, node, &Place::ROOT, Look::Ratcheted(Older { value: &done.object, node }));
    errors.extend(found.errors);
    meta::embedded(&mut done.object, node, &mut errors);
    let heard = rules(schema, done, Asked::Unchanged { forgives: true }, &mut errors);
    let mut unsure = found.unsure;
    unsure.extend(heard.unsure);
    (errors, unsure)
}

/// Before 1.30 an update is looked at as a create is, but for the duplicates.
fn unratcheted(schema: &Schema, done: &mut Prepared) -> (Vec<SchemaError>, Vec<Unsure>) {
    let node = &schema.node;
    let mut errors = done.errors.clone();
    meta::own_again(&done.object, &mut errors);
    let found = validate(&done.object, node, &Place::ROOT, Look::Create);
    errors.extend(found.errors);
    meta::embedded(&mut done.object, node, &mut errors);
    let heard = rules(schema, done, Asked::Unchanged { forgives: false }, &mut errors);
    let mut unsure = found.unsure;
    unsure.extend(heard.unsure);
    (errors, unsure)
}

/// The rules, unless what came before is too wrong.
fn rules(schema: &Schema, done: &Prepared, asked: Asked, errors: &mut Vec<SchemaError>) -> Heard {
    if !schema.node.has_rules {
        return Heard::default();
    }
    if errors.iter().any(|error| error.kind.blocks_rules()) {
        let words = "some validation rules were not checked because the object was invalid; correct the existing errors \
                     to complete validation";
        let told = SchemaError::new(String::new(), ErrorKind::Invalid, Some("null".to_owned()), words);
        errors.push(told.at_nothing());
        return Heard { transitions: true, ..Heard::default() };
    }
    let mut heard = cel::ask(&done.object, &schema.node, asked);
    errors.append(&mut heard.errors);
    heard
}
