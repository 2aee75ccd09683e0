//! Both answers side by side.
//!
//! Named exceptions, which are counted and shown, and do not fail the run:
//!
//! | exception | why |
//! | --- | --- |
//! | undetermined | a CEL rule that our crate cannot evaluate: we say that we do not know |
//! | words of metadata | where metadata cannot be read, the server repeats Go's decoder; we say which field it is |
//! | a missing key | of two keys that a rule misses, the server and our crate may name another one first |
//! | the server panics | it does so over a list that is a map and is no longer a list: there is no answer to compare with |
//! | the root, printed | an enum at the root prints the whole object, with the metadata that the oracle's update adds |

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use mural::diff::predict_update_rejections;
use mural::model::crd::Crd;
use mural::model::rejection::Rejection;
use mural::schema::crd_rules::predict_schema_rejections;
use mural::schema::{Schema, ServerVersion, ValidationResult, Validity};
use serde_json::{Value, json};

use crate::objects;
use crate::oracle::Oracle;
use crate::random::Random;

/// So many disagreements are shown whole.
const MAX_DIFFERENCES_SHOWN: usize = 25;

type Words = BTreeSet<(String, String)>;

#[derive(Default)]
pub struct Table {
    pub crds: usize,
    pub objects: usize,
    refused_crds: usize,
    refusals: Refusals,
    rows: BTreeMap<&'static str, (usize, usize)>,
    exceptions: BTreeMap<&'static str, usize>,
    invalid: usize,
    misses: Vec<String>,
}

impl Table {
    pub fn judge(
        &mut self,
        oracle: &mut Oracle,
        crd: &Value,
        version: &str,
        done: &[String],
        each: usize,
        random: &mut Random,
    ) -> Result<()> {
        let schema = schema_of(crd, version);
        let made: Vec<Value> = (0..each).map(|_| objects::resource(crd, version, &schema, random)).collect();
        let answer = oracle.ask(&json!({"crd": crd, "version": version, "objects": made}))?;
        if let Some(failure) = answer["failure"].as_str() {
            anyhow::ensure!(failure.starts_with("panic:"), "the oracle could not answer: {failure}\n{crd}");
            *self.exceptions.entry("the server panics").or_default() += 1;
            return Ok(());
        }
        let known = predict_schema_rejections(None, crd);
        if answer["crd"].is_array() {
            self.refused_crds += 1;
            self.refusals.compare(
                &format!("{} with {}", crd["metadata"]["name"], done.join("; ")),
                &known,
                &answer["crd"],
            );
            return Ok(());
        }
        if let Some(words) = known.first() {
            self.misses.push(format!(
                "{} with {}: taken, and yet we say {words}",
                crd["metadata"]["name"],
                done.join("; ")
            ));
        }
        self.crds += 1;
        let ours = Schema::from_crd(&Crd::new(crd.clone()).unwrap(), version, ServerVersion::NEWEST).unwrap();
        for (object, theirs) in made.iter().zip(answer["verdicts"].as_array().into_iter().flatten()) {
            self.objects += 1;
            let place = format!("{} {version} with {}\n  object {object}", crd["metadata"]["name"], done.join("; "));
            self.compare(&place, &ours, object, theirs);
        }
        Ok(())
    }

