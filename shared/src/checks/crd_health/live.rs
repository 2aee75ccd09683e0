//! Live objects of one CRD, judged one after another by the CRD's own schema. Nothing of an object is kept but what is worth telling.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::model::crd::Crd;
use crate::model::object::ObjectRef;
use crate::model::view::NotSeen;
use crate::model::vitals::{Misfit, Streamed};
use crate::schema::{Schema, ServerVersion, Verdict};

/// Objects that are told one by one; more are counted.
const TOLD: usize = 5;

/// Judges the objects of one CRD.
pub struct Looker {
    /// None where the CRD has no such version.
    schema: Option<Schema>,
    group: String,
    seen: Streamed,
}

impl Looker {
    /// Prepares to judge objects that are read in this version.
    #[must_use]
    pub fn new(crd: &Crd, version: &str, server: ServerVersion) -> Self {
        let schema = Schema::of_crd(crd, version, server);
        Self { schema, group: crd.group().to_owned(), seen: Streamed::default() }
    }

    /// Judges one object.
    pub fn look(&mut self, object: &Value) {
        self.seen.looked_at += 1;
        self.note_versions(object);
        let Some(schema) = &self.schema else { return };
        let verdicts = schema.judge(object);
        let name = || ObjectRef::of(object).map(|object| object.to_string()).unwrap_or_default();
        match verdicts.create {
            Verdict::Valid => {}
            Verdict::Undetermined => {
                self.seen.unsure.get_or_insert_with(name);
            }
            Verdict::Invalid => {
                self.seen.unfit += 1;
                let stuck = verdicts.unchanged_update == Verdict::Invalid;
                let first = if stuck { verdicts.update_errors.first() } else { verdicts.errors.first() };
                let why = first.map(|error| format!("{}: {}", error.path, error.message)).unwrap_or_default();
                if self.seen.misfits.len() < TOLD {
                    self.seen.misfits.push(Misfit { object: name(), why, stuck });
                }
            }
        }
    }

    fn note_versions(&mut self, object: &Value) {
        let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
        let named: BTreeSet<(String, String)> = entries
            .filter_map(|entry| {
                let version = entry["apiVersion"].as_str()?.strip_prefix(&self.group)?.strip_prefix('/')?;
                Some((version.to_owned(), entry["manager"].as_str().unwrap_or_default().to_owned()))
            })
            .collect();
        for one in named {
            *self.seen.named.entry(one).or_default() += 1;
        }
    }

    /// What came of it; with why not all were read.
    #[must_use]
    pub fn done(mut self, broken_off: Option<NotSeen>) -> Streamed {
        self.seen.broken_off = broken_off;
        self.seen
    }
}
