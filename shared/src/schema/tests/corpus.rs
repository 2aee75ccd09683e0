//! Agreement with the API server's own verdicts over the corpus of public custom resources, where it lies beside the
//! project; without it this test says so and proves nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::model::crd::Crd;
use crate::model::yaml::{self, Quote};
use crate::schema::{Schema, SchemaError, ServerVersion, Verdict, Verdicts};

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
    yaml::document(&text, Quote::Snippet).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// One row of the table: how many were asked, how many agree, and each that does not.
#[derive(Default)]
struct Row {
    asked: usize,
    misses: Vec<String>,
}

impl Row {
    fn ask(&mut self, place: &str, ours: &impl std::fmt::Debug, theirs: &impl std::fmt::Debug) {
        self.asked += 1;
        let (ours, theirs) = (format!("{ours:?}"), format!("{theirs:?}"));
        if ours != theirs {
            self.misses.push(format!("{place}\n    ours   {ours}\n    theirs {theirs}"));
        }
    }
}

#[derive(Default)]
struct Table(BTreeMap<&'static str, Row>);

impl Table {
    fn ask(&mut self, row: &'static str, place: &str, ours: &impl std::fmt::Debug, theirs: &impl std::fmt::Debug) {
        self.0.entry(row).or_default().ask(place, ours, theirs);
    }
}

/// Reads each CRD version once.
struct Crds {
    corpus: PathBuf,
    read: BTreeMap<PathBuf, Crd>,
}

impl Crds {
    fn at(&mut self, version: &str, name: &str) -> &Crd {
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

fn told(errors: &Value) -> BTreeSet<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    errors.as_array().into_iter().flatten().map(|error| (text(&error["field"]), text(&error["message"]))).collect()
}

/// What the verdicts do not look at: the names in the resource's own metadata (templates with `${…}` in them), and the
/// server's remark that rules were left alone.
fn counts(error: &SchemaError) -> bool {
    !error.path.starts_with("metadata.") && !error.message.contains("some validation rules were not checked")
}

fn said(verdicts: &Verdicts) -> BTreeSet<(String, String)> {
    verdicts.errors.iter().filter(|error| counts(error)).map(SchemaError::server_words).collect()
}

fn create(verdicts: &Verdicts) -> Verdict {
    match verdicts.create {
        Verdict::Invalid if said(verdicts).is_empty() => Verdict::Valid,
        other => other,
    }
}

fn is_valid(verdict: &Value) -> Verdict {
    if verdict["valid"] == true { Verdict::Valid } else { Verdict::Invalid }
}

/// What one resource is said to be at one version of its CRD.
fn judge_at(table: &mut Table, place: &str, crd: &Crd, version: &str, object: &Value, at: &Value) {
    let server = |server| Schema::of_crd(crd, version, server).map(|schema| schema.judge(object));
    if at["versionMissing"] == true {
        table.ask("version missing", place, &server(OLD).is_none(), &true);
        return;
    }
    let Some(old) = server(OLD) else { return table.ask("version missing", place, &true, &false) };
    table.ask("create", place, &create(&old), &is_valid(at));
    let (ours, theirs) = (said(&old), told(&at["errors"]));
    // They list no more than eight.
    let ours = if theirs.len() == 8 { ours.intersection(&theirs).cloned().collect() } else { ours };
    table.ask("errors, in the server's words", place, &ours, &theirs);
    table.ask(
        "pruned fields, by name",
        place,
        &old.pruned.iter().cloned().collect::<BTreeSet<_>>(),
        &texts(&at["pruned"]),
    );
    let newer = &at["kubernetes1.36"];
    let new = server(ServerVersion::NEWEST).unwrap();
    let wanted = if newer.is_object() { is_valid(newer) } else { is_valid(at) };
    table.ask("create, from 1.36 on", place, &create(&new), &wanted);
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
            let crd = crds.at(at["crdVersion"].as_str().unwrap(), resource["crd"].as_str().unwrap());
            judge_at(&mut table, &place, crd, version, &object, at);
        }
        for upgrade in resource["upgrades"].as_array().into_iter().flatten() {
            let place = format!("{} over {}", resource["resource"], upgrade["upgrade"]);
            let (family, to) = upgrade["upgrade"].as_str().unwrap().split_once("..").unwrap();
            let family = family.split_once('/').unwrap().0;
            let to = to.rsplit('/').next().unwrap();
            let name = resource["crd"].as_str().unwrap();
            let from = upgrade["upgrade"].as_str().unwrap().split_once("..").unwrap().0;
            // As the older CRD has left it: with its defaults.
            let before = Schema::of_crd(crds.at(from, name), version, OLD).unwrap().kept(&object);
            upgraded(&mut table, &place, crds.at(&format!("{family}/{to}"), name), version, &before, upgrade);
        }
    }
    show(&table);
}

/// What an upgrade does to a resource that was valid before.
fn upgraded(table: &mut Table, place: &str, crd: &Crd, version: &str, object: &Value, upgrade: &Value) {
    let judged = |version: &str| Schema::of_crd(crd, version, OLD).map(|schema| schema.judge(object));
    if let Some(wanted) = upgrade["unchangedUpdateStillAccepted"].as_bool() {
        let wanted = if wanted { Verdict::Valid } else { Verdict::Invalid };
        table.ask("unchanged update", place, &judged(version).unwrap().unchanged_update, &wanted);
    }
    let read = &upgrade["readAsNewStorageVersion"];
    if let Some(version) = read["version"].as_str() {
        let ours = judged(version).unwrap();
        table.ask("read in the new storage version: create", place, &create(&ours), &is_valid(read));
        let pruned: BTreeSet<String> = ours.pruned.iter().cloned().collect();
        table.ask("read in the new storage version: pruned", place, &pruned, &texts(&read["pruned"]));
    }
    if upgrade["prunedAfterUpgrade"].is_array() {
        let pruned: BTreeSet<String> = judged(version).unwrap().pruned.iter().cloned().collect();
        table.ask("pruned by an upgrade", place, &pruned, &texts(&upgrade["prunedAfterUpgrade"]));
    }
}

fn show(table: &Table) {
    println!("{:<45} {:>6} {:>6}", "agreement with the API server", "asked", "agree");
    for (name, row) in &table.0 {
        println!("{name:<45} {:>6} {:>6}", row.asked, row.asked - row.misses.len());
    }
    let misses: Vec<String> =
        table.0.iter().flat_map(|(name, row)| row.misses.iter().map(move |miss| format!("{name}: {miss}"))).collect();
    assert!(misses.is_empty(), "{} misses:\n{}", misses.len(), misses.join("\n"));
}
