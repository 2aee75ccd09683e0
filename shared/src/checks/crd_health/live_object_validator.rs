//! Validates the live objects of one CRD by its own schema, one after another. Only counts and the first invalid objects are kept.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::model::cluster_view::ReadFailure;
use crate::model::crd::Crd;
use crate::model::health_inputs::{InvalidObject, ObjectScan};
use crate::model::object::ObjectRef;
use crate::schema::{Schema, ServerVersion, Validity};

/// Maximum number of invalid objects that are listed; further ones are only counted.
const MAX_MISFITS: usize = 5;

/// Validates the objects of one CRD and version.
pub struct LiveObjectValidator {
    /// `None` if the CRD has no such version.
    schema: Option<Schema>,
    group: String,
    report: ObjectScan,
}

impl LiveObjectValidator {
    /// Builds a validator for objects that are read in this version.
    #[must_use]
    pub fn new(crd: &Crd, version: &str, server: ServerVersion) -> Self {
        let schema = Schema::from_crd(crd, version, server);
        Self { schema, group: crd.group().to_owned(), report: ObjectScan::default() }
    }

    /// Validates one object and counts its field managers.
    pub fn validate(&mut self, object: &Value) {
        self.report.checked_count += 1;
        self.count_manager_versions(object);
        let Some(schema) = &self.schema else { return };
        let verdicts = schema.validate(object);
        let name = || ObjectRef::from_manifest(object).map(|object| object.to_string()).unwrap_or_default();
        match verdicts.create {
            Validity::Valid => {}
            Validity::Undetermined => {
                self.report.undetermined_object.get_or_insert_with(name);
            }
            Validity::Invalid => {
                self.report.invalid_count += 1;
                let stuck = verdicts.unchanged_update == Validity::Invalid;
                let first = if stuck { verdicts.update_errors.first() } else { verdicts.errors.first() };
                let why = first.map(|error| format!("{}: {}", error.path, error.message)).unwrap_or_default();
                if self.report.invalid_examples.len() < MAX_MISFITS {
                    self.report.invalid_examples.push(InvalidObject {
                        object: name(),
                        reason: why,
                        blocks_all_writes: stuck,
                    });
                }
            }
        }
    }

    fn count_manager_versions(&mut self, object: &Value) {
        let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
        let manager_versions: BTreeSet<(String, String)> = entries
            .filter_map(|entry| {
                let version = entry["apiVersion"].as_str()?.strip_prefix(&self.group)?.strip_prefix('/')?;
                Some((version.to_owned(), entry["manager"].as_str().unwrap_or_default().to_owned()))
            })
            .collect();
        for one in manager_versions {
            *self.report.manager_versions.entry(one).or_default() += 1;
        }
    }

    /// Returns the scan, with the reason why some objects could not be read.
    #[must_use]
    pub fn finish(mut self, broken_off: Option<ReadFailure>) -> ObjectScan {
        self.report.read_failure = broken_off;
        self.report
    }
}
