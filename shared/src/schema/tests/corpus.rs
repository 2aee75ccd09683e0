//! Agreement with the API server's own verdicts over the corpus of public custom resources, where it lies beside the
//! project; without it this test says so and proves nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::model::crd::Crd;
use crate::model::yaml::{self, ErrorDetail};
use crate::schema::{Schema, SchemaError, ServerVersion, ValidationResult, Validity};

/// The verdicts were made as servers up to 1.35 judge; what 1.36 says otherwise stands apart.
const OLD: ServerVersion = ServerVersion::new(1, 35);

fn corpus() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = here.ancestors().map(|folder| folder.join("shared/corpus")).find(|folder| folder.is_dir());
    if found.is_none() {
        println!("no shared/corpus beside {} or above: nothing was looked at", here.display());
    }
    found
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap();
    yaml::parse_document(&text, ErrorDetail::Snippet).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// One row of the table: how many were asked, how many agree, and each that does not.
#[derive(Default)]
struct Row {
    compared: usize,
    misses: Vec<String>,
}

impl Row {
    fn record(&mut self, place: &str, ours: &impl std::fmt::Debug, theirs: &impl std::fmt::Debug) {
        self.compared += 1;
        let (ours, theirs) = (format!("{ours:?}"), format!("{theirs:?}"));
        if ours != theirs {
            self.misses.push(format!("{place}\n    ours   {ours}\n    theirs {theirs}"));
        }
    }
}

