//! The list of guards equals the folder, and each task runs the guards that its authors chose.

use std::collections::BTreeSet;
use std::path::Path;

use crate::guards::{ALL, list_guards};
use crate::model::task::Task;

/// Files of the folder that are no guard.
const OTHER_FILES: [&str; 3] = ["mod", "context", "tests"];
/// What a rollback runs: the other guards look at charts.
const ROLLBACK: [&str; 9] = [
    "tool-versions",
    "same-cluster",
    "owner-supported",
    "permissions",
    "journal-readable",
    "crds-dry-run",
    "storage-migrating",
    "admission-webhooks-ready",
    "login-restarts",
];
/// What a repair runs.
const REPAIR: [&str; 6] =
    ["tool-versions", "same-cluster", "owner-supported", "permissions", "crds-dry-run", "storage-migrating"];
/// What an apply of CRDs does not run: these guards look at releases, and it writes none.
const NOT_FOR_CRDS: [&str; 16] = [
    "chart-identity",
    "helm-field-conflicts",
    "objects-removed",
    "installed",
    "permissions",
    "journal-readable",
    "release-not-pending",
    "release-not-failed",
    "known-pair",
    "record-size",
    "bundled-flux-crds",
    "application-crds-served",
    "helm-would-delete-crds",
    "object-ownership-metadata",
    "objects-not-terminating",
    "crd-ownership-metadata",
];

fn guard_ids(task: Task) -> BTreeSet<&'static str> {
    list_guards(task).map(|guard| guard.card.id).collect()
}

#[test]
fn every_file_is_in_the_list_and_its_name_is_the_id() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guards");
    let stems = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let stems = stems.filter(|path| path.is_file()).map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
    let files: BTreeSet<String> =
        stems.filter(|stem| !OTHER_FILES.contains(&stem.as_str())).map(|stem| stem.replace('_', "-")).collect();
    let listed: BTreeSet<String> = ALL.iter().map(|guard| guard.card.id.to_owned()).collect();
    assert_eq!(files, listed);
    assert_eq!(listed.len(), ALL.len(), "an id stands twice in the list");
}

#[test]
fn each_task_runs_its_guards() {
    let all: BTreeSet<&str> = ALL.iter().map(|guard| guard.card.id).collect();
    for task in Task::ALL {
        let expected = match task {
            Task::Upgrade => all.clone(),
            Task::Rollback => ROLLBACK.into(),
            Task::Repair => REPAIR.into(),
            Task::ApplyCrds => all.iter().copied().filter(|id| !NOT_FOR_CRDS.contains(id)).collect(),
        };
        assert_eq!(guard_ids(task), expected, "{task:?}");
    }
    assert!(NOT_FOR_CRDS.iter().all(|id| all.contains(id)));
}
