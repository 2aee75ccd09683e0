//! The folders of `shared/src` use only the folders above them, and no two use each other.
//!
//! Reads the paths that start with `crate::` (and `super::` chains that leave a folder) in every file, comments left out,
//! tests included. `ORDER` is the list of the architecture page; `report` stands beside the folders with effects.

#![allow(clippy::unwrap_used, reason = "sources that cannot be read fail the test")]

mod source_files;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use source_files::{repository, rust_files};

/// The folders in the order of their dependencies: each may use the ones before it.
const ORDER: [&str; 14] = [
    "problem",
    "model",
    "ask",
    "diff",
    "schema",
    "checks",
    "plan",
    "guards",
    "catalogue",
    "tools",
    "cluster",
    "prepare",
    "run",
    "cli",
];
/// The folder beside the order: it uses the pure folders, up to and including `LAST_PURE`.
const REPORT: &str = "report";
const LAST_PURE: &str = "catalogue";
/// The folders that may use `report`.
const USERS_OF_REPORT: [&str; 3] = ["prepare", "run", "cli"];

/// One use of a folder by a file of another folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Arrow {
    from: String,
    to: String,
    file: String,
}

fn rank(folder: &str) -> Option<usize> {
    ORDER.iter().position(|one| *one == folder)
}

fn is_folder(name: &str) -> bool {
    name == REPORT || rank(name).is_some()
}

fn may_use(from: &str, to: &str) -> bool {
    match (from == REPORT, to == REPORT) {
        (true, _) => rank(to) <= rank(LAST_PURE),
        (false, true) => USERS_OF_REPORT.contains(&from),
        (false, false) => rank(to) < rank(from),
    }
}

/// The folder of a file by its path below `src`: `plan/mod.rs` and `catalogue.rs` are in `plan` and `catalogue`.
fn folder_of(file: &str) -> &str {
    file.split('/').next().unwrap_or(file).trim_end_matches(".rs")
}

/// How many `super::` lead from the file's module to the crate's root.
fn depth_of(file: &str) -> usize {
    file.trim_end_matches(".rs").trim_end_matches("/mod").split('/').count()
}

fn without_comments(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn leading_identifier(text: &str) -> &str {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next().unwrap_or_default()
}

/// The first names of a path's rest: of `{a::b, c}` both `a` and `c`.
fn first_names(rest: &str) -> Vec<&str> {
    let Some(group) = rest.strip_prefix('{') else { return vec![leading_identifier(rest)] };
    let (mut depth, mut names, mut is_start) = (1, Vec::new(), true);
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            ',' if depth == 1 => is_start = true,
            letter if depth == 1 && is_start && letter.is_alphabetic() => {
                names.push(leading_identifier(&group[at..]));
                is_start = false;
            }
            _ => {}
        }
    }
    names
}

/// Every folder that a file's text names, its own left out.
fn arrows_of(file: &str, text: &str) -> BTreeSet<Arrow> {
    let (text, own) = (without_comments(text), folder_of(file));
    let from_root = text.split("crate::").skip(1).flat_map(first_names);
    let to_root = "super::".repeat(depth_of(file));
    let from_super = text.split(to_root.as_str()).skip(1).flat_map(first_names);
    let used = from_root.chain(from_super).filter(|name| is_folder(name) && *name != own);
    used.map(|to| Arrow { from: own.to_owned(), to: to.to_owned(), file: file.to_owned() }).collect()
}

fn wrong_arrows(arrows: &BTreeSet<Arrow>) -> Vec<&Arrow> {
    arrows.iter().filter(|arrow| !may_use(&arrow.from, &arrow.to)).collect()
}

/// The folders of a circle: those that remain when folders that use no remaining folder are taken away, one after the other.
fn circle(arrows: &BTreeSet<Arrow>) -> BTreeSet<&str> {
    let mut uses: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for Arrow { from, to, .. } in arrows {
        uses.entry(from).or_default().insert(to);
    }
    loop {
        let remaining: BTreeSet<&str> = uses.keys().copied().collect();
        uses.retain(|_, targets| targets.iter().any(|target| remaining.contains(target)));
        if uses.len() == remaining.len() {
            return remaining;
        }
    }
}

/// Every file of `shared/src`: its path below that folder, and its text.
fn source_files() -> Vec<(String, String)> {
    let root = repository().join("shared/src");
    let read = |path: PathBuf| {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
        (name, std::fs::read_to_string(&path).unwrap())
    };
    rust_files(&["shared/src"]).into_iter().map(read).collect()
}

fn all_arrows() -> BTreeSet<Arrow> {
    let files = source_files();
    files.iter().filter(|(file, _)| file != "lib.rs").flat_map(|(file, text)| arrows_of(file, text)).collect()
}

#[test]
fn every_folder_is_in_the_order() {
    let folders: BTreeSet<String> = source_files().iter().map(|(file, _)| folder_of(file).to_owned()).collect();
    let known: BTreeSet<String> = ORDER.iter().chain(&[REPORT, "lib"]).map(|name| (*name).to_owned()).collect();
    assert_eq!(folders, known);
}

#[test]
fn no_folder_uses_one_below_it() {
    let arrows = all_arrows();
    assert!(arrows.len() > 100, "only {} uses were found: the reader is broken", arrows.len());
    assert_eq!(wrong_arrows(&arrows), Vec::<&Arrow>::new());
}

#[test]
fn no_two_folders_use_each_other() {
    assert_eq!(circle(&all_arrows()), BTreeSet::new());
}

#[test]
fn a_planted_wrong_arrow_is_found() {
    let wrong = |file: &str, text: &str| wrong_arrows(&arrows_of(file, text)).len();
    assert_eq!(wrong("checks/mod.rs", "use crate::plan::Step;"), 1);
    assert_eq!(wrong("checks/mod.rs", "use crate::{\n    model::chart::{Chart, Digest},\n    cluster,\n};"), 1);
    assert_eq!(wrong("model/flux/source.rs", "fn f() { crate::ask::parse(); }"), 1);
    assert_eq!(wrong("model/flux/source.rs", "use super::super::super::ask::parse;"), 1);
    assert_eq!(wrong("report/plan.rs", "use crate::cluster::Cluster;"), 1);
    assert_eq!(wrong("cluster/mod.rs", "use crate::report::style;"), 1);
    assert_eq!(wrong("catalogue.rs", "use crate::report::style;"), 1);
}

#[test]
fn an_arrow_upward_and_a_comment_are_no_fault() {
    let wrong = |file: &str, text: &str| wrong_arrows(&arrows_of(file, text)).len();
    assert_eq!(wrong("prepare/mod.rs", "use crate::report::event::Emit;\nuse crate::tools::helm::Helm;"), 0);
    assert_eq!(wrong("report/plan.rs", "use crate::catalogue::cards;"), 0);
    assert_eq!(wrong("model/chart.rs", "//! See [`crate::plan::Plan`].\n    // crate::run"), 0);
    assert_eq!(wrong("plan/decide.rs", "use super::super::order;"), 0);
}

#[test]
fn a_planted_circle_is_found() {
    let mut arrows = arrows_of("tools/mod.rs", "use crate::cluster;");
    arrows.extend(arrows_of("cluster/mod.rs", "use crate::tools;"));
    arrows.extend(arrows_of("plan/mod.rs", "use crate::model;"));
    arrows.extend(arrows_of("run/mod.rs", "use crate::plan;"));
    assert_eq!(circle(&arrows), BTreeSet::from(["cluster", "tools"]));
}