    fn compare(&mut self, place: &str, schema: &Schema, object: &Value, theirs: &Value) {
        let ours = schema.validate(object);
        self.invalid += usize::from(theirs["valid"] != true);
        // The server gives up where metadata cannot be read, before it looks at anything else.
        let unread = theirs["object"].is_null();
        if unread {
            self.row("create", place, &ours.create, &Validity::Invalid);
            *self.exceptions.entry("words of metadata").or_default() += 1;
            return;
        }
        if ours.undetermined.is_empty() {
            self.row("create", place, &ours.create, &verdict(&theirs["valid"]));
            let update: Words = ours.update_errors.iter().map(mural::schema::SchemaError::server_message).collect();
            self.row("unchanged update", place, &ours.unchanged_update, &verdict(&theirs["updateValid"]));
            self.words("errors of the update", place, &update, &oracle_words(&theirs["updateErrors"]));
            self.words("errors, in the server's words", place, &words(&ours), &oracle_words(&theirs["errors"]));
        } else {
            *self.exceptions.entry("undetermined").or_default() += 1;
            let wrong = ours.create == Validity::Valid && theirs["valid"] != true;
            self.row("undetermined is never a pass", place, &wrong, &false);
        }
        self.row("pruned fields, by name", place, &ours.pruned_fields, &texts(&theirs["pruned"]));
        self.row("what would be kept", place, &plain(&schema.to_persisted(object)), &plain(&theirs["object"]));
    }

    fn words(&mut self, name: &'static str, place: &str, ours: &Words, theirs: &Words) {
        if ours != theirs && without_exceptions(ours) == without_exceptions(theirs) {
            *self.exceptions.entry("a missing key, or the root printed").or_default() += 1;
            return;
        }
        self.row(name, place, ours, theirs);
    }

    fn row<T: PartialEq + std::fmt::Debug>(&mut self, name: &'static str, place: &str, ours: &T, theirs: &T) {
        let (asked, agreed) = self.rows.entry(name).or_default();
        *asked += 1;
        if ours == theirs {
            *agreed += 1;
        } else {
            self.misses.push(format!("{name}: {place}\n  ours   {ours:?}\n  theirs {theirs:?}"));
        }
    }

    pub fn show(&self) -> Result<()> {
        println!(
            "{} changed CRDs ({} more were refused), {} objects, {} of them invalid",
            self.crds, self.refused_crds, self.objects, self.invalid
        );
        println!("{:<40} {:>7} {:>7}", "", "asked", "agree");
        for (name, (asked, agreed)) in &self.rows {
            println!("{name:<40} {asked:>7} {agreed:>7}");
        }
        for (name, count) in &self.exceptions {
            println!("exception, {name:<29} {count:>7}");
        }
        self.refusals.show();
        finish(&[&self.misses[..], &self.refusals.misses].concat())
    }
}

fn finish(misses: &[String]) -> Result<()> {
    if misses.is_empty() {
        return Ok(());
    }
    bail!(
        "{} disagreements, the first of them:\n{}",
        misses.len(),
        misses.iter().take(MAX_DIFFERENCES_SHOWN).cloned().collect::<Vec<_>>().join("\n")
    )
}

fn schema_of(crd: &Value, version: &str) -> Value {
    let all = crd["spec"]["versions"].as_array().into_iter().flatten();
    let found = all.into_iter().find(|one| one["name"] == version);
    found.map_or(Value::Null, |found| found["schema"]["openAPIV3Schema"].clone())
}

fn verdict(valid: &Value) -> Validity {
    if *valid == true { Validity::Valid } else { Validity::Invalid }
}

fn words(ours: &ValidationResult) -> Words {
    ours.errors.iter().map(mural::schema::SchemaError::server_message).collect()
}

fn oracle_words(errors: &Value) -> Words {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    errors.as_array().into_iter().flatten().map(|error| (text(&error["field"]), text(&error["message"]))).collect()
}

/// Without the words that are the two last exceptions.
fn without_exceptions(words: &Words) -> Words {
    let cut = |message: &str, from: &str, to: &str| {
        let (before, rest) = message.split_once(from)?;
        Some(format!("{before}{from}…{to}{}", rest.split_once(to)?.1))
    };
    let one = |(field, message): &(String, String)| {
        let at_root = field == "<nil>" && message.starts_with("Unsupported value: {");
        let printed = if at_root { cut(message, "Unsupported value: {", "}: supported values") } else { None };
        let missing = cut(message, "no such key: ", " evaluating rule");
        (field.clone(), printed.or(missing).unwrap_or_else(|| message.clone()))
    };
    words.iter().map(one).collect()
}

