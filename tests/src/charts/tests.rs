//! Tests of the sample charts' sources, without a cluster, the Go modules or helm.
#![allow(clippy::unwrap_used, reason = "a test may stop at once")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use mural::model::chart::ChartFiles;
use mural::model::yaml::{self, ErrorDetail};
use serde_json::Value;

use super::{CRDS, PAIRS, pack, sample_crds, sources};

fn own_crds(later: bool) -> BTreeMap<String, Value> {
    let text = fs::read_to_string(sources().join("mural-crds/own.yaml")).unwrap();
    let crds = sample_crds::crds(&text, later).unwrap();
    crds.into_iter().map(|(name, text)| (name, yaml::parse_document(&text, ErrorDetail::Snippet).unwrap())).collect()
}

fn objects() -> Vec<Value> {
    let files = super::read_folder(&super::objects()).unwrap();
    let texts = files.into_values().map(|bytes| String::from_utf8(bytes).unwrap());
    texts.flat_map(|text| yaml::parse_documents(&text, ErrorDetail::Snippet).unwrap()).collect()
}

#[test]
fn the_names_of_the_guide_are_complete_and_sorted() {
    let text = fs::read_to_string(sources().join("mural-crds/names.txt")).unwrap();
    let names: BTreeSet<&str> = text.lines().collect();
    assert_eq!(names.len(), CRDS);
    assert!(text.lines().eq(names.iter().copied()), "sorted, each once");
    assert!(own_crds(false).keys().all(|name| names.contains(name.as_str())));
}

#[test]
fn nine_of_our_own_crds_differ() {
    let (older, newer) = (own_crds(false), own_crds(true));
    assert_eq!(older.len(), newer.len());
    let changed: Vec<&str> =
        older.keys().filter(|name| older[*name] != newer[*name]).filter_map(|name| name.split('.').next()).collect();
    let expected = [
        "aiworkloads",
        "computepools",
        "environments",
        "hubs",
        "profilebundles",
        "projects",
        "scalingpolicies",
        "tenants",
        "workloadprofiles",
    ];
    assert_eq!(changed, expected);
}

#[test]
fn a_change_leaves_the_rest_of_the_schema_alone() {
    let name = "computepools.spectrocloud.com";
    let size = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/size/enum";
    let (mut older, newer) = (own_crds(false).remove(name).unwrap(), own_crds(true).remove(name).unwrap());
    *older.pointer_mut(size).unwrap() = newer.pointer(size).unwrap().clone();
    assert_eq!(older, newer);
}

#[test]
fn no_operators_object_uses_the_size_that_goes() {
    let pools: Vec<Value> = objects().into_iter().filter(|object| object["kind"] == "ComputePool").collect();
    assert_eq!(pools.len(), 14);
    assert!(pools.iter().all(|pool| pool["spec"]["size"] != "xl"));
}

#[test]
fn the_storage_of_hubs_moves() {
    let stored = |later: bool| {
        let crd = own_crds(later).remove("hubs.fleetconfig.open-cluster-management.io").unwrap();
        let versions = crd["spec"]["versions"].as_array().unwrap().clone();
        assert!(versions.iter().all(|version| version["served"] == true));
        versions.into_iter().find(|version| version["storage"] == true).unwrap()["name"].clone()
    };
    assert_eq!((stored(false), stored(true)), ("v1alpha1".into(), "v1beta1".into()));
}

#[test]
fn the_same_files_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let files: ChartFiles = [("Chart.yaml", "name: x\n"), ("templates/a.yaml", "a: 1\n")]
        .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
        .into();
    let packed = || {
        pack::write(folder.path(), "x", PAIRS[0].0, &files).unwrap();
        fs::read(folder.path().join("x-0.7.1.tgz")).unwrap()
    };
    assert_eq!(packed(), packed());
}