#[derive(Default)]
struct Table(BTreeMap<&'static str, Row>);

impl Table {
    fn record(&mut self, row: &'static str, place: &str, ours: &impl std::fmt::Debug, theirs: &impl std::fmt::Debug) {
        self.0.entry(row).or_default().record(place, ours, theirs);
    }
}

/// Reads each CRD version once.
struct Crds {
    corpus: PathBuf,
    read: BTreeMap<PathBuf, Crd>,
}

impl Crds {
    fn read_once(&mut self, version: &str, name: &str) -> &Crd {
        let paths =
            ["product-crds", "pairs"].map(|folder| self.corpus.join(folder).join(version).join(format!("{name}.yaml")));
        let path = paths.into_iter().find(|path| path.is_file()).unwrap();
        self.read.entry(path.clone()).or_insert_with(|| {
            // The verdicts prune also where a CRD of v1beta1 says that unknown fields are kept.
            let mut crd = read(&path);
            crd["spec"]["preserveUnknownFields"] = Value::Bool(false);
            Crd::new(crd).unwrap()
        })
    }
}

fn texts(value: &Value) -> BTreeSet<String> {
    value.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn expected_errors(errors: &Value) -> BTreeSet<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    errors.as_array().into_iter().flatten().map(|error| (text(&error["field"]), text(&error["message"]))).collect()
}

/// What the verdicts do not look at: the names in the resource's own metadata (templates with `${…}` in them), and the
/// server's remark that rules were left alone.
fn is_compared(error: &SchemaError) -> bool {
    !error.path.starts_with("metadata.") && !error.message.contains("some validation rules were not checked")
}

fn actual_errors(verdicts: &ValidationResult) -> BTreeSet<(String, String)> {
    verdicts.errors.iter().filter(|error| is_compared(error)).map(SchemaError::server_message).collect()
}

fn create(verdicts: &ValidationResult) -> Validity {
    match verdicts.create {
        Validity::Invalid if actual_errors(verdicts).is_empty() => Validity::Valid,
        other => other,
    }
}

fn is_valid(verdict: &Value) -> Validity {
    if verdict["valid"] == true { Validity::Valid } else { Validity::Invalid }
}

/// The expected result for one resource at one version of its CRD.
fn compare_at(table: &mut Table, place: &str, crd: &Crd, version: &str, object: &Value, at: &Value) {
    let server = |server| Schema::from_crd(crd, version, server).map(|schema| schema.validate(object));
    if at["versionMissing"] == true {
        table.record("version missing", place, &server(OLD).is_none(), &true);
        return;
    }
    let Some(old) = server(OLD) else { return table.record("version missing", place, &true, &false) };
    table.record("create", place, &create(&old), &is_valid(at));
    let (ours, theirs) = (actual_errors(&old), expected_errors(&at["errors"]));
    // They list no more than eight.
    let ours = if theirs.len() == 8 { ours.intersection(&theirs).cloned().collect() } else { ours };
    table.record("errors, in the server's words", place, &ours, &theirs);
    table.record(
        "pruned fields, by name",
        place,
        &old.pruned_fields.iter().cloned().collect::<BTreeSet<_>>(),
        &texts(&at["pruned"]),
    );
    let newer = &at["kubernetes1.36"];
    let new = server(ServerVersion::NEWEST).unwrap();
    let wanted = if newer.is_object() { is_valid(newer) } else { is_valid(at) };
    table.record("create, from 1.36 on", place, &create(&new), &wanted);
}

#[test]
fn verdicts_are_those_of_the_api_server() {
    let Some(corpus) = corpus() else { return };
    let text = std::fs::read_to_string(corpus.join("verdicts/resources.json")).unwrap();
    let verdicts: Value = serde_json::from_str(&text).unwrap();
    let mut crds = Crds { corpus: corpus.clone(), read: BTreeMap::new() };
    let mut table = Table::default();
    for resource in verdicts["resources"].as_array().unwrap() {
        let object = read(&corpus.join(resource["resource"].as_str().unwrap()));
        let api_version = resource["apiVersion"].as_str().unwrap();
        let (_, version) = api_version.rsplit_once('/').unwrap();
        for at in resource["at"].as_array().unwrap() {
            let place = format!("{} at {}", resource["resource"], at["crdVersion"]);
            let crd = crds.read_once(at["crdVersion"].as_str().unwrap(), resource["crd"].as_str().unwrap());
            compare_at(&mut table, &place, crd, version, &object, at);
        }
        for upgrade in resource["upgrades"].as_array().into_iter().flatten() {
            let place = format!("{} over {}", resource["resource"], upgrade["upgrade"]);
            let (family, to) = upgrade["upgrade"].as_str().unwrap().split_once("..").unwrap();
            let family = family.split_once('/').unwrap().0;
            let to = to.rsplit('/').next().unwrap();
            let name = resource["crd"].as_str().unwrap();
            let from = upgrade["upgrade"].as_str().unwrap().split_once("..").unwrap().0;
            // As the older CRD has left it: with its defaults.
            let before = Schema::from_crd(crds.read_once(from, name), version, OLD).unwrap().to_persisted(&object);
            compare_upgrade(
                &mut table,
                &place,
                crds.read_once(&format!("{family}/{to}"), name),
                version,
                &before,
                upgrade,
            );
        }
    }
    show(&table);
}

/// What an upgrade does to a resource that was valid before.
fn compare_upgrade(table: &mut Table, place: &str, crd: &Crd, version: &str, object: &Value, upgrade: &Value) {
    let validate_at = |version: &str| Schema::from_crd(crd, version, OLD).map(|schema| schema.validate(object));
    if let Some(wanted) = upgrade["unchangedUpdateStillAccepted"].as_bool() {
        let wanted = if wanted { Validity::Valid } else { Validity::Invalid };
        table.record("unchanged update", place, &validate_at(version).unwrap().unchanged_update, &wanted);
    }
    let read = &upgrade["readAsNewStorageVersion"];
    if let Some(version) = read["version"].as_str() {
        let ours = validate_at(version).unwrap();
        table.record("read in the new storage version: create", place, &create(&ours), &is_valid(read));
        let pruned: BTreeSet<String> = ours.pruned_fields.iter().cloned().collect();
        table.record("read in the new storage version: pruned", place, &pruned, &texts(&read["pruned"]));
    }
    if upgrade["prunedAfterUpgrade"].is_array() {
        let pruned: BTreeSet<String> = validate_at(version).unwrap().pruned_fields.iter().cloned().collect();
        table.record("pruned by an upgrade", place, &pruned, &texts(&upgrade["prunedAfterUpgrade"]));
    }
}

fn show(table: &Table) {
    println!("{:<45} {:>6} {:>6}", "agreement with the API server", "asked", "agree");
    for (name, row) in &table.0 {
        println!("{name:<45} {:>6} {:>6}", row.compared, row.compared - row.misses.len());
    }
    let misses: Vec<String> =
        table.0.iter().flat_map(|(name, row)| row.misses.iter().map(move |miss| format!("{name}: {miss}"))).collect();
    assert!(misses.is_empty(), "{} misses:\n{}", misses.len(), misses.join("\n"));
}