/// Go writes the float 2.0 as 2.
fn plain(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, value)| (name.clone(), plain(value))).collect())
        }
        other => other.clone(),
    }
}

fn texts(all: &Value) -> Vec<String> {
    all.as_array().into_iter().flatten().map(|text| text.as_str().unwrap_or_default().to_owned()).collect()
}

/// What we know that the server refuses, against what it refuses.
#[derive(Default)]
struct Refusals {
    refused: usize,
    predicted: usize,
    words: (usize, usize),
    misses: Vec<String>,
    unknown: BTreeMap<String, usize>,
}

impl Refusals {
    /// By field: what we say must be said by the server too. What only it says is counted by its words.
    fn compare(&mut self, place: &str, ours: &[Rejection], theirs: &Value) {
        let theirs = oracle_words(theirs);
        let fields: BTreeSet<&str> = theirs.iter().map(|(field, _)| field.as_str()).collect();
        let known: BTreeSet<&str> = ours.iter().map(|refusal| refusal.field.as_str()).collect();
        self.refused += usize::from(!theirs.is_empty());
        self.predicted += usize::from(!theirs.is_empty() && !known.is_empty());
        if !known.is_subset(&fields) {
            self.misses.push(format!("{place}\n  ours   {ours:?}\n  theirs {theirs:?}"));
        }
        for refusal in ours.iter().filter(|refusal| fields.contains(refusal.field.as_str())) {
            self.words.0 += 1;
            self.words.1 += usize::from(theirs.contains(&(refusal.field.clone(), refusal.message.clone())));
        }
        for (_, words) in theirs.iter().filter(|(field, _)| !known.contains(field.as_str())) {
            *self.unknown.entry(kind(words)).or_default() += 1;
        }
    }

    fn show(&self) {
        println!(
            "{} refused by the server, {} of those known offline; {} of {} reasons word for word",
            self.refused, self.predicted, self.words.1, self.words.0
        );
        for (words, count) in &self.unknown {
            println!("  not said offline: {words} ({count})");
        }
    }
}

/// The words of a refusal without its values.
fn kind(words: &str) -> String {
    let known = ["estimated rule cost", "compilation failed", "failed rule", "oldSelf", "error building validator"];
    let head = words.rsplit(": ").next().unwrap_or_default();
    known
        .iter()
        .find(|known| words.contains(**known))
        .map_or_else(|| head.chars().take(90).collect(), ToString::to_string)
}

/// What we say that the server refuses of a CRD's update, against what it refuses.
#[derive(Default)]
pub struct CrdTable {
    compared: usize,
    panics: usize,
    refusals: Refusals,
}

impl CrdTable {
    pub fn judge(&mut self, oracle: &mut Oracle, old: &Value, new: &Value, done: &str) -> Result<()> {
        self.compared += 1;
        let stored: Vec<&Value> = old["spec"]["versions"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|one| one["storage"] == true)
            .map(|one| &one["name"])
            .collect();
        let mut before = old.clone();
        before["status"] = json!({"storedVersions": stored, "conditions": [{"type": "Established", "status": "True"}]});
        let answer = oracle.ask(&json!({"crd": new, "old": before}))?;
        if let Some(failure) = answer["failure"].as_str() {
            anyhow::ensure!(failure.starts_with("panic:"), "the oracle could not answer: {failure}");
            self.panics += 1;
            return Ok(());
        }
        let ours = [predict_update_rejections(&before, new), predict_schema_rejections(Some(&before), new)].concat();
        let place = format!("{} with {done}", new["metadata"]["name"]);
        self.refusals.compare(&place, &ours, &answer["crd"]);
        Ok(())
    }

    pub fn show(&self) -> Result<()> {
        println!("{} changed CRDs", self.compared);
        println!("exception, the server panics {:>14}", self.panics);
        self.refusals.show();
        finish(&self.refusals.misses)
    }
}
